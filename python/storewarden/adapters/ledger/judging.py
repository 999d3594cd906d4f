# SPDX-License-Identifier: GPL-3.0-or-later
"""One row as it is against the row that the journal explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storewarden.ports.ledger import Problem

type Row = Mapping[Any, Any]

_KEYS = {
    "audit": ("id",),
    "host_count": ("scope",),
    "host_result": ("host", "audit"),
    "drift_event": ("host", "control", "audit"),
    "control_state": ("host", "control"),
    "change": ("number",),
    "change_host": ("host", "number"),
    "change_series": ("series",),
    "channel": ("name",),
    "delivery": ("channel", "subject"),
    "drift_ticket": ("number",),
    "device_month": ("month", "host"),
    "rollout": ("number",),
    "rollout_host": ("rollout", "host"),
    "rollout_job": ("dispatch",),
    "occurrence": ("key",),
    "repair": ("id",),
    "incident": ("number",),
    "problem": ("number",),
    "heal_pause": ("what",),
    "backup_run": ("id",),
    "backup_set": ("id",),
    "backup_copy": ("set", "location"),
    "backup_drill": ("id",),
    "backup_deletion": ("number",),
}


def judged(table: str, expected: Row | None, actual: Row | None) -> Problem | None:
    """What is wrong with a row; ``expected`` None: nothing explains it; ``actual``: it is gone.

    Only the columns of ``expected`` are compared.
    """
    if expected is None:
        what = "inserted: no journal entry explains it"
    elif actual is None:
        what = "deleted: the journal records it"
    elif wrong := sorted(name for name in expected if expected[name] != actual[name]):
        what = f"altered: not what the journal records ({', '.join(wrong)})"
    else:
        return None
    return Problem(where=where(table, actual or expected or {}), what=what)


def where(table: str, row: Row) -> str:
    """The name of a row in messages."""
    known = [f"{name} {row[name]}" for name in _KEYS[table] if name in row]
    return f"{table} row ({', '.join(known)})"
