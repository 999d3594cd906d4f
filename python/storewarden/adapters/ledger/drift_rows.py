# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of drift tickets and closed months, and the journal entries behind them.

Writer and verifier both build on this file, as they do for changes: a ticket's row is what
its entries add up to; a month's rows are the lines of the one entry that closed it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from storewarden.adapters.ledger.entries import text_of
from storewarden.adapters.ledger.journal import Note
from storewarden.domain.baseline.compliance import DeviceMonth, FleetMonth, Month, Registered
from storewarden.domain.baseline.drift_ticket import (
    ENTRY,
    DriftTicket,
    TicketEvent,
    fold_ticket,
    opened_body,
)
from storewarden.domain.errors import LedgerConflict
from storewarden.ports.journal import moment, stamp
from storewarden.ports.ledger import JournalEntry

KINDS = ENTRY
"""What the kinds of all entries about drift tickets begin with."""

MONTH_CLOSED = "compliance month closed"


def note_of(
    number: str, event: TicketEvent, step: str, body: Mapping[str, object], now: datetime
) -> Note:
    """The journal entry of an event of a ticket."""
    return Note(at=stamp(now), kind=KINDS + event.value, run=number, step=step, body=body)


def folded(before: DriftTicket | None, entry: JournalEntry) -> DriftTicket:
    """The ticket after one more entry."""
    return fold_ticket(before, entry.run, entry.kind, entry.at, entry.body)


def row_of(ticket: DriftTicket, sequence: int) -> dict[str, Any]:
    """The columns that follow from a ticket and the sequence of its last entry."""
    return {
        "number": ticket.number,
        "sequence": sequence,
        "kind": ticket.key.kind.value,
        "host": ticket.key.host,
        "control": ticket.key.control,
        "severity": ticket.severity.value,
        "opened": stamp(ticket.opened_at),
        "due": ticket.due.isoformat(),
        "closed": stamp(ticket.closed_at) if ticket.closed_at else "",
        "closed_by": ticket.closed_by,
        "audit": ticket.audit,
        "body": text_of(_body(ticket)),
    }


def ticket_of(number: str, body: str) -> DriftTicket:
    """A stored ticket. Raises LedgerConflict when it cannot be read."""
    try:
        raw = json.loads(body)
        at = moment(raw["opened_at"])
        opened = KINDS + TicketEvent.OPENED.value
        ticket = fold_ticket(None, number, opened, at, raw["opened"])
        for system, known in raw["tickets"].items():
            mirrored = {"system": system, "ticket": known}
            kind = KINDS + TicketEvent.MIRRORED.value
            ticket = fold_ticket(ticket, number, kind, at, mirrored)
        if raw["closed_at"]:
            kind = KINDS + TicketEvent.CLOSED.value
            ticket = fold_ticket(ticket, number, kind, moment(raw["closed_at"]), raw["closed"])
    except (ValueError, TypeError, KeyError, AttributeError) as failure:
        raise LedgerConflict(
            f"is unreadable: {failure}",
            where=f"drift_ticket row (number {number})",
            hint="run storewarden ledger verify",
        ) from failure
    return ticket


def month_note(fleet: FleetMonth, now: datetime) -> Note:
    """The entry that closes a month, with a line for each registered device."""
    body = {
        "month": str(fleet.month),
        "registered": fleet.registered,
        "audited": fleet.audited,
        "compliant": fleet.compliant,
        "devices": [_line(each) for each in fleet.devices],
    }
    step = str(fleet.month)
    return Note(at=stamp(now), kind=MONTH_CLOSED, run="compliance", step=step, body=body)


def month_rows(body: Mapping[str, Any], sequence: int) -> Sequence[dict[str, Any]]:
    """The rows that the body of a ``MONTH_CLOSED`` entry explains."""
    return [
        {
            "month": body["month"],
            "host": line["host"],
            "sequence": sequence,
            "place": place,
            "standing": line["standing"],
            "body": text_of(line),
        }
        for place, line in enumerate(body["devices"])
    ]


def device_of(line: str) -> DeviceMonth:
    """A stored line of a month."""
    raw: Mapping[str, Any] = json.loads(line)
    return DeviceMonth(
        device=Registered(**{name: raw[name] for name in _NAMES}),
        audit=raw["audit"],
        effective=Fraction(raw["effective"]) if raw["effective"] else None,
        raw=Fraction(raw["raw"]) if raw["raw"] else None,
        open_high=tuple(raw["open_high"]),
        failing=tuple(raw["failing"]),
        bad_months=raw["bad_months"],
    )


def month_in(name: str) -> Month:
    """The month of a column."""
    year, number = name.split("-")
    return Month(int(year), int(number))


_NAMES = ("host", "item", "store", "region", "role")


def _line(each: DeviceMonth) -> dict[str, object]:
    return {
        **{name: getattr(each.device, name) for name in _NAMES},
        "audit": each.audit,
        "effective": "" if each.effective is None else str(each.effective),
        "raw": "" if each.raw is None else str(each.raw),
        "open_high": each.open_high,
        "failing": each.failing,
        "bad_months": each.bad_months,
        "standing": each.standing.value,
    }


def _body(ticket: DriftTicket) -> dict[str, object]:
    ended = ticket.closed_because
    return {
        "opened": opened_body(ticket),
        "opened_at": stamp(ticket.opened_at),
        "tickets": dict(ticket.tickets),
        "closed_at": stamp(ticket.closed_at) if ticket.closed_at else "",
        "closed": {"because": ended.value, "by": ticket.closed_by} if ended else {},
    }
