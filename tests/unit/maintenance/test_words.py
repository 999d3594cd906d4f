# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons in words: every ground in both languages, in one line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.maintenance.grounds import Ground, OperationClass
from storewarden.domain.maintenance.judge import Reason
from storewarden.domain.maintenance.override import Objection
from storewarden.domain.maintenance.words import duration, moment, operation_name, refusal, said
from tests.unit.maintenance.site import JUNE_18, NIGHTS, SHANGHAI, almanac, ask

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("ground", list(Ground))
def test_every_ground_has_words_in_both_languages(ground: Ground) -> None:
    reason = Reason(
        ground=ground, name="N", detail="D", ends=datetime(2026, 6, 18, tzinfo=UTC),
        objections=tuple(Objection),
    )  # fmt: skip
    english, chinese = said(reason, SHANGHAI, "en"), said(reason, SHANGHAI, "zh")
    assert not CHINESE.search(english)
    assert CHINESE.search(chinese)
    for line in (english, chinese):
        assert "{" not in line
        assert "\n" not in line


@pytest.mark.parametrize("operation", list(OperationClass))
def test_every_class_has_a_name_in_both_languages(operation: OperationClass) -> None:
    assert operation_name(operation) == operation.value
    assert CHINESE.search(operation_name(operation, "zh"))


def test_the_operators_page_says_of_every_class_when_it_is_not_allowed(project_root: Path) -> None:
    page = (project_root / "docs/operators/window.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [each.value for each in OperationClass if f"`{each.value}`" not in "".join(rows)] == []


def test_a_refusal_is_one_line_with_every_reason() -> None:
    decision = ask(almanac(NIGHTS, JUNE_18), "2026-06-17T12:00")
    assert refusal(decision, SHANGHAI) == (
        "campaign 6.18 until Sun 2026-06-21 00:00 (guide 12.1.2); "
        "no window is open (windows: nights)"
    )
    assert refusal(decision, SHANGHAI, "zh") == (
        "促销活动「6.18」至 2026-06-21 周日 00:00（指南 12.1.2）；没有维护窗口开放（窗口：nights）"
    )


def test_a_time_that_comes_twice_says_which() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert moment(first, berlin) == "Sun 2026-10-25 02:30+0200"
    assert moment(first + timedelta(hours=1), berlin) == "Sun 2026-10-25 02:30+0100"
    assert moment(first + timedelta(hours=2), berlin) == "Sun 2026-10-25 03:30"


@pytest.mark.parametrize(
    ("minutes", "english", "chinese"),
    [
        (40, "40 min", "40 分钟"),
        (360, "6 h", "6 小时"),
        (1530, "1 d 1 h 30 min", "1 天 1 小时 30 分钟"),
        (0, "0 min", "0 分钟"),
    ],
)
def test_lengths_of_time(minutes: int, english: str, chinese: str) -> None:
    length = timedelta(minutes=minutes)
    assert (duration(length), duration(length, "zh")) == (english, chinese)
