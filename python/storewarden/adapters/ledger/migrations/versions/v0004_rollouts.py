# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts, their hosts, their dispatches as work, and who works."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
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
    _rollouts()
    _hosts()
    _work()


def _rollouts() -> None:
    once = sa.UniqueConstraint("key", name="rollout_once")
    order = sa.UniqueConstraint("opening", name="rollout_order")
    texts = _texts("change", "key", "state", "opened", "updated", "look_at", "line", "body")
    numbers = _numbers("opening", "sequence", "told", "looks")
    _table("rollout", _text("number", key=True), *numbers, *texts, order, once)
    op.create_index("rollout_of_change", "rollout", ["change", "opening"])
    op.create_index("rollout_of_state", "rollout", ["state", "opening"])
    op.create_index("rollout_due", "rollout", ["look_at"])


def _hosts() -> None:
    pair = (_text("rollout", key=True), _text("host", key=True))
    _table("rollout_host", *pair, *_numbers("place", "sequence"), *_texts("state", "body"))
    op.create_index("rollout_host_changed", "rollout_host", ["rollout", "sequence"])
    op.create_index("rollout_host_of_host", "rollout_host", ["host"])
    op.create_index("rollout_host_of_state", "rollout_host", ["state"])


def _work() -> None:
    order = sa.UniqueConstraint("sequence", name="rollout_job_order")
    numbers = _numbers("sequence", "epoch")
    texts = _texts("rollout", "ended", "worker", "taken", "begun")
    _table("rollout_job", _text("dispatch", key=True), *numbers, *texts, order)
    op.create_index("rollout_job_of_rollout", "rollout_job", ["rollout", "ended"])
    op.create_index("rollout_job_open", "rollout_job", ["ended", "worker"])
    _table("worker", _text("name", key=True), *_texts("started", "seen"))
