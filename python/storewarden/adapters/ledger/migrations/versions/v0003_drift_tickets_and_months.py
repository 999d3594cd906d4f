# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift tickets, and the compliance of each device in each month that was closed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
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
    """Create both tables."""
    subject = ("kind", "host", "control", "severity")
    texts = (*subject, "opened", "due", "closed", "closed_by", "audit", "body")
    order = sa.UniqueConstraint("opening", name="drift_ticket_order")
    numbers = _numbers("opening", "sequence")
    _table("drift_ticket", _text("number", key=True), *numbers, *_texts(*texts), order)
    op.create_index("drift_ticket_open", "drift_ticket", ["closed", "host"])
    op.create_index("drift_ticket_closed_by", "drift_ticket", ["closed_by"])
    pair = (_text("month", key=True), _text("host", key=True))
    counted = _numbers("sequence", "place")
    _table("device_month", *pair, *counted, *_texts("standing", "body"))
