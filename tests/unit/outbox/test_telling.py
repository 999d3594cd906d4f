# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told of a journal entry, in both languages."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.record import Debt, DebtKind, Item, Standing, State
from storewarden.domain.outbox.notice import (
    AuditFacts,
    Context,
    Event,
    Notice,
    Severity,
    Text,
    Words,
)
from storewarden.domain.outbox.telling import needs_audit, needs_change, notice_of
from tests.unit.outbox.outbox_words import LEADS_ROLES, NOW, NUMBER, SHANGHAI, change, must, told

LEADS = LEADS_ROLES
TOMORROW = (NOW + timedelta(hours=24)).isoformat()
YESTERDAY = (NOW - timedelta(hours=24)).isoformat()

EVENTS: list[tuple[str, dict[str, object], tuple[str, ...], Severity, str, str]] = [
    ("opened", {}, LEADS, Severity.WARNING, "waits for approval by operations", "待运维负责人"),
    ("opened", {}, (), Severity.INFO, "opened", "新建变更"),
    ("plan written", {}, LEADS, Severity.WARNING, "has a new plan", "方案已改写"),
    ("approved", {"comment": ""}, ("it",), Severity.INFO, "still waits for IT", "还需IT 负责人"),
    ("approvals complete", {}, (), Severity.INFO, "is approved", "审批已齐"),
    ("rejected", {"reason": "untested"}, (), Severity.WARNING, "by zhang.wei", "zhang.wei 驳回"),
    ("rejected", {"reason": "x", "rule": True}, (), Severity.WARNING, "by a rule", "被规则驳回"),
    ("refused", {"tried": "approve", "reason": "own change", "hint": "ask another"}, (),
     Severity.WARNING, "refused: approve by zhang.wei", "已拒绝 zhang.wei"),
    ("approval expired", {"person": "chen.jie"}, LEADS, Severity.WARNING, "chen.jie expired",
     "chen.jie 的审批过期"),
    ("cancelled", {"reason": "not needed"}, (), Severity.INFO, "cancelled", "撤销"),
    ("started", {"authorised": True}, (), Severity.INFO, "has begun", "开始实施"),
    ("started", {"authorised": False}, LEADS, Severity.URGENT, "emergency", "紧急变更"),
    ("paused", {"reason": "3 hosts failed"}, (), Severity.URGENT, "3 hosts failed", "已暂停"),
    ("resumed", {"reason": "cable"}, (), Severity.INFO, "goes on", "恢复实施"),
    ("finished", {"note": ""}, (), Severity.INFO, "to be closed", "待关闭"),
    ("closed", {"outcome": "successful", "reason": ""}, (), Severity.INFO, "successful", "成功"),
    ("closed", {"outcome": "rolled back", "reason": ""}, (), Severity.WARNING, "rolled", "已回滚"),
    ("closed", {"outcome": "partial", "reason": ""}, (), Severity.WARNING, "partial", "部分完成"),
    ("closed", {"outcome": "failed", "reason": ""}, (), Severity.URGENT, "failed", "失败"),
    ("owes", {"debt": "paperwork", "due": TOMORROW, "what": ""}, (), Severity.WARNING,
     "by 2026-06-02 18:00 (Asia/Shanghai)", "须在 2026-06-02 18:00"),
    ("debt settled", {"debt": "items", "what": ""}, (), Severity.INFO, "settled", "已完成"),
    ("reminded", {"about": "start", "due": TOMORROW}, (), Severity.WARNING, "due by", "提醒"),
    ("reminded", {"about": "paperwork", "due": YESTERDAY}, (), Severity.WARNING, "OVERD", "已逾期"),
    ("standing run", {"succeeded": False, "note": "unit is dead"}, (), Severity.WARNING,
     "failed", "执行失败"),
    ("override asked", {"reason": "no sale", "expires": TOMORROW, "asks": ["it", "business"]}, (),
     Severity.WARNING, "outside its windows until 2026-06-02 18:00", "申请在窗口之外实施"),
    ("override approved", {"missing": 1}, LEADS, Severity.INFO, "one more person", "还需一人"),
    ("override approved", {"missing": 0}, (), Severity.WARNING, "its windows forbid it", "已生效"),
    ("started", {"authorised": True, "override": "ops, sec: no sale"}, (), Severity.WARNING,
     "begun outside its windows", "已在窗口之外"),
]  # fmt: skip


def texts(words: Words) -> list[Text]:
    found = [getattr(words, field.name) for field in fields(words)]
    return [each for each in found if isinstance(each, Text)]


@pytest.mark.parametrize(("kind", "body", "waiting", "severity", "english", "chinese"), EVENTS)
def test_what_is_said_of_each_event(  # noqa: PLR0917
    kind: str,
    body: dict[str, object],
    waiting: tuple[str, ...],
    severity: Severity,
    english: str,
    chinese: str,
) -> None:
    notice = must(told(kind, body, waiting=waiting))
    assert notice.severity is severity
    assert english in notice.words.title.en
    assert chinese in notice.words.title.zh
    assert (notice.sequence, notice.run, notice.at) == (7, NUMBER, NOW)


@pytest.mark.parametrize("event", EVENTS)
def test_every_notice_says_what_where_what_was_done_and_what_to_do_next(
    event: tuple[str, dict[str, object], tuple[str, ...], Severity, str, str],
) -> None:
    words = must(told(event[0], event[1], waiting=event[2])).words
    for text in texts(words):
        assert text.en.strip()
        assert text.zh.strip()
        assert "\n" not in text.en + text.zh
        assert "None" not in text.en + text.zh
    assert NUMBER in words.title.en
    assert NUMBER in words.title.zh
    assert words.where.en == "10 hosts in 5 stores: 000101, 000102, 000103 and 2 more (华东, 华南)"
    assert words.where.zh == "5 家门店 10 台设备：000101、000102、000103 等 5 个（华东、华南）"
    assert words.regions == {"华东", "华南"}
    chinese_alone = (words.label, words.done, words.next)
    assert all(re.search(r"[一-鿿]", text.zh) or text.zh == text.en for text in chinese_alone)


def test_every_kind_of_event_is_told_or_left_out_on_purpose() -> None:
    quiet = {"step done", "step checked", "noted", "evidence attached", "ticket opened"}
    tried = {event[0] for event in EVENTS}
    assert {kind.value for kind in EventKind} == tried | quiet
    for kind in quiet:
        assert told(kind, {"step": "backup", "text": "x"}) is None


def test_runs_that_went_well_are_not_news() -> None:
    assert told("standing run", {"succeeded": True, "note": ""}) is None


def test_an_override_is_asked_of_everybody_who_may_approve_it() -> None:
    body: dict[str, object] = {"reason": "no sale", "expires": TOMORROW, "asks": ["it", "business"]}
    words = must(told("override asked", body, waiting=LEADS)).words
    assert words.roles == ("it", "business")
    assert "no sale" in words.done.en
    assert f"storewarden change override {NUMBER} --approve" in words.next.zh


def test_a_start_under_an_override_names_who_took_the_risk() -> None:
    words = must(told("started", {"authorised": True, "override": "ops, sec: no sale"})).words
    assert "ops, sec: no sale" in words.done.en
    assert "ops, sec: no sale" in words.done.zh


def test_a_failed_standing_run_names_its_action() -> None:
    standing = Standing(action="restart nginx", until=NOW)
    subject = replace(change(), standing=standing)
    assert (
        "restart nginx"
        in must(told("standing run", {"succeeded": False}, subject=subject)).words.title.en
    )


def test_the_last_approval_is_told_once_as_complete() -> None:
    assert told("approved", {"comment": ""}) is None


def test_a_change_that_was_asked_for_names_roles_window_and_command() -> None:
    words = must(told("opened", waiting=LEADS)).words
    assert words.roles == LEADS
    assert "window 2026-06-01 23:00 to 2026-06-02 05:00 (Asia/Shanghai)" in words.done.en
    assert f"storewarden change approve {NUMBER}" in words.next.en
    assert f"storewarden change approve {NUMBER}" in words.next.zh


def test_nobody_is_asked_for_a_change_that_is_over() -> None:
    rejected = replace(change(), state=State.REJECTED)
    words = must(told("opened", waiting=LEADS, subject=rejected)).words
    assert words.roles == ()
    assert "waits" not in words.title.en


def test_an_emergency_names_when_its_paperwork_is_due() -> None:
    debt = Debt(kind=DebtKind.PAPERWORK, due=NOW + timedelta(hours=24))
    words = must(told("started", {"authorised": False}, subject=change(debts=(debt,)))).words
    assert "by 2026-06-02 18:00 (Asia/Shanghai)" in words.next.en
    assert words.people == ("wang.fang",)


def test_a_closed_change_with_debts_names_who_owes() -> None:
    owed = Debt(kind=DebtKind.ITEMS, due=NOW)
    paid = Debt(kind=DebtKind.TEST, due=NOW, settled_at=NOW)
    subject = change(debts=(owed, paid))
    words = must(told("closed", {"outcome": "partial", "reason": ""}, subject=subject)).words
    assert "wang.fang: 1 debt still open" in words.next.en


@pytest.mark.parametrize(
    ("number", "english"),
    [(1, "pos01.000101 (华东)"), (3, "pos01.000101, pos01.000102, pos02.000101 (华东)")],
)
def test_few_hosts_are_named(number: int, english: str) -> None:
    items = (
        Item(host="pos01.000101", region="华东"),
        Item(host="pos01.000102"),
        Item(host="pos02.000101"),
    )
    draft = replace(change().draft, items=items[:number])
    assert must(told("opened", subject=change(draft=draft))).words.where.en == english


def test_many_hosts_without_a_store_are_counted() -> None:
    items = tuple(Item(host=f"srv{n}") for n in range(5))
    draft = replace(change().draft, items=items)
    where = must(told("opened", subject=change(draft=draft))).words.where
    assert where.en == "5 hosts: srv0, srv1, srv2 and 2 more"


def test_a_long_reason_of_many_lines_becomes_one_short_one() -> None:
    words = must(told("paused", {"reason": "first\nsecond " + "x" * 1000})).words
    assert "first second" in words.title.en
    assert len(words.title.en) < 400
    assert words.title.en.endswith("…")


@pytest.mark.parametrize("kind", ["noise", "host recorded", "audit begun", "change", ""])
def test_unknown_kinds_are_no_notice(kind: str) -> None:
    event = Event(sequence=1, at=NOW, kind=kind, run="r")
    assert notice_of(event, Context(change=change())) is None


def test_an_entry_of_a_change_that_is_not_there_is_no_notice() -> None:
    assert notice_of(Event(sequence=1, at=NOW, kind="change paused", run="r"), Context()) is None


def test_who_asks_knows_what_an_entry_needs() -> None:
    assert needs_change("change opened")
    assert not needs_change("audit ended")
    assert needs_audit("audit ended")
    assert not needs_audit("audit begun")


class TestAudits:
    """Good enough is no news."""

    GOOD = AuditFacts(hosts=120, score="97.1", bar="95")

    def ended(self, facts: AuditFacts | None, outcome: str = "completed") -> Notice | None:
        event = Event(
            sequence=9, at=NOW, kind="audit ended", run="audit-1", body={"outcome": outcome}
        )
        return notice_of(event, Context(audit=facts, zone=SHANGHAI))

    def test_good_or_unknown_is_not_told(self) -> None:
        assert self.ended(self.GOOD) is None
        assert self.ended(None) is None

    def test_below_the_bar(self) -> None:
        words = must(self.ended(replace(self.GOOD, score="93.4", below=True, unaudited=3))).words
        assert words.title.en == "audit-1: 93.4 % is below the bar of 95 %"
        assert words.where.en == "120 hosts, 3 not audited"
        assert words.report
        assert "storewarden report audit-1" in words.next.en

    def test_drift(self) -> None:
        facts = replace(
            self.GOOD, worse=2, worse_hosts=1, worst=("pos1 B03", "pos1 B04"),
            regions=frozenset({"华东"}),
        )  # fmt: skip
        words = must(self.ended(facts)).words
        assert words.title.en == "audit-1: 2 findings drifted on 1 host"
        assert words.title.zh == "audit-1：1 台主机 2 项检查漂移"
        assert "pos1 B03, pos1 B04" in words.done.en
        assert words.regions == {"华东"}
        assert "--since last" in words.next.en

    def test_interrupted(self) -> None:
        notice = must(self.ended(None, "interrupted"))
        assert notice.severity is Severity.WARNING
        assert "storewarden audit" in notice.words.next.zh


class TestLedger:
    """Anchors, and deliveries that stopped."""

    def anchor(self, where: str) -> Notice | None:
        body = {"where": where, "sequence": 512, "hash": "ab" * 32, "at": NOW.isoformat()}
        return notice_of(
            Event(sequence=9, at=NOW, kind="anchor written", run="a", body=body), Context()
        )

    def test_an_anchor_is_told_in_full(self) -> None:
        words = must(self.anchor("file")).words
        for text in (words.what.en, words.what.zh):
            assert "512" in text
            assert "ab" * 32 in text

    @pytest.mark.parametrize("where", ["ticket:itsm GMBG-20260601-001", "notify:ops"])
    def test_an_anchor_laid_down_elsewhere_is_not_told_again(self, where: str) -> None:
        assert self.anchor(where) is None

    def test_a_delivery_that_stopped_names_channel_and_reason(self) -> None:
        body: dict[str, object] = {
            "channel": "ticket:itsm", "subject": NUMBER, "after": 12, "error": "answered 422",
        }  # fmt: skip
        event = Event(sequence=3, at=NOW, kind="delivery parked", run="d", body=body)
        words = must(notice_of(event, Context())).words
        assert f"ticket:itsm {NUMBER}" in words.title.en
        assert "answered 422" in words.what.zh
        assert f"storewarden outbox retry ticket:itsm {NUMBER}" in words.next.en
        assert words.severity is Severity.WARNING
