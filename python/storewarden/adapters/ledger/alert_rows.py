# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of occurrences and repairs, and the journal entries behind them.

Writer and verifier both build on this file: rows are what the entries of the journal add up to.
How often an alert was sent again is no evidence of anything and stands beside them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from storewarden.adapters.ledger.entries import text_of
from storewarden.adapters.ledger.journal import Note
from storewarden.domain.errors import LedgerConflict
from storewarden.domain.healing.events import AlertEvent, RepairEvent
from storewarden.domain.healing.plain import ALERT, REPAIR, body_of, entry_kind
from storewarden.domain.healing.record import OVER, Occurrence, Repair, RepairState, Stage
from storewarden.domain.plain_data import plain_record, typed_record
from storewarden.ports.journal import stamp

KINDS = (ALERT, REPAIR)
"""What the kinds of all entries about alerts and repairs begin with."""

LOOKED_AT = frozenset(set(Stage) - OVER - {Stage.ACTING})
"""Stages in which an occurrence has a time to be looked at."""


def alert_note(event: AlertEvent, step: str, at: str) -> Note:
    """The journal entry of an occurrence's event."""
    return Note(at=at, kind=entry_kind(event), run=event.key, step=step, body=body_of(event))


def repair_note(event: RepairEvent, step: str, at: str) -> Note:
    """The journal entry of a repair's event."""
    return Note(at=at, kind=entry_kind(event), run=event.id, step=step, body=body_of(event))


def occurrence_row(occurrence: Occurrence, sequence: int) -> dict[str, Any]:
    """The columns that follow from an occurrence and its last entry."""
    looked_at = occurrence.stage in LOOKED_AT and occurrence.due is not None
    decision = occurrence.decision
    return {
        "key": occurrence.key,
        "number": occurrence.number,
        "sequence": sequence,
        "source": occurrence.alert.source,
        "received": stamp(occurrence.received_at),
        "stage": occurrence.stage.value,
        "due": stamp(occurrence.due) if looked_at and occurrence.due else "",
        "resolved": stamp(occurrence.resolved_at) if occurrence.resolved_at else "",
        "rule": decision.rule if decision else "",
        "action": decision.action if decision else "",
        "hosts": text_of(list(decision.hosts) if decision else []),
        "incident": decision.incident if decision else "",
        "labels": text_of(dict(occurrence.alert.labels)),
        "body": text_of(_body(occurrence)),
    }


def _body(occurrence: Occurrence) -> dict[str, object]:
    """Without what came to the record later and is not set: rows of before must still be what
    their entries add up to."""
    later = {"agreed": occurrence.agreed, "fresh": occurrence.fresh}
    data = plain_record(occurrence)
    return {key: value for key, value in data.items() if key not in later or later[key]}


def occurrence_of(key: str, body: str) -> Occurrence:
    """The occurrence in a row. Raises LedgerConflict for a row nobody can read."""
    return _read(Occurrence, body, f"alert {key[:12]}")


def repair_row(repair: Repair, sequence: int) -> dict[str, Any]:
    """The columns that follow from a repair and its last entry."""
    return {
        "id": repair.id,
        "count": count_of(repair.id),
        "sequence": sequence,
        "change": repair.change,
        "opened": stamp(repair.opened_at),
        "open": int(repair.state is RepairState.OPEN),
        "body": text_of(plain_record(repair)),
    }


def repair_of(ident: str, body: str) -> Repair:
    """The repair in a row. Raises LedgerConflict for a row nobody can read."""
    return _read(Repair, body, f"repair {ident}")


def ident_in(change: str, count: int) -> str:
    """The id of a repair: "GMBG-20260601-001-H1780272000"."""
    return f"{change}-H{count}"


def count_of(ident: str) -> int:
    """The count in a repair's id. Raises ValueError for what is none."""
    change, mark, count = ident.rpartition("-H")
    if not mark or not change or str(int(count)) != count:
        raise ValueError(f"{ident!r} is no id of a repair")
    return int(count)


def _read[T](kind: type[T], body: str, where: str) -> T:
    try:
        data: Mapping[str, Any] = json.loads(body)
        return typed_record(kind, data, where)
    except (ValueError, TypeError, AttributeError):
        raise LedgerConflict(
            "is unreadable", where=where, hint="run storewarden ledger verify"
        ) from None
