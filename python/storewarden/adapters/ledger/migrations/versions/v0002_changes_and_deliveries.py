# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes with their hosts and number series; channels of the outbox and their cursors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=False)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [_text(name) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, _Number, nullable=False) for name in names]


def _table(name: str, *parts: sa.schema.SchemaItem) -> None:
    op.create_table(name, *parts, sqlite_strict=True)


def upgrade() -> None:
    """Create the tables; the journal gets an index by run, in which entries of a change lie."""
    op.create_index("journal_of_run", "journal", ["run", "sequence"])
    _changes()
    _outbox()


def _changes() -> None:
    texts = _texts("state", "kind", "risk", "opened", "updated", "body")
    once = sa.UniqueConstraint("key", name="change_once")
    order = sa.UniqueConstraint("opening", name="change_order")
    numbers = _numbers("opening", "sequence")
    _table("change", _text("number", key=True), *numbers, _text("key"), *texts, order, once)
    op.create_index("change_of_state", "change", ["state", "opening"])
    _table("change_host", _text("host", key=True), _text("number", key=True))
    _table("change_series", _text("series", key=True), *_numbers("sequence", "last"))


def _outbox() -> None:
    _table("channel", _text("name", key=True), *_numbers("sequence"))
    cursor = _numbers("through", "latest", "waiting", "attempts", "parked")
    pair = (_text("channel", key=True), _text("subject", key=True))
    _table("delivery", *pair, *cursor, *_texts("retry_at", "error", "receipt"))
    op.create_index("delivery_waiting", "delivery", ["channel", "waiting"])
    op.create_index("delivery_of_subject", "delivery", ["subject"])
