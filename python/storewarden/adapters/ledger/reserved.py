# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of entries that state rows depend on: each has its own method.

An entry of such a kind without its rows would make ``verify`` report a
tampering that nobody did.
"""

from __future__ import annotations

from storewarden.adapters.ledger import (
    alert_rows,
    anchors,
    backup_rows,
    change_rows,
    drift_rows,
    entries,
    incident_rows,
    outbox,
    rollout_rows,
    tombstones,
)
from storewarden.domain.errors import LedgerConflict

_KINDS = frozenset(
    {
        entries.BEGUN,
        entries.RECORDED,
        entries.ENDED,
        entries.COUNTED,
        anchors.WRITTEN,
        outbox.SUBSCRIBED,
        outbox.UNSUBSCRIBED,
        tombstones.DELETED,
        tombstones.RESTORED,
        drift_rows.MONTH_CLOSED,
        incident_rows.PAUSED,
        incident_rows.RESUMED,
    }
)
_PREFIXES = (
    backup_rows.KINDS,
    change_rows.KINDS,
    drift_rows.KINDS,
    rollout_rows.KINDS,
    *alert_rows.KINDS,
    *incident_rows.KINDS,
)


def require_free(kind: str) -> None:
    """Raise LedgerConflict for a kind that only the ledger itself may write."""
    if kind in _KINDS or kind.startswith(_PREFIXES):
        raise LedgerConflict(
            f"entries of the kind {kind!r} are written by the ledger itself",
            where="journal",
            hint="nothing was written",
        )
