# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift tickets in the ledger: opened and closed under the journal's lock.

Whether a ticket is open already is asked after the lock was taken, so that of two processes
that judge the same audit one writes and the other finds it done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from storewarden.adapters.ledger import cursors, evidence, journal
from storewarden.adapters.ledger.drift_rows import KINDS, folded, note_of, row_of, ticket_of
from storewarden.adapters.ledger.journal import Note
from storewarden.adapters.ledger.tables import AUDIT, DRIFT_TICKET, HOST_RESULT
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.baseline.drift_ticket import (
    DriftTicket,
    TicketEvent,
    closed_body,
    mirrored_body,
    opened_body,
)
from storewarden.domain.baseline.finding import AuditState, Verdict
from storewarden.domain.baseline.ticket_rules import LOOKED
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.clock import Clock
from storewarden.ports.drift_tickets import TicketEnd
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry

_AT_ONCE = 500  # hosts in one question


class SqlDriftTickets:
    """The drift tickets of a ledger; ``SqlLedger.drift_tickets``."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    def settle(
        self, opened: Sequence[DriftTicket], ended: Sequence[TicketEnd]
    ) -> tuple[DriftTicket, ...]:
        """Close and open in one step; the tickets that it changed, as they are now."""
        if not opened and not ended:
            return ()
        with self._transactions.writing() as connection:
            journal.lock(connection)
            hosts = {each.key.host for each in opened} | {each.key.host for each in ended}
            settling = _Settling(connection, self._clock.now(), hosts)
            for end in ended:
                settling.end(end)
            for ticket in opened:
                settling.open(ticket)
            return settling.write()

    def mirrored(self, number: str, system: str, ticket: str) -> DriftTicket:
        """Note under which id a ticket system has it; once per system and id."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            row = _row(connection, number)
            if row is None:
                raise ConfigInvalid("there is no such drift ticket", where=number)
            there = ticket_of(number, row.body)
            if there.tickets.get(system) == ticket:
                return there
            step, body = f"ticket {system} {ticket}", mirrored_body(system, ticket)
            note = note_of(number, TicketEvent.MIRRORED, step, body, self._clock.now())
            entry = journal.append(connection, note).entry
            after = folded(there, entry)
            _store(connection, after, entry)
            return after

    def ticket(self, number: str) -> DriftTicket | None:
        """One ticket; None when there is none."""
        with self._transactions.reading() as connection:
            row = _row(connection, number)
        return ticket_of(number, row.body) if row is not None else None

    def open_tickets(self, hosts: Collection[str] = ()) -> tuple[DriftTicket, ...]:
        """Those that are open (of ``hosts``, when any are named), by due date, then number."""
        with self._transactions.reading() as connection:
            found = list(_open_of(connection, hosts))
        return tuple(sorted(found, key=lambda ticket: (ticket.due, ticket.number)))

    def tickets(
        self, *, host: str = "", since: datetime | None = None, limit: int = 0
    ) -> tuple[DriftTicket, ...]:
        """All, newest first; those of one device, opened since."""
        chosen = select(DRIFT_TICKET.c.number, DRIFT_TICKET.c.body)
        chosen = chosen.order_by(DRIFT_TICKET.c.opening.desc())
        if host:
            chosen = chosen.where(DRIFT_TICKET.c.host == host)
        if since is not None:
            chosen = chosen.where(DRIFT_TICKET.c.opened >= stamp(since))
        with self._transactions.reading() as connection:
            rows = connection.execute(chosen.limit(limit) if limit else chosen).all()
        return tuple(ticket_of(row.number, row.body) for row in rows)

    def closed_by(self, source: str) -> int:
        """How many tickets the audit (or month) ``source`` has closed."""
        mine = select(func.count()).where(DRIFT_TICKET.c.closed_by == source)
        with self._transactions.reading() as connection:
            return int(connection.execute(mine).scalar_one())

    def history(self, number: str) -> tuple[JournalEntry, ...]:
        """The journal entries of one ticket, in order."""
        with self._transactions.reading() as connection:
            return tuple(journal.of_run(connection, number, KINDS))

    def earlier(self, host: str, audit: str, controls: Collection[str]) -> Mapping[str, Verdict]:
        """What was last found of these controls before ``audit``, by somebody who could look."""
        with self._transactions.reading() as connection:
            return _earlier(connection, host, audit, set(controls))


class _Settling:
    """Tickets opened and closed in one transaction: a fleet's first audit opens thousands.

    Everything is asked once, and written together.
    """

    def __init__(self, connection: Connection, now: datetime, hosts: Collection[str]) -> None:
        self._connection = connection
        self._now = now
        self._open = {ticket.key: ticket for ticket in _open_of(connection, hosts)}
        self._steps: list[tuple[DriftTicket | None, Note]] = []

    def end(self, wanted: TicketEnd) -> None:
        """Close it, when it is open."""
        there = self._open.pop(wanted.key, None)
        if there is None:
            return
        body, step = closed_body(wanted.because, wanted.by), TicketEvent.CLOSED.value
        note = note_of(there.number, TicketEvent.CLOSED, step, body, self._now)
        self._steps.append((there, note))

    def open(self, wanted: DriftTicket) -> None:
        """Open it, unless one about the same is open."""
        if wanted.key in self._open:
            return
        self._open[wanted.key] = wanted
        step, body = TicketEvent.OPENED.value, opened_body(wanted)
        self._steps.append(
            (None, note_of(wanted.number, TicketEvent.OPENED, step, body, self._now))
        )

    def write(self) -> tuple[DriftTicket, ...]:
        """All of it; the tickets as they are now."""
        new = [note.run for before, note in self._steps if before is None]
        used = _used(self._connection, new)
        steps = [(b, note) for b, note in self._steps if b is not None or note.run not in used]
        entries = journal.extend(self._connection, [note for _before, note in steps])
        pairs = zip(steps, entries, strict=True)
        changed = [(before, folded(before, entry), entry) for (before, _note), entry in pairs]
        self._store_new([(ticket, entry) for before, ticket, entry in changed if before is None])
        for before, ticket, entry in changed:
            if before is not None:
                _store(self._connection, ticket, entry)
        return tuple(ticket for _before, ticket, _entry in changed)

    def _store_new(self, made: Sequence[tuple[DriftTicket, JournalEntry]]) -> None:
        rows = [{**row_of(t, entry.sequence), "opening": entry.sequence} for t, entry in made]
        if rows:
            self._connection.execute(insert(DRIFT_TICKET), rows)
            openings = {ticket.number: entry.sequence for ticket, entry in made}
            cursors.begin_subjects(self._connection, openings)


def _store(connection: Connection, ticket: DriftTicket, entry: JournalEntry) -> None:
    """A ticket after one more entry."""
    mine = update(DRIFT_TICKET).where(DRIFT_TICKET.c.number == ticket.number)
    connection.execute(mine.values(row_of(ticket, entry.sequence)))
    cursors.advance(connection, ticket.number, entry.sequence, entry.sequence)


def _open_of(connection: Connection, hosts: Collection[str]) -> Iterator[DriftTicket]:
    """Open tickets of these hosts; of all hosts when none is named."""
    chosen = select(DRIFT_TICKET.c.number, DRIFT_TICKET.c.body)
    chosen = chosen.where(DRIFT_TICKET.c.closed == "")
    wanted = sorted(set(hosts))
    for first in range(0, max(len(wanted), 1), _AT_ONCE):
        some = wanted[first : first + _AT_ONCE]
        of_them = chosen.where(DRIFT_TICKET.c.host.in_(some)) if some else chosen
        for row in connection.execute(of_them):
            yield ticket_of(row.number, row.body)


def _used(connection: Connection, numbers: Sequence[str]) -> set[str]:
    """Those of the numbers that are taken."""
    found: set[str] = set()
    for first in range(0, len(numbers), _AT_ONCE):
        some = numbers[first : first + _AT_ONCE]
        chosen = select(DRIFT_TICKET.c.number).where(DRIFT_TICKET.c.number.in_(some))
        found.update(connection.execute(chosen).scalars())
    return found


def _row(connection: Connection, number: str) -> Row[*tuple[Any, ...]] | None:
    chosen = select(DRIFT_TICKET).where(DRIFT_TICKET.c.number == number)
    return connection.execute(chosen).one_or_none()


def _earlier(
    connection: Connection, host: str, audit: str, controls: set[str]
) -> Mapping[str, Verdict]:
    """Read backwards from the audit, nearly always one result."""
    found: dict[str, Verdict] = {}
    order = select(AUDIT.c.sequence).where(AUDIT.c.id == audit).scalar_subquery()
    chosen = (
        select(HOST_RESULT.c.sequence, HOST_RESULT.c.evidence)
        .join(AUDIT, AUDIT.c.id == HOST_RESULT.c.audit)
        .where(
            HOST_RESULT.c.host == host,
            HOST_RESULT.c.state == AuditState.AUDITED.value,
            HOST_RESULT.c.evidence != b"",  # deleted after its retention
            AUDIT.c.sequence < order,
        )
        .order_by(AUDIT.c.sequence.desc())
    )
    missing = set(controls)
    with connection.execute(chosen, execution_options={"yield_per": 1}) as rows:
        for row in rows:
            if not missing:
                break
            past = evidence.unpacked(row.evidence, f"entry {row.sequence}")
            looked = {f.control: f.verdict for f in past.findings if f.verdict in LOOKED}
            found |= {control: looked[control] for control in missing & looked.keys()}
            missing -= looked.keys()
    return found
