# SPDX-License-Identifier: GPL-3.0-or-later
"""Cursors into the journal: how far each subject has got on each channel.

A subject of a ticket channel is a change (with what its ticket is told of its rollouts), a drift
ticket, an incident or a problem. ``latest`` and ``waiting`` of its deliveries move in the
transaction that appends its entries, so that asking what is due reads an index and no journal. Of
the subject "" (all entries) the head row tells the same, and nothing is written when an entry is
appended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from storewarden.adapters.ledger import (
    change_rows,
    drift_rows,
    incident_rows,
    journal,
    rollout_rows,
)
from storewarden.adapters.ledger.change_rows import ENDED
from storewarden.adapters.ledger.entries import text_of
from storewarden.adapters.ledger.tables import (
    CHANGE,
    CHANNEL,
    DELIVERY,
    DRIFT_TICKET,
    INCIDENT,
    JOURNAL,
    PROBLEM,
    ROLLOUT,
)
from storewarden.domain.baseline.drift_ticket import SUBJECT, is_ticket
from storewarden.domain.errors import ConfigInvalid, LedgerConflict
from storewarden.domain.healing import numbers
from storewarden.domain.healing.incident import IncidentState
from storewarden.domain.outbox.delivery import EVER_WAITED
from storewarden.ports.journal import moment, stamp
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.outbox import TICKET, Delivery

ALL = ""
"""The subject that is every entry."""

_ERROR = 500  # characters of a failure that are kept
_FRESH = {"attempts": 0, "parked": 0, "retry_at": "", "error": ""}
_NEW = {**_FRESH, "through": 0, "receipt": "{}"}


def entries_of(connection: Connection, subject: str, after: int, limit: int) -> list[JournalEntry]:
    """The entries of a ticket channel's subject with a sequence above ``after``, in order."""
    found: list[Row[*tuple[Any, ...]]] = []
    for mine in _runs_of(connection, subject):
        later = select(JOURNAL).where(*mine, JOURNAL.c.sequence > after)
        found += connection.execute(later.order_by(JOURNAL.c.sequence).limit(limit)).all()
    found.sort(key=lambda row: int(row.sequence))
    return [journal.decoded(row) for row in found[:limit]]


def begin_subject(connection: Connection, number: str, opening: int, latest: int) -> None:
    """A delivery of a new change, incident or problem on every ticket channel."""
    chosen = select(CHANNEL.c.name).where(CHANNEL.c.name.startswith(TICKET, autoescape=True))
    for name in connection.execute(chosen).scalars().all():
        row = {"channel": name, "subject": number, "latest": latest, "waiting": opening}
        connection.execute(insert(DELIVERY).values({**_NEW, **row}))


def begin_subjects(connection: Connection, openings: Mapping[str, int]) -> None:
    """The same for many: number -> the sequence of its only entry."""
    chosen = select(CHANNEL.c.name).where(CHANNEL.c.name.startswith(TICKET, autoescape=True))
    names = connection.execute(chosen).scalars().all()
    rows = [
        {**_NEW, "channel": name, "subject": number, "latest": opening, "waiting": opening}
        for name in names
        for number, opening in openings.items()
    ]
    if rows:
        connection.execute(insert(DELIVERY), rows)


def advance(connection: Connection, number: str, first: int, latest: int) -> None:
    """A subject has new entries, from ``first`` to ``latest``."""
    waiting = case((DELIVERY.c.waiting == 0, first), else_=DELIVERY.c.waiting)
    mine = update(DELIVERY).where(DELIVERY.c.subject == number)
    connection.execute(mine.values(latest=latest, waiting=waiting))


def begin_channel(connection: Connection, channel: str, sequence: int) -> None:
    """A channel that was subscribed by the entry ``sequence``."""
    connection.execute(insert(CHANNEL).values(name=channel, sequence=sequence))
    if not channel.startswith(TICKET):
        row = {"channel": channel, "subject": ALL, "latest": 0, "waiting": 0}
        connection.execute(insert(DELIVERY).values({**_NEW, **row, "through": sequence}))
        return
    ended = sorted(state.value for state in ENDED)
    values = {**_NEW, "channel": channel}
    names = ["subject", "latest", "waiting", *values]
    fixed = [literal(value) for value in values.values()]
    told = select(func.max(ROLLOUT.c.told)).where(ROLLOUT.c.change == CHANGE.c.number)
    last = func.coalesce(told.scalar_subquery(), 0)
    latest = case((last > CHANGE.c.sequence, last), else_=CHANGE.c.sequence)
    changes = select(CHANGE.c.number, latest, CHANGE.c.opening, *fixed)
    drifts = select(DRIFT_TICKET.c.number, DRIFT_TICKET.c.sequence, DRIFT_TICKET.c.opening, *fixed)
    incidents = select(INCIDENT.c.number, INCIDENT.c.sequence, INCIDENT.c.opening, *fixed)
    problems = select(PROBLEM.c.number, PROBLEM.c.sequence, PROBLEM.c.opening, *fixed)
    open_ones = (
        changes.where(CHANGE.c.state.not_in(ended)),
        drifts.where(DRIFT_TICKET.c.closed == ""),
        incidents.where(INCIDENT.c.state != IncidentState.CLOSED.value),
        problems.where(PROBLEM.c.open == 1),
    )
    for each in open_ones:
        connection.execute(insert(DELIVERY).from_select(names, each))


def end_channel(connection: Connection, channel: str) -> None:
    """A channel that is fed no longer."""
    connection.execute(delete(DELIVERY).where(DELIVERY.c.channel == channel))
    connection.execute(delete(CHANNEL).where(CHANNEL.c.name == channel))


def channels(connection: Connection) -> tuple[str, ...]:
    """The names of all channels."""
    return tuple(connection.execute(select(CHANNEL.c.name).order_by(CHANNEL.c.name)).scalars())


def due(connection: Connection, channel: str, now: datetime, limit: int) -> list[Delivery]:
    """What is waiting and may be tried: what failed least often; incidents, problems and changes
    before drift tickets; the longest waiting."""
    head = journal.head(connection).sequence
    retry, beyond = DELIVERY.c.retry_at, stamp(now + EVER_WAITED)
    soon = or_(retry == "", retry <= stamp(now), retry > beyond)
    chosen = select(DELIVERY).where(DELIVERY.c.channel == channel, DELIVERY.c.parked == 0)
    ordered = chosen.order_by(DELIVERY.c.attempts, _rank(), DELIVERY.c.waiting)
    rows = connection.execute(ordered.where(_behind(head), soon).limit(limit))
    return [delivery_of(row, head) for row in rows]


def next_due(connection: Connection, channel: str) -> datetime | None:
    """The earliest retry of what is waiting."""
    head = journal.head(connection).sequence
    chosen = select(func.min(DELIVERY.c.retry_at)).where(
        DELIVERY.c.channel == channel,
        DELIVERY.c.parked == 0,
        DELIVERY.c.retry_at != "",
        _behind(head),
    )
    earliest = connection.execute(chosen).scalar()
    return moment(earliest) if earliest else None


def everything(connection: Connection, channel: str) -> list[Delivery]:
    """All deliveries of a channel, or of all channels."""
    head = journal.head(connection).sequence
    chosen = select(DELIVERY).order_by(DELIVERY.c.channel, DELIVERY.c.subject)
    if channel:
        chosen = chosen.where(DELIVERY.c.channel == channel)
    return [delivery_of(row, head) for row in connection.execute(chosen)]


def arrived(
    connection: Connection,
    channel: str,
    subject: str,
    sequence: int,
    receipt: Mapping[str, str],
) -> Delivery:
    """Move the cursor on and forget the failures."""
    row, head = _locked(connection, channel, subject), journal.head(connection).sequence
    if sequence > _latest(row, head):
        raise LedgerConflict(
            f"entry {sequence} cannot have arrived, the last one is {_latest(row, head)}",
            where=f"{channel} {subject}".strip(),
        )
    through = max(sequence, row.through)
    kept = text_of({**json.loads(row.receipt), **receipt})
    waiting = _waiting(connection, row, through)
    return _changed(connection, row, {**_FRESH, **_at(through, waiting), "receipt": kept})


def failed(
    connection: Connection, channel: str, subject: str, error: str, retry_at: datetime | None
) -> Delivery:
    """Count a failure; without a time to try again it is parked."""
    row = _locked(connection, channel, subject)
    line = " ".join(error.split())[:_ERROR]
    again = {"retry_at": stamp(retry_at)} if retry_at else {"retry_at": "", "parked": 1}
    return _changed(connection, row, {"attempts": row.attempts + 1, "error": line, **again})


def release(connection: Connection, channel: str, subject: str) -> tuple[Delivery, str]:
    """Let it be tried again at once; the delivery, and the error at which it had stopped."""
    row = _locked(connection, channel, subject)
    return _changed(connection, row, dict(_FRESH)), row.error


def skip(connection: Connection, channel: str, subject: str) -> tuple[Delivery, int]:
    """Leave out the first entry that waits, and try the next; the entry, 0 when none waits."""
    row, head = _locked(connection, channel, subject), journal.head(connection).sequence
    left_out = delivery_waiting(row, head)
    if left_out == 0:
        return delivery_of(row, head), 0
    values = {**_FRESH, **_at(left_out, _waiting(connection, row, left_out))}
    return _changed(connection, row, values), left_out


def delivery_of(row: Row[*tuple[Any, ...]], head: int) -> Delivery:
    """A row as the port tells it; ``head`` is the journal's last entry."""
    return Delivery(
        channel=row.channel,
        subject=row.subject,
        through=row.through,
        latest=_latest(row, head),
        attempts=row.attempts,
        retry_at=moment(row.retry_at) if row.retry_at else None,
        error=row.error,
        parked=bool(row.parked),
        receipt=json.loads(row.receipt),
    )


def delivery_waiting(row: Row[*tuple[Any, ...]], head: int) -> int:
    """The first entry of a delivery that has not arrived; 0 for none."""
    if row.subject != ALL:
        return int(row.waiting)
    return int(row.through) + 1 if row.through < head else 0


def _behind(head: int) -> ColumnElement[bool]:
    return or_(DELIVERY.c.waiting > 0, (DELIVERY.c.subject == ALL) & (DELIVERY.c.through < head))


def _latest(row: Row[*tuple[Any, ...]], head: int) -> int:
    return int(row.latest) if row.subject != ALL else head


def _at(through: int, waiting: int) -> dict[str, int]:
    return {"through": through, "waiting": waiting}


def _waiting(connection: Connection, row: Row[*tuple[Any, ...]], through: int) -> int:
    """The first entry of a subject behind ``through``; 0 for none, and for the subject ""."""
    if row.subject == ALL or through >= row.latest:
        return 0
    first = []
    for mine in _runs_of(connection, row.subject):
        later = select(func.min(JOURNAL.c.sequence)).where(*mine, JOURNAL.c.sequence > through)
        first.append(connection.execute(later).scalar())
    return min((int(each) for each in first if each is not None), default=0)


def _rank() -> ColumnElement[int]:
    """Who goes first. Incidents have a form of their own ("INC-20260601-083000"), which no change
    has: a change's last part is a count of one day."""
    subject = DELIVERY.c.subject
    incident = and_(subject.startswith(numbers.INCIDENT), func.length(subject) == numbers.LENGTH)
    return case((incident, 0), (subject.startswith(SUBJECT), 2), else_=1)


def _runs_of(connection: Connection, subject: str) -> Iterator[tuple[ColumnElement[bool], ...]]:
    """The entries of a ticket channel's subject, run by run: each is read through an index."""
    if is_ticket(subject):
        kinds = JOURNAL.c.kind.startswith(drift_rows.KINDS, autoescape=True)
        yield JOURNAL.c.run == subject, kinds
        return
    if numbers.is_incident(subject) or numbers.is_problem(subject):
        mine = (JOURNAL.c.kind.startswith(kind, autoescape=True) for kind in incident_rows.KINDS)
        yield JOURNAL.c.run == subject, or_(*mine)
        return
    yield (
        JOURNAL.c.run == subject,
        JOURNAL.c.kind.startswith(change_rows.KINDS, autoescape=True),
    )
    rollouts = select(ROLLOUT.c.number).where(ROLLOUT.c.change == subject)
    told = JOURNAL.c.kind.in_(sorted(rollout_rows.TOLD_KINDS))
    for number in connection.execute(rollouts).scalars().all():
        yield JOURNAL.c.run == number, told


def _mine(channel: str, subject: str) -> ColumnElement[bool]:
    return (DELIVERY.c.channel == channel) & (DELIVERY.c.subject == subject)


def _locked(connection: Connection, channel: str, subject: str) -> Row[*tuple[Any, ...]]:
    """The row, kept from moving under our hands by an append."""
    chosen = select(DELIVERY).where(_mine(channel, subject)).with_for_update()
    row = connection.execute(chosen).one_or_none()
    if row is None:
        raise ConfigInvalid(
            "there is no such delivery",
            where=f"{channel} {subject}".strip(),
            hint="storewarden change show tells where a change is mirrored",
        )
    return row


def _changed(
    connection: Connection, row: Row[*tuple[Any, ...]], values: Mapping[str, object]
) -> Delivery:
    mine = _mine(row.channel, row.subject)
    connection.execute(update(DELIVERY).where(mine).values(**values))
    stored = connection.execute(select(DELIVERY).where(mine)).one()
    return delivery_of(stored, journal.head(connection).sequence)
