# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of incidents, problem tickets and pauses, and the journal entries behind them.

Writer and verifier both build on this file: rows are what the entries of the journal add up to.
When an incident is to be looked at next follows from the site's settings and stands in no row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from storewarden.adapters.ledger.entries import text_of
from storewarden.adapters.ledger.journal import Note
from storewarden.domain.errors import LedgerConflict
from storewarden.domain.healing.incident import Incident, IncidentEvent
from storewarden.domain.healing.incident_plain import INCIDENT, PROBLEM, body_of, entry_kind
from storewarden.domain.healing.pause import Pause
from storewarden.domain.healing.problem_ticket import ProblemEvent, ProblemTicket
from storewarden.domain.plain_data import plain_record, typed_record
from storewarden.ports.journal import moment, stamp

KINDS = (INCIDENT, PROBLEM)
"""What the kinds of all entries about incidents and problems begin with."""

_SMALL = 20_000  # letters of a body that is kept as read: a storm's would take the memory of many

PAUSED, RESUMED = "heal paused", "heal resumed"
"""Kinds of entries about pauses."""


def note_of(event: IncidentEvent | ProblemEvent, step: str, at: str) -> Note:
    """The journal entry of an event."""
    return Note(at=at, kind=entry_kind(event), run=event.number, step=step, body=body_of(event))


def incident_row(incident: Incident, opening: int, sequence: int) -> dict[str, Any]:
    """The columns that follow from an incident, its first entry and its last one."""
    return {
        "number": incident.number,
        "opening": opening,
        "sequence": sequence,
        "name": incident.name,
        "state": incident.state.value,
        "priority": incident.priority.value,
        "opened": stamp(incident.opened_at),
        "body": text_of(plain_record(incident)),
    }


def incident_of(number: str, body: str) -> Incident:
    """The incident in a row. Raises LedgerConflict for a row nobody can read."""
    if len(body) < _SMALL:
        return _kept(number, body)
    return _read(Incident, body, f"incident {number}")


@lru_cache(maxsize=4096)
def _kept(number: str, body: str) -> Incident:
    """Every round of decisions reads all that are open, under the lock, and few have changed."""
    return _read(Incident, body, f"incident {number}")


def problem_row(ticket: ProblemTicket, opening: int, sequence: int) -> dict[str, Any]:
    """The columns that follow from a problem ticket, its first entry and its last one."""
    return {
        "number": ticket.number,
        "opening": opening,
        "sequence": sequence,
        "open": int(not ticket.over),
        "name": ticket.name,
        "opened": stamp(ticket.opened_at),
        "body": text_of(plain_record(ticket)),
    }


def problem_of(number: str, body: str) -> ProblemTicket:
    """The problem ticket in a row. Raises LedgerConflict for a row nobody can read."""
    return _read(ProblemTicket, body, f"problem {number}")


def pause_body(pause: Pause) -> dict[str, object]:
    """What the entry of a pause says."""
    return {
        "what": pause.what,
        "by": pause.by,
        "at": stamp(pause.at),
        "reason": pause.reason,
        "until": stamp(pause.until) if pause.until else "",
    }


def pause_row(body: Mapping[str, Any], sequence: int) -> dict[str, Any]:
    """The columns that follow from the entry of a pause. Raises KeyError and ValueError."""
    since, until = str(body["at"]), str(body["until"])
    moment(since)
    if until:
        moment(until)
    return {
        "what": str(body["what"]),
        "sequence": sequence,
        "person": str(body["by"]),
        "since": since,
        "reason": str(body["reason"]),
        "until": until,
    }


def pause_of(row: Any) -> Pause:
    """The pause in a row."""
    until: datetime | None = moment(row.until) if row.until else None
    return Pause(what=row.what, by=row.person, at=moment(row.since), reason=row.reason, until=until)


def _read[T](kind: type[T], body: str, where: str) -> T:
    try:
        data: Mapping[str, Any] = json.loads(body)
        return typed_record(kind, data, where)
    except (ValueError, TypeError, AttributeError):
        raise LedgerConflict(
            "is unreadable", where=where, hint="run storewarden ledger verify"
        ) from None
