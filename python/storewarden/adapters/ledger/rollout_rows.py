# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a rollout and the journal entries behind them.

Writer and verifier both build on this file: rows are what the entries of the journal add up to,
so the one who writes folds what he has just written, as it will be read again, and the one who
verifies folds the same entries.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from storewarden.adapters.ledger.entries import text_of
from storewarden.adapters.ledger.journal import Note
from storewarden.domain.errors import LedgerConflict
from storewarden.domain.rollout.events import Dispatched, Reported, RolloutEvent
from storewarden.domain.rollout.plain import (
    ENTRY,
    body_of,
    entry_kind,
    event_of,
    plain_head,
    plain_host,
    typed_host,
    typed_rollout,
    word_of,
)
from storewarden.domain.rollout.record import HostRecord, Rollout, RolloutState
from storewarden.ports.journal import moment, stamp
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.rollouts import TOLD, RolloutLine

KINDS = ENTRY
"""What the kinds of all entries about rollouts begin with."""

TOLD_KINDS = frozenset(ENTRY + word_of(each) for each in TOLD)
"""The kinds of entries that go to the ticket of the rollout's change."""

_SERIES = "-R"


def note_of(event: RolloutEvent, step: str, now: datetime) -> Note:
    """The journal entry of an event."""
    kind, body = entry_kind(event), body_of(event)
    return Note(at=stamp(now), kind=kind, run=event.number, step=step, body=body)


def event_in(entry: JournalEntry) -> RolloutEvent:
    """The event that an entry tells of. Raises ValueError when it tells of none."""
    return event_of(entry.run, entry.kind, entry.at, entry.body)


def series_of(change: str) -> str:
    """The series of the numbers of a change's rollouts."""
    return change + _SERIES


def is_series(series: str) -> bool:
    """Whether a series is one of rollouts."""
    return series.endswith(_SERIES)


def number_in(series: str, count: int) -> str:
    """The number of a rollout: "GMBG-20260601-001-R2"."""
    return f"{series}{count}"


def count_of(number: str) -> tuple[str, int]:
    """Series and count of a rollout's number. Raises ValueError for what is none."""
    change, mark, count = number.rpartition(_SERIES)
    if not mark or str(int(count)) != count:
        raise ValueError(f"{number!r} is no number of a rollout")
    return series_of(change), int(count)


def row_of(rollout: Rollout, sequence: int, updated: datetime) -> dict[str, Any]:
    """The columns that follow from a rollout and its last entry."""
    return {
        "number": rollout.number,
        "change": rollout.change,
        "sequence": sequence,
        "state": rollout.state.value,
        "opened": stamp(rollout.opened),
        "updated": stamp(updated),
        "line": text_of(_line(rollout)),
        "body": text_of(plain_head(rollout)),
    }


def host_row(number: str, host: HostRecord, sequence: int) -> dict[str, Any]:
    """The columns that follow from a host's record and the entry that changed it last."""
    return {
        "rollout": number,
        "host": host.name,
        "sequence": sequence,
        "state": host.state.value,
        "body": text_of(plain_host(host)),
    }


def job_row(event: RolloutEvent, what: Dispatched, sequence: int) -> dict[str, Any]:
    """The columns of a dispatch as work that follow from its entry."""
    dispatch = what.dispatch
    return {
        "dispatch": dispatch.id,
        "rollout": event.number,
        "sequence": sequence,
        "epoch": dispatch.epoch,
        "ended": "",
    }


def ended_by(event: RolloutEvent) -> str:
    """The dispatch that an event ends; "" for none."""
    return event.what.dispatch if isinstance(event.what, Reported) else ""


def changed_hosts(before: Rollout | None, after: Rollout) -> list[HostRecord]:
    """The hosts whose record is another one; all of a new rollout."""
    if before is None:
        return list(after.hosts.values())
    if after.hosts is before.hosts:
        return []
    old = before.hosts
    return [host for name, host in after.hosts.items() if old[name] is not host]


def rollout_of(number: str, body: str, hosts: Mapping[str, HostRecord]) -> Rollout:
    """A stored rollout. Raises LedgerConflict when it cannot be read."""
    try:
        return typed_rollout(json.loads(body), hosts.values())
    except (ValueError, TypeError, KeyError) as failure:
        raise _unreadable(f"rollout row (number {number})", failure) from failure


def hosts_of(number: str, rows: Iterable[Row[*tuple[Any, ...]]]) -> dict[str, HostRecord]:
    """Stored hosts by name. Raises LedgerConflict when one cannot be read."""
    found: dict[str, HostRecord] = {}
    for row in rows:
        try:
            found[row.host] = typed_host(json.loads(row.body))
        except (ValueError, TypeError, KeyError) as failure:
            where = f"rollout_host row (rollout {number}, host {row.host})"
            raise _unreadable(where, failure) from failure
    return found


def line_of(row: Row[*tuple[Any, ...]]) -> RolloutLine:
    """A row as a list shows it. Raises LedgerConflict when it cannot be read."""
    try:
        line = json.loads(row.line)
        return RolloutLine(
            number=row.number,
            change=row.change,
            payload=str(line["payload"]),
            state=RolloutState(row.state),
            opened=moment(row.opened),
            updated=moment(row.updated),
            look_at=moment(row.look_at) if row.look_at else None,
            wave=int(line["wave"]),
            waves=int(line["waves"]),
            counts={str(state): int(count) for state, count in line["counts"].items()},
            held=str(line["held"]),
            held_zh=str(line.get("held_zh", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as failure:
        raise _unreadable(f"rollout row (number {row.number})", failure) from failure


def _line(rollout: Rollout) -> dict[str, object]:
    wave = rollout.wave
    return {
        "payload": rollout.spec.payload,
        "wave": wave.number if wave is not None else len(rollout.waves),
        "waves": len(rollout.waves),
        "counts": dict(Counter(host.state.value for host in rollout.hosts.values())),
        "held": rollout.held,
        "held_zh": rollout.held_zh,
    }


def _unreadable(where: str, failure: Exception) -> LedgerConflict:
    return LedgerConflict(
        f"is unreadable: {failure}", where=where, hint="run storewarden ledger verify"
    )
