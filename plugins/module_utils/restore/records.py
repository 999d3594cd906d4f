# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host did by itself, for the next contact: whoever comes reads it into the journal.

Reading only, and without the rest of this folder, so that any module can afford it. Nothing is
marked as read: the reader knows a record again by ``id`` and ``number``.
"""

from __future__ import annotations

import json
import os
from typing import Any

FOLDER = "/var/lib/storewarden/restore"
_FIELDS = (
    *("id", "number", "owner", "epoch", "outcome", "cause", "reason"),
    *("began_at", "ended_at", "seconds", "overdue", "continued", "touched", "residue"),
)


def undo_records(folder: str = FOLDER, requested: bool = False) -> list[dict[str, Any]]:
    """The undo records of all packs that are still kept, the earliest end first.

    Each: ``id``, ``number`` (of the pack's undo, from 1), ``owner``, ``epoch``, ``outcome``
    (restored, residue), ``cause`` (deadline, late, request), ``reason``, ``began_at``, ``ended_at``
    (UTC by the host's wall clock), ``seconds``, ``overdue`` (seconds from the deadline to the end,
    None when no deadline led to it), ``continued``, ``touched``, ``residue``. An undo that somebody
    asked for is told to whoever asked, so it is left out unless ``requested``. What cannot be read
    is left out.
    """
    found = []
    for name in sorted(_names(folder)):
        last = _read(os.path.join(folder, name, "record.json"))
        for one in [*last.get("earlier", []), last]:
            if one.get("id") and (requested or one.get("cause") != "request"):
                found.append({field: one.get(field) for field in _FIELDS})
    return sorted(found, key=lambda one: str(one["ended_at"]))


def _names(folder: str) -> list[str]:
    try:
        return [one for one in os.listdir(folder) if not one.startswith(".")]
    except OSError:
        return []


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as source:
            found = json.loads(source.read().decode("ascii"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
