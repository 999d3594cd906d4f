# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalog of backups: runs, sets, copies, drills, deletions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
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


def _once(table: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint("opening", name=f"{table}_once")


def upgrade() -> None:
    """Create the tables."""
    numbers = _numbers("opening", "sequence")
    texts = _texts("host", "policy", "verb", "kind", "location", "began", "ended", "body")
    _table("backup_run", _text("id", key=True), *numbers, *texts, _once("backup_run"))
    # What is open, and the last one of a kind that ended, of one target or of all.
    columns = ["host", "policy", "verb", "kind", "ended"]
    op.create_index("backup_run_of_target", "backup_run", columns)
    op.create_index("backup_run_ended", "backup_run", ["ended"])
    op.create_index("backup_run_began", "backup_run", ["began"])
    numbers = _numbers("opening", "sequence", "gone")
    texts = _texts("host", "policy", "received", "body")
    _table("backup_set", _text("id", key=True), *numbers, *texts, _once("backup_set"))
    op.create_index("backup_set_of_target", "backup_set", ["host", "policy", "gone"])
    op.create_index("backup_set_received", "backup_set", ["gone", "received"])
    keys = [_text("set", key=True), _text("location", key=True)]
    _table("backup_copy", *keys, *_numbers("sequence"), _text("body"))
    numbers, texts = _numbers("opening"), _texts("host", "policy", "began", "body")
    _table("backup_drill", _text("id", key=True), *numbers, *texts, _once("backup_drill"))
    op.create_index("backup_drill_of_target", "backup_drill", ["host", "policy", "began"])
    op.create_index("backup_drill_began", "backup_drill", ["began"])
    numbers, texts = _numbers("opening", "sequence", "open"), _texts("digest", "body")
    key = _text("number", key=True)
    _table("backup_deletion", key, *numbers, *texts, _once("backup_deletion"))
    op.create_index("backup_deletion_of_digest", "backup_deletion", ["digest", "open"])
