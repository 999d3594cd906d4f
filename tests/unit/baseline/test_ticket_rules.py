# SPDX-License-Identifier: GPL-3.0-or-later
"""One ticket for a device and a control: opened by what stands, closed by what ends it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.drift_ticket import (
    ENTRY,
    ClosedBecause,
    DriftTicket,
    NoSuchStep,
    TicketEvent,
    TicketKey,
    TicketKind,
    closed_body,
    fold_ticket,
    is_ticket,
    mirrored_body,
    opened_body,
    ticket_number,
)
from storewarden.domain.baseline.finding import Finding, Verdict
from storewarden.domain.baseline.ticket_rules import (
    LOOKED,
    Closing,
    HostSights,
    Opening,
    Sight,
    Why,
    tickets_for,
    undecided,
)
from storewarden.domain.baseline.waiver import WaiverReason
from storewarden.testing.conformance_drift import drift_ticket

PASS, FAIL, NA = Verdict.PASS, Verdict.FAIL, Verdict.NOT_APPLICABLE
ERROR, MANUAL = Verdict.ERROR, Verdict.MANUAL
KEY = TicketKey(kind=TicketKind.DRIFT, host="pos1", control="A01")
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def _sight(
    verdict: Verdict,
    *,
    high: bool = False,
    waiver: WaiverReason = WaiverReason.NO_WAIVER,
    before: Verdict | None = None,
) -> Sight:
    severity = Severity.HIGH if high else Severity.MEDIUM
    finding = Finding(control="A01", verdict=verdict)
    return Sight(finding=finding, severity=severity, waiver=waiver, before=before)


def _host(*sights: Sight, complete: bool = True, compliant: bool = False) -> HostSights:
    return HostSights(host="pos1", sights=sights, complete=complete, compliant=compliant)


def _opened(sight: Sight) -> Why | None:
    steps = tickets_for(_host(sight), [])
    assert len(steps) <= 1
    return steps[0].why if steps and isinstance(steps[0], Opening) else None


def _closed(host: HostSights, key: TicketKey = KEY) -> ClosedBecause | None:
    steps = tickets_for(host, [key])
    assert len(steps) <= 1
    return steps[0].because if steps and isinstance(steps[0], Closing) else None


@pytest.mark.parametrize(
    ("sight", "why"),
    [
        (_sight(FAIL, high=True), Why.HIGH),
        (_sight(FAIL), None),  # one failure of a medium control is not enough
        (_sight(FAIL, before=FAIL), Why.AGAIN),
        (_sight(FAIL, before=PASS), None),
        (_sight(FAIL, before=NA), None),
        (_sight(FAIL, waiver=WaiverReason.EXPIRED), Why.EXPIRED),
        (_sight(FAIL, high=True, waiver=WaiverReason.ACTIVE), None),
        (_sight(FAIL, before=FAIL, waiver=WaiverReason.VALUE_DIFFERS), Why.AGAIN),
        (_sight(ERROR, high=True, before=FAIL), None),
        (_sight(MANUAL, high=True, before=FAIL), None),
        (_sight(PASS, high=True, before=FAIL), None),
    ],
)
def test_what_opens_a_ticket(sight: Sight, why: Why | None) -> None:
    assert _opened(sight) is why


@pytest.mark.parametrize(
    ("sight", "because"),
    [
        (_sight(PASS), ClosedBecause.PASSED),
        (_sight(NA), ClosedBecause.PASSED),
        (_sight(FAIL, waiver=WaiverReason.ACTIVE), ClosedBecause.WAIVED),
        (_sight(FAIL, high=True, before=FAIL), None),
        (_sight(FAIL, waiver=WaiverReason.EXPIRED), None),
        (_sight(ERROR), None),
        (_sight(MANUAL), None),
    ],
)
def test_what_closes_a_ticket(sight: Sight, because: ClosedBecause | None) -> None:
    assert _closed(_host(sight)) is because


def test_a_control_that_left_the_baseline_closes_its_ticket() -> None:
    """But not when the audit had not asked for it."""
    assert _closed(_host()) is ClosedBecause.GONE
    assert _closed(_host(complete=False)) is None


def test_tickets_about_a_device_wait_for_a_whole_audit() -> None:
    lost = TicketKey(kind=TicketKind.UNAUDITED, host="pos1")
    problem = TicketKey(kind=TicketKind.PROBLEM, host="pos1")
    assert _closed(_host(_sight(FAIL)), lost) is ClosedBecause.AUDITED
    assert _closed(_host(_sight(PASS), complete=False), lost) is None
    assert _closed(_host(_sight(PASS), compliant=True), problem) is ClosedBecause.COMPLIANT
    assert _closed(_host(_sight(PASS)), problem) is None


def test_tickets_of_other_devices_are_left_alone() -> None:
    other = TicketKey(kind=TicketKind.DRIFT, host="pos2", control="A01")
    assert tickets_for(_host(_sight(PASS)), [other]) == ()


def test_only_what_is_not_decided_asks_for_the_audit_before() -> None:
    assert undecided(_host(_sight(FAIL)), []) == ("A01",)
    assert undecided(_host(_sight(FAIL)), [KEY]) == ()
    assert undecided(_host(_sight(FAIL, high=True)), []) == ()
    assert undecided(_host(_sight(FAIL, waiver=WaiverReason.ACTIVE)), []) == ()
    assert undecided(_host(_sight(PASS)), []) == ()


_LOOKS = st.lists(
    st.tuples(st.sampled_from(list(Verdict)), st.booleans(), st.booleans()), max_size=25
)


@given(looks=_LOOKS, high=st.booleans())
def test_over_any_history_there_is_one_ticket_while_a_failure_stands(
    looks: list[tuple[Verdict, bool, bool]], high: bool
) -> None:
    """Each look is judged twice: the second time changes nothing."""
    is_open, before, row = False, None, 0
    for verdict, waived, _again in looks:
        waiver = WaiverReason.ACTIVE if waived else WaiverReason.NO_WAIVER
        sight = _sight(verdict, high=high, waiver=waiver, before=before)
        steps = tickets_for(_host(sight), [KEY] if is_open else [])
        assert len(steps) <= 1
        for step in steps:
            assert isinstance(step, Opening) is not is_open
            is_open = not is_open
        assert tickets_for(_host(sight), [KEY] if is_open else []) == ()
        if verdict in LOOKED:
            row, before = (row + 1 if verdict is FAIL else 0), verdict
        stands = verdict is FAIL and not waived
        if verdict in LOOKED:
            assert is_open == (stands and (is_open or high or row >= 2))
        if stands and (high or row >= 2):
            assert is_open


@given(st.text(), st.text(), st.text(), st.text())
def test_a_number_tells_what_opened_it(host: str, control: str, audit: str, other: str) -> None:
    key = TicketKey(kind=TicketKind.DRIFT, host=host, control=control)
    number = ticket_number(key, audit, date(2026, 3, 1))
    assert number == ticket_number(key, audit, date(2026, 3, 1))
    assert is_ticket(number)
    assert not is_ticket("GMBG-20260301-001")
    assert (number == ticket_number(key, other, date(2026, 3, 1))) == (audit == other)


def _fold(before: DriftTicket | None, event: TicketEvent, **body: object) -> DriftTicket:
    return fold_ticket(before, drift_ticket().number, ENTRY + event.value, AT, body)


def test_a_ticket_is_what_its_entries_add_up_to() -> None:
    opened = _fold(None, TicketEvent.OPENED, **opened_body(drift_ticket()))
    assert opened.open
    assert opened.overdue(date(2026, 3, 11))
    assert not opened.overdue(date(2026, 3, 10))
    mirrored = _fold(opened, TicketEvent.MIRRORED, **mirrored_body("itsm", "17"))
    closed = _fold(mirrored, TicketEvent.CLOSED, **closed_body(ClosedBecause.WAIVED, "a2"))
    assert (closed.closed_because, closed.closed_by) == (ClosedBecause.WAIVED, "a2")
    assert closed.tickets == {"itsm": "17"}
    assert not closed.overdue(date(2026, 4, 1))
    late = _fold(closed, TicketEvent.MIRRORED, **mirrored_body("other", "3"))
    assert late.tickets == {"itsm": "17", "other": "3"}


def test_an_entry_that_cannot_follow_is_refused() -> None:
    opened = _fold(None, TicketEvent.OPENED, **opened_body(drift_ticket()))
    ending = closed_body(ClosedBecause.PASSED, "a2")
    with pytest.raises(NoSuchStep):
        _fold(opened, TicketEvent.OPENED, **opened_body(drift_ticket()))
    with pytest.raises(NoSuchStep):
        _fold(None, TicketEvent.CLOSED, **ending)
    with pytest.raises(NoSuchStep):
        _fold(_fold(opened, TicketEvent.CLOSED, **ending), TicketEvent.CLOSED, **ending)
