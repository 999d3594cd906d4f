# SPDX-License-Identifier: GPL-3.0-or-later
"""How one message reads, alone, as a few, and in a storm."""

from __future__ import annotations

import re

import pytest

from storewarden.domain.outbox.bulletin import Bulletin, Style, bulletin_of
from storewarden.domain.outbox.notice import Notice, Severity
from tests.unit.outbox.outbox_words import LEADS_ROLES, SHANGHAI, must, notice, told

EN = Style(language="en", zone=SHANGHAI, site="", storm=10)
ZH = Style(language="zh", zone=SHANGHAI, site="示例连锁", storm=10)


def test_one_notice_is_told_in_full_in_english() -> None:
    opened = must(told("opened", waiting=LEADS_ROLES))
    made = bulletin_of([opened], EN)
    assert made.title == "GMBG-20260601-001 waits for approval by operations lead and security lead"
    assert made.text.splitlines() == [
        "What: POS 终端 6 月安全补丁 (major change, high risk, requested by li.na)",
        "Where: 10 hosts in 5 stores: 000101, 000102, 000103 and 2 more (华东, 华南)",
        "Done: recorded, nothing was touched yet; "
        "window 2026-06-01 23:00 to 2026-06-02 05:00 (Asia/Shanghai)",
        "Next: operations lead and security lead: read it with storewarden change show "
        "GMBG-20260601-001, then storewarden change approve GMBG-20260601-001 (or reject)",
        "Recorded: 2026-06-01 18:00 (Asia/Shanghai)",
    ]
    assert made.roles == LEADS_ROLES


def test_one_notice_is_told_in_full_in_chinese() -> None:
    made = bulletin_of([must(told("paused", {"reason": "3 台设备验证失败"}))], ZH)
    assert made.title == "[示例连锁] 紧急：GMBG-20260601-001 已暂停：3 台设备验证失败"
    assert made.text.splitlines() == [
        "事项：POS 终端 6 月安全补丁（重大变更，高风险，申请人 li.na）",
        "范围：5 家门店 10 台设备：000101、000102、000103 等 5 个（华东、华南）",
        "已做：不再开始新的步骤；已完成的部分保持原样",
        "下一步：请 wang.fang 查看（storewarden change show GMBG-20260601-001），"
        "然后恢复实施或回滚",
        "记录时间：2026-06-01 18:00（Asia/Shanghai）",
    ]
    assert made.urgent
    assert made.people == ("wang.fang",)


def test_a_few_are_told_one_after_the_other() -> None:
    made = bulletin_of([notice(1), notice(2, severity=Severity.URGENT), notice(3)], EN)
    assert made.title == "URGENT: title 2 (and 2 more)"
    headings = [line for line in made.text.splitlines() if line[:2] in ("1.", "2.", "3.")]
    assert headings == ["1. title 1", "2. URGENT: title 2", "3. title 3"]
    assert [f"next {n}" in made.text for n in (1, 2, 3)] == [True] * 3


def storm(style: Style, severities: list[Severity]) -> tuple[Bulletin, list[Notice]]:
    notices = [notice(n, severity=each) for n, each in enumerate(severities, 1)]
    return bulletin_of(notices, style), notices


SEVERITIES = [Severity.INFO] * 30 + [Severity.URGENT] * 2 + [Severity.WARNING] * 9


def test_a_storm_counts_tells_the_worst_first_and_says_where_the_rest_is() -> None:
    made, notices = storm(EN, SEVERITIES)
    lines = made.text.splitlines()
    assert lines[:4] == [
        "41 notices since 2026-06-01 18:00 (Asia/Shanghai), 2 of them urgent:",
        "- 30 × label INFO",
        "- 9 × label WARNING",
        "- 2 × label URGENT",
    ]
    headings = [line for line in lines if re.match(r"\d\. ", line)]
    assert headings == [
        "1. URGENT: title 31", "2. URGENT: title 32", "3. title 33", "4. title 34", "5. title 35",
    ]  # fmt: skip
    assert lines[-1].startswith("36 more in the ledger: storewarden change list")
    assert made.counted == tuple(each.sequence for each in notices)
    assert len(made.text) < 2000


def test_a_storm_in_chinese() -> None:
    made, _ = storm(ZH, SEVERITIES)
    assert made.title == "[示例连锁] 紧急：中title 31（另有 40 条）"
    assert made.text.startswith(
        "自 2026-06-01 18:00（Asia/Shanghai）以来共 41 条通知，其中紧急 2 条："
    )
    assert made.text.splitlines()[-1].startswith("其余 36 条见台账：storewarden change list")


@pytest.mark.parametrize(("number", "counts"), [(10, False), (11, True)])
def test_where_a_storm_begins(number: int, counts: bool) -> None:
    made, _ = storm(EN, [Severity.INFO] * number)
    assert ("more in the ledger" in made.text) is counts


def test_reports_of_audits_are_named_once() -> None:
    notices = [notice(n, run="audit-1", report=True) for n in (1, 2)] + [notice(3, run="x")]
    assert bulletin_of(notices, EN).reports == ("audit-1",)
