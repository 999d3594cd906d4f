# SPDX-License-Identifier: GPL-3.0-or-later
"""Audits open and close tickets: once each, in order, whoever judges them and how often."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from storewarden.domain.baseline.drift_ticket import ClosedBecause
from storewarden.domain.baseline.waiver import Scope, Waiver
from storewarden.domain.outbox.drift_words import JUDGED
from storewarden.domain.outbox.notice import Context, Event, Severity
from storewarden.domain.outbox.telling import notice_of
from storewarden.flows.drift_tickets import DriftTickets, judge_audit, judge_pending
from storewarden.ports.reports import THIS_MACHINE
from storewarden.ports.runner import FrozenInventory, HostStatus
from storewarden.testing.engine import ManualEngine
from tests.flows.audit_site import missed
from tests.flows.drift_scene import BAD_A, BAD_B, Scene


def _waiver(expires: date) -> Waiver:
    return Waiver(
        control="A01",
        scope=Scope(hosts=frozenset({"h0"})),
        justification="old till software",
        approvers=("li",),
        ticket="T-7",
        compensating="none",
        approved=expires - timedelta(days=10),
        expires=expires,
        accepted="8",
        source="w.yml:1",
    )


def test_a_high_failure_opens_at_once_and_a_medium_one_the_second_time() -> None:
    scene = Scene()
    scene.fails("h0", BAD_A | BAD_B)
    first = scene.day()
    assert scene.told() == [("h0", "B01")]
    second = scene.day()
    assert scene.told() == [("h0", "A01"), ("h0", "B01")]
    by_control = {each.key.control: each for each in scene.open}
    assert by_control["B01"].audit == first.audit.id
    assert by_control["A01"].audit == second.audit.id
    assert by_control["A01"].reason["en"] == "it failed in two audits in a row"
    assert by_control["A01"].item == "POS-0"
    scene.day()
    assert len(scene.open) == 2


def test_the_due_day_counts_working_days_from_the_audit() -> None:
    scene = Scene()
    scene.fails("h0", BAD_B)
    scene.day()  # Tuesday 3 March, 17:30 in Shanghai
    assert scene.open[0].due == date(2026, 3, 12)  # guide 1.1.12: 7 working days


def test_a_pass_closes_and_the_same_failure_later_is_a_new_ticket() -> None:
    scene = Scene()
    scene.fails("h0", BAD_B)
    scene.day()
    (first,) = scene.open
    scene.answers.clear()
    passed = scene.day()
    assert scene.open == ()
    closed = scene.known.drift_tickets.ticket(first.number)
    assert closed is not None
    assert (closed.closed_because, closed.closed_by) == (ClosedBecause.PASSED, passed.audit.id)
    scene.fails("h0", BAD_B)
    scene.day()
    (again,) = scene.open
    assert again.number != first.number


def test_a_lost_host_and_an_error_neither_open_nor_close() -> None:
    scene = Scene()
    scene.fails("h0", BAD_A)
    scene.day()
    scene.fails("h0", {"A01": ("error", None)})
    scene.day()
    assert scene.told() == []
    scene.answers["h0"] = missed(HostStatus.UNREACHABLE, "timed out")
    scene.day()
    scene.fails("h0", BAD_A)  # the second failure in a row of those who could look
    scene.day()
    assert scene.told() == [("h0", "A01")]
    scene.fails("h0", {"A01": ("error", None)})
    scene.day()
    scene.answers["h0"] = missed(HostStatus.UNREACHABLE, "timed out")
    scene.day()
    assert scene.told() == [("h0", "A01")]


def test_a_waiver_closes_and_its_end_opens_again() -> None:
    scene = Scene()
    scene.fails("h0", BAD_A)
    scene.day()
    scene.day()
    assert scene.told() == [("h0", "A01")]
    scene.waivers = (_waiver(date(2026, 3, 6)),)
    scene.day()  # 5 March
    assert scene.told() == []
    scene.day()
    assert scene.told() == []
    scene.day()  # 7 March: its last day is over
    (ticket,) = scene.open
    assert ticket.reason == {"en": "its waiver has expired", "zh": "豁免已过期"}


def test_an_audit_of_some_controls_leaves_the_other_tickets_open() -> None:
    scene = Scene()
    scene.fails("h0", BAD_B)
    scene.day()
    scene.day(selection=("A01",))
    assert scene.told() == [("h0", "B01")]


def test_a_control_that_was_removed_loses_its_tickets() -> None:
    scene = Scene()
    scene.fails("h0", BAD_A)
    scene.day()
    scene.day()
    scene.content.forget("A01")
    report = scene.look()
    judge_audit(scene.drift, report)
    (ticket,) = scene.known.drift_tickets.tickets()
    assert ticket.closed_because is ClosedBecause.GONE


def test_a_second_judgement_changes_nothing() -> None:
    """Neither of the same process nor of another one, nor of a killed one that had begun."""
    scene = Scene()
    scene.fails("h0", BAD_B)
    scene.fails("h1", BAD_B)
    report = scene.look()
    only_first = replace(report, audit=replace(report.audit, hosts=report.audit.hosts[:1]))
    judge_audit(replace(scene.drift, ledger=Scene().known), only_first)  # killed after one host
    assert scene.told() == [("h0", "B01")]
    assert judge_pending(scene.drift) == (report.audit.id,)
    assert scene.told() == [("h0", "B01"), ("h1", "B01")]
    before = scene.known.head()
    assert judge_pending(scene.drift) == ()
    judge_audit(scene.drift, report)
    assert scene.known.head() == before


def test_the_duty_judges_what_ended_while_it_was_away_in_order() -> None:
    scene = Scene()
    engine = ManualEngine(scene.clock)
    engine.start([DriftTickets(scene.drift)])
    scene.look()
    engine.wake("drift")
    engine.run_due()
    scene.fails("h0", BAD_A)
    audits = [scene.look().audit.id for _ in range(3)]
    engine.wake("drift")
    engine.run_due()
    assert [each.audit for each in scene.open] == [audits[1]]
    judged = [entry.run for entry in scene.known.journal() if entry.kind == JUDGED]
    assert judged[1:] == audits


def test_a_ledger_with_a_past_begins_with_its_newest_audit() -> None:
    scene = Scene()
    scene.fails("h0", BAD_B)
    for _ in range(3):
        last = scene.look()
    assert judge_pending(scene.drift) == (last.audit.id,)


def test_an_old_audit_that_ends_late_speaks_only_of_what_no_newer_one_saw() -> None:
    scene = Scene()
    scene.day()
    scene.fails("h0", BAD_B)
    scene.fails("h1", BAD_B)
    slow = scene.look()
    scene.answers.clear()
    newer = scene.look(0.01, limit="h0")
    judge_audit(scene.drift, newer)  # before the slow one had ended
    assert judge_pending(scene.drift) == (slow.audit.id,)
    assert scene.told() == [("h1", "B01")]
    assert [each.key.host for each in scene.known.drift_tickets.tickets()] == ["h1"]


def test_this_machine_alone_is_not_the_estate() -> None:
    scene = Scene()
    scene.fails("localhost", BAD_B)
    alone = FrozenInventory(hosts={"localhost": {}}, source=f"{THIS_MACHINE} (laptop)")
    scene.day(fixed=alone)
    assert scene.open == ()


def test_people_are_told_once_for_all_tickets_of_an_audit() -> None:
    scene = Scene(hosts=5)
    for host in range(5):
        scene.fails(f"h{host}", BAD_B)
    report = scene.day()
    (entry,) = [each for each in scene.known.journal() if each.kind == JUDGED]
    event = Event(sequence=1, at=entry.at, kind=entry.kind, run=entry.run, body=entry.body)
    notice = notice_of(event, Context())
    assert notice is not None
    assert notice.severity is Severity.WARNING
    assert notice.words.title.en == f"{report.audit.id}: 5 drift tickets opened, 0 closed"
    assert notice.words.where.en == "h0, h1, h2 and 2 more"
    assert notice.words.title.zh == f"{report.audit.id}：新建偏离工单 5 张，关闭 0 张"
    scene.day()
    quiet = [each for each in scene.known.journal() if each.kind == JUDGED][-1]
    again = Event(sequence=2, at=quiet.at, kind=quiet.kind, run=quiet.run, body=quiet.body)
    assert notice_of(again, Context()) is None


def test_overdue_tickets_are_counted_when_an_audit_is_judged() -> None:
    scene = Scene()
    scene.fails("h0", BAD_B)
    scene.day()
    scene.day(30)
    bodies = [entry.body for entry in scene.known.journal() if entry.kind == JUDGED]
    assert [(body["open"], body["overdue"]) for body in bodies] == [(1, 0), (1, 1)]
    assert scene.open[0].opened_at < datetime(2026, 4, 1, tzinfo=UTC)
