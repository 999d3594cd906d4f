# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting evidence after its retention, under an approved change and not otherwise.

What goes is the evidence of results; the entry, the counts, the transitions and
the digest stay. Evidence on which the present state of a control rests is kept,
however old: ``verify`` could not explain that state without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, select, text, update

from storewarden.adapters.ledger import journal, tombstones
from storewarden.adapters.ledger.change_rows import change_of
from storewarden.adapters.ledger.tables import CHANGE, CONTROL_STATE, HOST_RESULT
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.clock import Clock
from storewarden.ports.journal import stamp

_AT_ONCE = 500  # results of one transaction and one entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Results whose evidence is there: how many, of how many audits, how many bytes."""

    results: int = 0
    audits: int = 0
    size: int = 0


def expired(transactions: Transactions, before: datetime) -> Stock:
    """What could be deleted: recorded before that moment and not needed any more."""
    size = func.coalesce(func.sum(func.length(HOST_RESULT.c.evidence)), 0)
    audits = func.count(func.distinct(HOST_RESULT.c.audit))
    with transactions.reading() as connection:
        chosen = select(func.count(), audits, size).where(_old(before))
        results, of_audits, total = connection.execute(chosen).one()
    return Stock(results=results, audits=of_audits, size=int(total))


def delete(
    transactions: Transactions,
    clock: Clock,
    asked: tombstones.Deletion,
) -> Stock:
    """Delete it under the change ``asked`` names; what went. Again: the rest, if any.

    Each batch is one transaction with its entry. The first entry names ``asked.documents``,
    which the caller removes afterwards. Raises ConfigInvalid when there is no such change,
    Refused when it does not allow it.
    """
    gone, documents = Stock(), asked.documents
    while True:
        with transactions.writing() as connection:
            rows = _batch(connection, asked)
            if not rows and not documents:
                break
            _empty(connection, [row.sequence for row in rows])
            _note(connection, clock, asked, rows, documents)
        documents = ()
        gone = Stock(
            results=gone.results + len(rows), size=gone.size + sum(row.size for row in rows)
        )
    if gone.results:
        _wipe(transactions)
    return gone


def _batch(connection: Connection, asked: tombstones.Deletion) -> Sequence[Row[*tuple[Any, ...]]]:
    journal.lock(connection)
    _require_allowed(connection, asked.change)
    if connection.dialect.name == "sqlite":  # freed pages are overwritten, not just forgotten
        connection.execute(text("PRAGMA secure_delete=ON"))
    size = func.length(HOST_RESULT.c.evidence).label("size")
    chosen = select(HOST_RESULT.c.sequence, HOST_RESULT.c.digest, size).where(_old(asked.before))
    return connection.execute(chosen.order_by(HOST_RESULT.c.sequence).limit(_AT_ONCE)).all()


def _require_allowed(connection: Connection, number: str) -> None:
    chosen = select(CHANGE.c.body).where(CHANGE.c.number == number)
    body = connection.execute(chosen).scalar_one_or_none()
    if body is None:
        raise ConfigInvalid("there is no such change", where=number)
    change = change_of(number, body)
    if not tombstones.allows_deletion(change):
        raise Refused(
            f"it is {change.state.value}, its kind {change.draft.kind.value} and its operation"
            f" {change.draft.operation!r}",
            where=number,
            hint=f"records are deleted under a change with the operation"
            f" {tombstones.OPERATION} that was approved and has been started; no emergency",
        )


def _empty(connection: Connection, sequences: Sequence[int]) -> None:
    mine = update(HOST_RESULT).where(HOST_RESULT.c.sequence.in_(sequences))
    connection.execute(mine.values(evidence=b""))


def _note(
    connection: Connection,
    clock: Clock,
    asked: tombstones.Deletion,
    rows: Sequence[Row[*tuple[Any, ...]]],
    documents: tuple[str, ...],
) -> None:
    made = tombstones.Deletion(
        change=asked.change,
        by=asked.by,
        before=asked.before,
        results={row.sequence: row.digest for row in rows},
        documents=documents,
    )
    step = f"{asked.change} after entry {journal.head(connection).sequence}"
    journal.append(connection, tombstones.deletion_note(made, step, clock.now()))


def _wipe(transactions: Transactions) -> None:
    """What is deleted goes out of SQLite's write-ahead file as well."""
    if transactions.engine.dialect.name != "sqlite":
        return
    raw = transactions.engine.raw_connection()  # a checkpoint runs outside of any transaction
    try:
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        raw.close()


def _old(before: datetime) -> ColumnElement[bool]:
    needed = exists().where(
        CONTROL_STATE.c.host == HOST_RESULT.c.host, CONTROL_STATE.c.since == HOST_RESULT.c.audit
    )
    return and_(HOST_RESULT.c.at < stamp(before), HOST_RESULT.c.evidence != b"", ~needed)
