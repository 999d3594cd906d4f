# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal with its head, audits with their evidence, current state, transitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=False)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [_text(name) for name in names]


def _number(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, _Number, primary_key=key, nullable=False, autoincrement=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _table(name: str, *parts: sa.schema.SchemaItem) -> None:
    op.create_table(name, *parts, sqlite_strict=True)


def upgrade() -> None:
    """Create everything; the head row marks an empty journal."""
    _journal()
    _audits()
    _states()
    _append_only()


def _journal() -> None:
    texts, chain = _texts("at", "kind", "run", "step"), _texts("previous", "hash")
    once = sa.UniqueConstraint("run", "step", name="journal_once")
    _table("journal", _number("sequence", key=True), *texts, _bytes("body"), *chain, once)
    single = sa.CheckConstraint("id = 1", name="journal_head_single")
    number = sa.Column("id", sa.Integer(), primary_key=True, nullable=False, autoincrement=False)
    _table("journal_head", number, _number("sequence"), _text("hash"), single)
    empty = sa.text("INSERT INTO journal_head (id, sequence, hash) VALUES (1, 0, :hash)")
    op.execute(empty.bindparams(hash="0" * 64))


def _audits() -> None:
    texts = _texts("at", "ended", "outcome", "scope", "content", "hosts", "controls")
    order = sa.UniqueConstraint("sequence", name="audit_order")
    _table("audit", _text("id", key=True), _number("sequence"), *texts, order)
    texts = _texts("audit", "host", "at", "state", "counts", "sample")
    once = sa.UniqueConstraint("audit", "host", name="host_result_once")
    parts = (_bytes("evidence"), _text("digest"), once)
    _table("host_result", _number("sequence", key=True), *texts, *parts)
    op.create_index("host_result_of_host", "host_result", ["host", "sequence"])


def _states() -> None:
    pair = (_text("host", key=True), _text("control", key=True))
    _table("control_state", *pair, *_texts("verdict", "value", "since"))
    transition = (_number("sequence", key=True), _text("control", key=True))
    sides = ("verdict_from", "verdict_to", "value_from", "value_to")
    _table("drift_event", *transition, *_texts("host", "audit", "at", "seen", *sides))
    counted = (_number("sequence"), _text("at"), _number("count"))
    _table("host_count", _text("scope", key=True), *counted)


def _append_only() -> None:
    """A belt against accidents; against intent there is the hash chain."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER journal_no_{verb} BEFORE {verb} ON journal"
                " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION journal_append_only() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
    )
    for verb, level in (("update", "ROW"), ("delete", "ROW"), ("truncate", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER journal_no_{verb} BEFORE {verb} ON journal"
            f" FOR EACH {level} EXECUTE FUNCTION journal_append_only()"
        )
