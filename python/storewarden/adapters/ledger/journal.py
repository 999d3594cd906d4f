# SPDX-License-Identifier: GPL-3.0-or-later
"""Appending to the journal and reading it, on a connection inside a transaction.

An append first locks the head row. Whoever holds it is the only writer, so the
entry, the new head and the state rows it explains are one transaction: all of
it is there after a crash, or none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from storewarden.adapters.ledger.tables import JOURNAL, JOURNAL_HEAD
from storewarden.domain.errors import AdapterError, LedgerConflict
from storewarden.ports.journal import Sealed, canonical, moment, seal
from storewarden.ports.ledger import Head, JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be appended; ``at`` as stored text."""

    at: str
    kind: str
    run: str
    step: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The entry, and whether it is new (False: the same step was there already)."""

    entry: JournalEntry
    new: bool


def append(connection: Connection, note: Note) -> Appended:
    """Add an entry behind the head, once per (run, step).

    Raises LedgerConflict when the step is there with another kind or body,
    AdapterError when the body is no JSON.
    """
    body = _encoded(note)
    head = _locked_head(connection)
    there = _find(connection, note.run, note.step)
    if there is not None:
        return Appended(entry=_same(there, note.kind, body), new=False)
    entry = Sealed(
        sequence=head.sequence + 1,
        at=note.at,
        kind=note.kind,
        run=note.run,
        step=note.step,
        body=body,
        previous=head.hash,
    )
    return Appended(entry=_write(connection, entry), new=True)


def extend(connection: Connection, notes: Sequence[Note]) -> list[JournalEntry]:
    """Add entries behind the head, whose steps the caller knows to be new, in one go.

    A step that is there all the same ends in the database's own refusal, and nothing is added.
    """
    head = _locked_head(connection)
    previous, rows = head.hash, []
    for sequence, note in enumerate(notes, head.sequence + 1):
        entry = Sealed(
            sequence=sequence,
            at=note.at,
            kind=note.kind,
            run=note.run,
            step=note.step,
            body=_encoded(note),
            previous=previous,
        )
        previous = seal(entry)
        rows.append((entry, previous))
    if rows:
        stored = [{**_stored(entry), "hash": sealed} for entry, sealed in rows]
        connection.execute(insert(JOURNAL), stored)
        last = {"sequence": rows[-1][0].sequence, "hash": previous}
        connection.execute(update(JOURNAL_HEAD).values(**last))
    return [_told(entry, sealed) for entry, sealed in rows]


def lock(connection: Connection) -> Head:
    """Become the only writer until the transaction ends; where the journal ends now."""
    row = _locked_head(connection)
    return Head(sequence=row.sequence, hash=row.hash)


def head(connection: Connection) -> Head:
    """Where the journal ends, without keeping anybody from going on."""
    row = _required(connection.execute(select(JOURNAL_HEAD)).one_or_none())
    return Head(sequence=row.sequence, hash=row.hash)


def find(connection: Connection, run: str, step: str) -> JournalEntry | None:
    """The entry of one step, or None."""
    row = _find(connection, run, step)
    return decoded(row) if row is not None else None


def page(connection: Connection, after: int, size: int) -> list[JournalEntry]:
    """Up to ``size`` entries with a sequence above ``after``, in order."""
    chosen = select(JOURNAL).where(JOURNAL.c.sequence > after)
    rows = connection.execute(chosen.order_by(JOURNAL.c.sequence).limit(size))
    return [decoded(row) for row in rows]


def of_run(
    connection: Connection, run: str, kinds: str = "", after: int = 0, size: int = 0
) -> list[JournalEntry]:
    """Entries of one run with a sequence above ``after``, in order; ``size`` 0 is all of them.

    ``kinds`` is what their kinds begin with.
    """
    chosen = select(JOURNAL).where(JOURNAL.c.run == run, JOURNAL.c.sequence > after)
    if kinds:
        chosen = chosen.where(JOURNAL.c.kind.startswith(kinds, autoescape=True))
    ordered = chosen.order_by(JOURNAL.c.sequence)
    rows = connection.execute(ordered.limit(size) if size else ordered)
    return [decoded(row) for row in rows]


def decoded(row: Row[*tuple[Any, ...]]) -> JournalEntry:
    """A stored row as an entry. Raises LedgerConflict when it cannot be read at all."""
    try:
        body = json.loads(row.body)
        at = moment(row.at)
    except (ValueError, TypeError, AttributeError):
        raise LedgerConflict(
            "is unreadable", where=f"entry {row.sequence}", hint="run storewarden ledger verify"
        ) from None
    return JournalEntry(
        sequence=row.sequence,
        at=at,
        kind=row.kind,
        run=row.run,
        step=row.step,
        body=body,
        hash=row.hash,
    )


def _encoded(note: Note) -> bytes:
    for name in ("kind", "run", "step"):
        if not getattr(note, name):
            raise AdapterError(f"{name} is empty", where="journal", hint="nothing was written")
    return canonical(note.body)


def _locked_head(connection: Connection) -> Row[*tuple[Any, ...]]:
    chosen = select(JOURNAL_HEAD.c.sequence, JOURNAL_HEAD.c.hash).with_for_update()
    return _required(connection.execute(chosen).one_or_none())


def _required(head: Row[*tuple[Any, ...]] | None) -> Row[*tuple[Any, ...]]:
    if head is None:
        raise LedgerConflict(
            "the head row is missing", where="journal", hint="run storewarden ledger verify"
        )
    return head


def _find(connection: Connection, run: str, step: str) -> Row[*tuple[Any, ...]] | None:
    chosen = select(JOURNAL).where(JOURNAL.c.run == run, JOURNAL.c.step == step)
    return connection.execute(chosen).one_or_none()


def _same(there: Row[*tuple[Any, ...]], kind: str, body: bytes) -> JournalEntry:
    if (there.kind, bytes(there.body)) != (kind, body):
        raise LedgerConflict(
            f"step {there.step} of run {there.run} is recorded as something else",
            where=f"entry {there.sequence}",
            hint="a step is written once; use another step name for another fact",
        )
    return decoded(there)


def _write(connection: Connection, entry: Sealed) -> JournalEntry:
    sealed = seal(entry)
    connection.execute(insert(JOURNAL).values(**_stored(entry), hash=sealed))
    connection.execute(update(JOURNAL_HEAD).values(sequence=entry.sequence, hash=sealed))
    return _told(entry, sealed)


def _stored(entry: Sealed) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Sealed.__slots__}


def _told(entry: Sealed, sealed: str) -> JournalEntry:
    return JournalEntry(
        sequence=entry.sequence,
        at=moment(entry.at),
        kind=entry.kind,
        run=entry.run,
        step=entry.step,
        body=json.loads(entry.body),
        hash=sealed,
    )
