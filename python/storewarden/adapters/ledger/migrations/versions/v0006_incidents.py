# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents, problem tickets, and pauses of healing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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
    once = sa.UniqueConstraint("opening", name="incident_once")
    numbers = _numbers("opening", "sequence")
    texts = _texts("name", "state", "priority", "opened", "body")
    _table("incident", _text("number", key=True), *numbers, *texts, once)
    op.create_index("incident_of_state", "incident", ["state"])
    op.create_index("incident_of_name", "incident", ["name", "opened"])
    op.create_index("incident_opened", "incident", ["opened"])
    alone = sa.UniqueConstraint("opening", name="problem_once")
    numbers = _numbers("opening", "sequence", "open")
    texts = _texts("name", "opened", "body")
    _table("problem", _text("number", key=True), *numbers, *texts, alone)
    op.create_index("problem_of_name", "problem", ["name", "open"])
    texts = _texts("person", "since", "reason", "until")
    _table("heal_pause", _text("what", key=True), *_numbers("sequence"), *texts)
