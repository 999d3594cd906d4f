# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the backup catalog, and the journal entries behind them.

Writer and verifier both build on this file: rows are what the entries of the journal add up to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from storewarden.adapters.ledger.entries import text_of
from storewarden.adapters.ledger.journal import Note
from storewarden.domain.backup.catalog import (
    BackupSet,
    Copy,
    DeletionRequest,
    Doubt,
    DrillRecord,
    Run,
    Target,
)
from storewarden.domain.backup.catalog_events import CatalogEvent
from storewarden.domain.backup.catalog_fold import deletion_open
from storewarden.domain.backup.catalog_plain import BACKUP, body_of, entry_kind, subject_of
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.domain.errors import LedgerConflict
from storewarden.domain.plain_data import plain_value, typed_record
from storewarden.ports.journal import moment, stamp

KINDS = BACKUP
"""What the kinds of all entries about backups begin with."""


def note_of(event: CatalogEvent, step: str, at: str) -> Note:
    """The journal entry of an event."""
    return Note(
        at=at, kind=entry_kind(event), run=subject_of(event), step=step, body=body_of(event)
    )


def run_row(run: Run, opening: int, sequence: int) -> dict[str, Any]:
    """The columns that follow from a run, its first entry and its last one."""
    return {
        "id": run.id,
        "opening": opening,
        "sequence": sequence,
        "host": run.target.host,
        "policy": run.target.policy,
        "verb": run.verb.value,
        "kind": run.kind.value,
        "location": run.location,
        "began": stamp(run.began),
        "ended": stamp(run.ended) if run.ended else "",
        "body": _body(run),
    }


def set_row(backup: BackupSet, opening: int, sequence: int) -> dict[str, Any]:
    """The columns that follow from a set, its first entry and its last one."""
    return {
        "id": backup.id,
        "opening": opening,
        "sequence": sequence,
        "host": backup.target.host,
        "policy": backup.target.policy,
        "received": stamp(backup.received),
        "gone": int(backup.expired is not None),
        "body": _body(replace(backup, copies=())),
    }


def copy_row(copy: Copy, sequence: int) -> dict[str, Any]:
    """The columns that follow from a copy and the last entry that changed it."""
    return {
        "set": copy.set,
        "location": copy.location,
        "sequence": sequence,
        "body": _body(copy),
    }


def drill_row(drill: DrillRecord, opening: int) -> dict[str, Any]:
    """The columns that follow from a drill and its entry."""
    return {
        "id": drill.id,
        "opening": opening,
        "host": drill.target.host,
        "policy": drill.target.policy,
        "began": stamp(drill.began),
        "body": _body(drill),
    }


def deletion_row(request: DeletionRequest, opening: int, sequence: int) -> dict[str, Any]:
    """The columns that follow from a request, its first entry and its last one."""
    return {
        "number": request.number,
        "opening": opening,
        "sequence": sequence,
        "open": int(deletion_open(request)),
        "digest": request.digest,
        "body": _body(request),
    }


def run_of(body: str) -> Run:
    """The run in a row. Raises LedgerConflict for a row nobody can read, as the others do."""
    return _read(Run, body)


def copy_of(body: str) -> Copy:
    """The copy in a row. Not field by field as the others: there are millions of them."""
    return _quickly(_copy, body)


def set_of(body: str, copies: tuple[Copy, ...]) -> BackupSet:
    """The set in a row, with its copies in the order of their places."""
    there = tuple(sorted(copies, key=lambda each: each.location))
    return _quickly(lambda data: _set(data, there), body)


def _copy(data: Mapping[str, Any]) -> Copy:
    return Copy(
        set=data["set"],
        location=data["location"],
        made=_at(data["made"]),
        level=Level(data["level"]),
        verified=_moment(data, "verified"),
        immutable_until=_moment(data, "immutable_until"),
        damaged=data.get("damaged", ""),
        deleted=_moment(data, "deleted"),
        looks={deep: _at(at) for deep, at in data.get("looks", {}).items()},
        void=_moment(data, "void"),
        doubts={deep: _doubt(each) for deep, each in data.get("doubts", {}).items()},
    )


def _set(data: Mapping[str, Any], copies: tuple[Copy, ...]) -> BackupSet:
    return BackupSet(
        id=data["id"],
        target=Target(host=data["target"]["host"], policy=data["target"]["policy"]),
        kind=SetKind(data["kind"]),
        taken=_at(data["taken"]),
        received=_at(data["received"]),
        size=data["size"],
        parent=data.get("parent", ""),
        manifest=data.get("manifest", ""),
        copies=copies,
        hold=data["hold"],
        expired=_moment(data, "expired"),
    )


def _doubt(data: Mapping[str, Any]) -> Doubt:
    return Doubt(since=_at(data["since"]), why=data["why"])


def _moment(data: Mapping[str, Any], name: str) -> datetime | None:
    return _at(data[name]) if name in data else None


@lru_cache(maxsize=4096)
def _at(text: str) -> datetime:
    """A report writes one moment into a hundred copies: it is read once."""
    return moment(text)


def _quickly[T](read: Callable[[Mapping[str, Any]], T], body: str) -> T:
    try:
        return read(json.loads(body))
    except (ValueError, TypeError, AttributeError, KeyError):
        raise _unreadable("record") from None


def drill_of(body: str) -> DrillRecord:
    """The drill in a row."""
    return _read(DrillRecord, body)


def deletion_of(body: str) -> DeletionRequest:
    """The request in a row."""
    return _read(DeletionRequest, body)


def _body(record: Any) -> str:
    """What is set: there are millions of them. An absent field is at its default, and stays so."""
    data = {}
    for each in fields(record):
        value = plain_value(getattr(record, each.name))
        if value not in _EMPTY or not _optional(each):
            data[each.name] = value
    return text_of(data)


def _optional(each: Field[Any]) -> bool:
    return each.default is not MISSING or each.default_factory is not MISSING


_EMPTY: tuple[object, ...] = ("", None, [], {})


def _read[T](kind: type[T], body: str) -> T:
    try:
        data: Mapping[str, Any] = json.loads(body)
        return typed_record(kind, data, kind.__name__)
    except (ValueError, TypeError, AttributeError):
        raise _unreadable(kind.__name__) from None


def _unreadable(what: str) -> LedgerConflict:
    return LedgerConflict(
        f"there is a {what} that nobody can read",
        where="backup catalog",
        hint="run storewarden ledger verify",
    )
