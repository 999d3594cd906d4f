# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ledger promises of drift tickets and closed months, as tests.

Inherit from ``DriftConformance`` in a pytest module and give two fixtures: ``clock``, a
``ManualClock`` that starts at ``START``, and ``ledger``, an empty ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Protocol

from storewarden.domain.baseline.compliance import (
    DeviceMonth,
    FleetMonth,
    Month,
    Registered,
    Standing,
)
from storewarden.domain.baseline.control import Severity
from storewarden.domain.baseline.drift_ticket import (
    ClosedBecause,
    DriftTicket,
    TicketKey,
    TicketKind,
    ticket_number,
)
from storewarden.domain.baseline.finding import AuditState, HostAudit, Verdict
from storewarden.domain.errors import ConfigInvalid, LedgerConflict
from storewarden.ports.changes import ChangeBook
from storewarden.ports.compliance import ComplianceBook
from storewarden.ports.drift_tickets import DriftBook, TicketEnd
from storewarden.ports.ledger import Ledger
from storewarden.ports.outbox import Outbox
from storewarden.testing.conformance_changes import DAY, PREFIX, opening
from storewarden.testing.conformance_ledger import START, audited, refused
from storewarden.testing.ledger import ManualClock

TICKETS = "ticket:itsm"
FEBRUARY = Month(2026, 2)
_DAY = timedelta(days=1)


class DriftLedger(Ledger, Protocol):
    """A ledger that keeps drift tickets and months, and mirrors tickets."""

    @property
    def drift_tickets(self) -> DriftBook:
        """The tickets."""
        ...

    @property
    def compliance(self) -> ComplianceBook:
        """The months."""
        ...

    @property
    def changes(self) -> ChangeBook:
        """The changes, whose tickets go first."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What still has to reach other systems."""
        ...


def drift_ticket(
    host: str = "pos1", control: str = "A01", *, audit: str = "a1", value: object = None
) -> DriftTicket:
    """A ticket as an audit opens it."""
    key = TicketKey(kind=TicketKind.DRIFT, host=host, control=control)
    return DriftTicket(
        number=ticket_number(key, audit, date(2026, 3, 1)),
        key=key,
        severity=Severity.HIGH,
        opened_at=START,
        due=date(2026, 3, 10),
        audit=audit,
        title={"en": "user length", "zh": "用户口令长度"},
        reason={"en": "a high control fails", "zh": "未通过"},
        guide="1.1.1",
        value=value,
        item="SRV-1",
        store="000101",
        region="east",
    )


def fleet(*hosts: str, bad: Collection[str] = (), month: Month = FEBRUARY) -> FleetMonth:
    """A month of these devices, of which ``bad`` were not audited."""
    return FleetMonth(month=month, devices=tuple(_device(host, host in bad) for host in hosts))


def _device(host: str, bad: bool) -> DeviceMonth:
    device = Registered(host=host, item=host.upper(), store="000101")
    if bad:
        return DeviceMonth(device=device, bad_months=2)
    score = Fraction(97, 100)
    return DeviceMonth(
        device=device, audit="a1", effective=score, raw=score, open_high=(), failing=("A12",)
    )


def ended(ticket: DriftTicket, by: str = "a2") -> TicketEnd:
    """The end of a ticket because its control passes."""
    return TicketEnd(key=ticket.key, because=ClosedBecause.PASSED, by=by)


class DriftConformance:
    """The suite."""

    def test_a_ticket_is_kept_as_it_was_opened(self, ledger: DriftLedger) -> None:
        """With the moment of its entry; and found by number, host and time."""
        book, wanted = ledger.drift_tickets, drift_ticket(value=["yes", {"a": 1}])
        (opened,) = book.settle([wanted], [])
        assert opened == replace(wanted, opened_at=opened.opened_at)
        assert book.ticket(wanted.number) == opened
        assert book.open_tickets() == book.open_tickets(["pos1"]) == (opened,)
        assert book.open_tickets(["pos2"]) == ()
        assert book.tickets(host="pos1") == book.tickets(since=START) == (opened,)
        assert book.tickets(since=START + _DAY) == book.tickets(host="pos2") == ()
        assert book.ticket("drift-20260301-000000000000") is None
        assert [each.kind for each in book.history(wanted.number)] == ["drift ticket opened"]

    def test_one_ticket_is_open_for_a_device_and_a_control(self, ledger: DriftLedger) -> None:
        """However many audits see the failure; another control or device is another ticket."""
        book = ledger.drift_tickets
        book.settle([drift_ticket(audit="a1")], [])
        before = ledger.head()
        assert book.settle([drift_ticket(audit="a2")], []) == ()
        assert book.settle([drift_ticket(audit="a1")], []) == ()
        assert ledger.head() == before
        book.settle([drift_ticket("pos2"), drift_ticket("pos1", "A02")], [])
        assert len(book.open_tickets()) == 3

    def test_a_closed_ticket_stays_closed_and_the_next_one_is_new(
        self, ledger: DriftLedger, clock: ManualClock
    ) -> None:
        """The audit that had opened it cannot open it again."""
        book, first = ledger.drift_tickets, drift_ticket()
        book.settle([first], [])
        clock.advance(_DAY)
        (closed,) = book.settle([], [ended(first)])
        assert (closed.open, closed.closed_by) == (False, "a2")
        assert closed.closed_because is ClosedBecause.PASSED
        assert closed.closed_at == clock.now()
        assert book.settle([], [ended(first)]) == ()
        assert book.settle([first], []) == ()
        (again,) = book.settle([drift_ticket(audit="a3")], [])
        assert again.number != first.number
        assert [each.number for each in book.tickets()] == [again.number, first.number]
        assert book.tickets(limit=1) == (again,)
        assert (book.closed_by("a2"), book.closed_by("a3")) == (1, 0)

    def test_what_is_due_first_comes_first(self, ledger: DriftLedger) -> None:
        """Whatever was opened first."""
        late, soon = drift_ticket("pos1"), drift_ticket("pos2")
        soon = replace(soon, due=date(2026, 3, 2))
        ledger.drift_tickets.settle([late, soon], [])
        found = [each.number for each in ledger.drift_tickets.open_tickets()]
        assert found == [soon.number, late.number]

    def test_a_ticket_is_mirrored_like_a_change(self, ledger: DriftLedger) -> None:
        """Due as soon as it is opened, with its own entries; the id is noted once."""
        ledger.outbox.subscribe(TICKETS)
        book, wanted = ledger.drift_tickets, drift_ticket()
        book.settle([wanted], [])
        (delivery,) = ledger.outbox.due(TICKETS, START)
        assert delivery.subject == wanted.number
        (entry,) = ledger.outbox.entries(delivery)
        assert entry.kind == "drift ticket opened"
        ledger.outbox.arrived(delivery, entry.sequence, {"ticket": "17"})
        assert ledger.outbox.due(TICKETS, START) == ()
        assert book.mirrored(wanted.number, "itsm", "17").tickets == {"itsm": "17"}
        before = ledger.head()
        assert book.mirrored(wanted.number, "itsm", "17").tickets == {"itsm": "17"}
        assert ledger.head() == before
        book.settle([], [ended(wanted)])
        (delivery,) = ledger.outbox.due(TICKETS, START)
        kinds = [each.kind for each in ledger.outbox.entries(delivery)]
        assert kinds == ["drift ticket mirrored", "drift ticket closed"]
        refused(ConfigInvalid, lambda: book.mirrored("drift-20260301-0", "itsm", "1"))

    def test_a_change_does_not_wait_behind_drift_tickets(self, ledger: DriftLedger) -> None:
        """An audit of a neglected fleet opens thousands; people wait for the change."""
        ledger.outbox.subscribe(TICKETS)
        ledger.drift_tickets.settle([drift_ticket(f"pos{n}") for n in range(9)], [])
        number = ledger.changes.open_change("k", PREFIX, DAY, opening("pos1")).change.number
        (first,) = ledger.outbox.due(TICKETS, START, limit=1)
        assert first.subject == number

    def test_a_channel_that_begins_later_has_the_open_ones(self, ledger: DriftLedger) -> None:
        """What was closed before is not mirrored any more."""
        book, first, second = ledger.drift_tickets, drift_ticket("pos1"), drift_ticket("pos2")
        book.settle([first, second], [])
        book.settle([], [ended(first)])
        ledger.outbox.subscribe(TICKETS)
        assert [each.subject for each in ledger.outbox.deliveries(TICKETS)] == [second.number]

    def test_nobody_else_writes_entries_of_tickets(self, ledger: DriftLedger) -> None:
        """They would have no row."""
        for kind in ("drift ticket closed", "compliance month closed"):
            refused(LedgerConflict, lambda k=kind: ledger.append(k, {}, run="r", step="s"))  # type: ignore[misc]

    def test_many_at_once_open_one(self, ledger: DriftLedger) -> None:
        """Two controllers, or a controller and an audit by hand."""
        wanted = [drift_ticket(audit=f"a{n}") for n in range(6)]
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(lambda each: ledger.drift_tickets.settle([each], []), wanted))
        assert sum(map(len, made)) == 1
        assert len(ledger.drift_tickets.open_tickets()) == 1
        assert ledger.verify().problems == ()

    def test_the_verdict_before_is_the_last_of_somebody_who_could_look(
        self, ledger: DriftLedger
    ) -> None:
        """Errors, manual controls, lost hosts and narrower audits are looked past."""
        lost = HostAudit(host="pos1", state=AuditState.UNREACHABLE, message="timed out")
        error, manual = Verdict.ERROR, Verdict.MANUAL
        past = (
            audited("pos1", A01=Verdict.FAIL, A02=Verdict.PASS, A03=manual),
            audited("pos1", A01=error, A02=Verdict.FAIL, A03=manual),
            lost,
            audited("pos1", A02=Verdict.NOT_APPLICABLE),
            audited("pos1", A01=Verdict.PASS, A02=Verdict.PASS, A03=Verdict.PASS),
        )
        _audits(ledger, past)
        wanted = ("A01", "A02", "A03", "A04")
        assert ledger.drift_tickets.earlier("pos1", "a4", wanted) == {
            "A01": Verdict.FAIL,
            "A02": Verdict.NOT_APPLICABLE,
        }
        assert ledger.drift_tickets.earlier("pos1", "a0", wanted) == {}
        assert ledger.drift_tickets.earlier("pos2", "a4", wanted) == {}

    def test_audits_of_a_time_and_their_hosts(self, ledger: DriftLedger) -> None:
        """Those that have ended; and of each, the hosts with findings."""
        assert ledger.compliance.first_audit() is None
        lost = HostAudit(host="pos1", state=AuditState.FAILED, message="no Python")
        _audits(ledger, (audited("pos1", A01=Verdict.PASS), lost))
        ledger.begin_audit("under way", START + _DAY, ["pos1"], ["A01"], "content")
        book = ledger.compliance
        assert book.first_audit() == START
        assert book.audits(START, START + 9 * _DAY) == ("a0", "a1")
        assert book.audits(START, START + _DAY) == ("a0",)
        assert (book.audited("a0"), book.audited("a1")) == (frozenset({"pos1"}), frozenset())

    def test_a_month_is_closed_once_and_for_good(
        self, ledger: DriftLedger, clock: ManualClock
    ) -> None:
        """Whoever closes it again, with other results, gets what was recorded."""
        book, wanted = ledger.compliance, fleet("pos1", "pos2", bad=["pos2"])
        assert (book.month(FEBRUARY), book.months()) == (None, ())
        closed = book.close_month(wanted)
        assert closed == replace(wanted, closed_at=clock.now())
        clock.advance(_DAY)
        assert book.close_month(fleet("pos1")) == closed
        assert book.month(FEBRUARY) == closed
        book.close_month(fleet(month=Month(2025, 12)))
        assert book.months() == (Month(2025, 12), FEBRUARY)
        empty = book.month(Month(2025, 12))
        assert empty is not None
        assert empty.devices == ()
        assert [each.standing for each in closed.devices] == [Standing.OK, Standing.BAD2]
        assert ledger.verify().problems == ()


def _audits(ledger: Ledger, results: Sequence[HostAudit]) -> None:
    """An audit a day of one host: a0, a1, ..."""
    for number, result in enumerate(results):
        at = (START + number * _DAY).astimezone(UTC)
        names = sorted({finding.control for finding in result.findings} | {"A01"})
        _one(ledger, f"a{number}", at, result, names)


def _one(ledger: Ledger, ident: str, at: datetime, result: HostAudit, names: list[str]) -> None:
    ledger.begin_audit(ident, at, [result.host], names, "content")
    ledger.record_host(ident, result, at)
    ledger.end_audit(ident, at, "completed")
