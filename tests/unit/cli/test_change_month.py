# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a month in a terminal, in both languages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from storewarden.cli.change_month import month_lines
from storewarden.cli.change_show import Style

FOUND: dict[str, Any] = {
    "month": "2026-05", "over": True, "target": 0.95, "limit": 0.05,
    "core": {"name": "core", "total": 2000, "successful": 1899, "rate": 0.9495},
    "every": {"name": "all", "total": 2001, "successful": 1900, "rate": 1900 / 2001},
    "kinds": [{"name": "major", "total": 1, "successful": 1, "rate": 1.0}],
    "classes": [
        {"name": "heal_printing", "total": 1, "successful": 1, "rate": 1.0, "analyse": False},
        {"name": "schema-change", "total": 2, "successful": 1, "rate": 0.5, "analyse": True},
    ],
    "debts": [
        {"kind": "approval", "open": 1, "overdue": 1, "settled": 2, "settled_late": 1},
        {"kind": "paperwork", "open": 0, "overdue": 0, "settled": 0, "settled_late": 0},
    ],
    "sample": ["GMBG-20260504-002"], "changes": [{}, {}],
}  # fmt: skip


def _style(language: str = "en") -> Style:
    return Style(language=language, zone=ZoneInfo("Asia/Shanghai"), now=datetime.now(UTC))


def _lines(language: str = "en", **more: object) -> list[str]:
    found = FOUND | more
    return "\n".join(month_lines(found, _style(language))).splitlines()


def test_everything_is_on_one_screen() -> None:
    assert _lines() == [
        "Changes of 2026-05: 2 closed (times are Asia/Shanghai)",
        "success rate  core systems   1899 of 2000  94.9 %  BELOW 95 %",
        "              all            1900 of 2001  94.9 %",
        "by kind       major          1 of 1        100 %",
        "by class      heal_printing  1 of 1        100 %",
        "              schema-change  1 of 2        50 %    fails more often than 5 %: analyse why",
        "debts         approval                             1 open (1 overdue), 2 settled (1 late)",
        "to be audited:",
        "  GMBG-20260504-002",
    ]


def test_a_bar_that_was_missed_is_never_rounded_away() -> None:
    core = {"name": "core", "total": 10000, "successful": 9499, "rate": 0.9499}
    assert "94.9 %  BELOW 95 %" in _lines(core=core)[1]
    core = {"name": "core", "total": 20, "successful": 19, "rate": 0.95}
    assert "95 %    at least 95 %" in _lines(core=core)[1]


def test_a_month_that_goes_on_says_so_and_draws_no_lots() -> None:
    lines = _lines(over=False, sample=[])
    assert "The month is not over: figures may still change." in lines
    assert lines[-1] == "to be audited: drawn by lot when the month is over"


def test_nothing_at_all_is_none_and_no_zero_percent() -> None:
    empty = {"name": "core", "total": 0, "successful": 0, "rate": None}
    lines = _lines(core=empty, every=empty, kinds=[], classes=[], debts=[], sample=[], changes=[])
    assert lines == [
        "Changes of 2026-05: 0 closed (times are Asia/Shanghai)",
        "success rate  core systems  none    at least 95 %",
        "              all           none",
        "to be audited: none",
    ]


def test_chinese() -> None:
    text = "\n".join(_lines("zh"))
    words = "成功率 核心系统 未达目标 重大变更 数据库结构变更 须分析原因 补审批 抽查"
    assert [word for word in words.split() if word not in text] == []
