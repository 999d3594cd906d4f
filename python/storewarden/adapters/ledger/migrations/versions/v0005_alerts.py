# SPDX-License-Identifier: GPL-3.0-or-later
"""Occurrences of alerts, and repairs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
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
    """Create the tables."""
    order = sa.UniqueConstraint("number", name="occurrence_order")
    texts = _texts("source", "received", "stage", "due", "resolved", "rule", "action", "hosts")
    texts += _texts("incident", "labels", "seen_at", "body")
    _table(
        "occurrence", _text("key", key=True), *_numbers("number", "sequence", "seen"), *texts, order
    )
    op.create_index("occurrence_due", "occurrence", ["due"])
    op.create_index("occurrence_of_stage", "occurrence", ["stage", "number"])
    op.create_index("occurrence_received", "occurrence", ["received"])
    op.create_index("occurrence_firing", "occurrence", ["source", "resolved"])
    once = sa.UniqueConstraint("count", name="repair_once")
    numbers = _numbers("count", "sequence", "open")
    _table("repair", _text("id", key=True), *numbers, *_texts("change", "opened", "body"), once)
    op.create_index("repair_opened", "repair", ["opened"])
    op.create_index("repair_open", "repair", ["open"])
