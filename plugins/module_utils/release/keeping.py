# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which old releases may go.

The rule: the newest N stay; so does the one in use, and every one that a restore point which is
captured, live or confirmed speaks of, because an undo may turn the link back to it. Folders that we
did not unpack are never touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import Any, List, Sequence, Set

from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import PackDamaged
from ansible_collections.storewarden.ops.plugins.module_utils.restore.pack import UNDONE, Pack
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import Store

from .places import Places


def removable(newest_first: Sequence[str], keep: int, needed: Set[str]) -> List[str]:
    """Versions that may go, the oldest first."""
    return [one for one in reversed(newest_first[max(keep, 1) :]) if one not in needed]


def referred(store: Store, places: Places) -> Set[str]:
    """Versions that restore points need. PackDamaged when one of them cannot tell."""
    found: Set[str] = set()
    for pack in store.packs():
        if pack.state()["phase"] not in UNDONE:
            found |= _versions(pack, places)
    return found


def _versions(pack: Pack, places: Places) -> Set[str]:
    found = set()
    for number in range(pack.count()):
        saved = pack.item(number)
        path = str(saved["item"].get("path", ""))
        if _same(path, places.current):
            found |= {os.path.basename(target) for target in _targets(saved["state"])}
        elif _same(os.path.dirname(path), places.releases):
            found.add(os.path.basename(path))
    return found


def _same(one: str, other: str) -> bool:
    """Packs name paths with the links above them resolved."""
    return one in (
        other,
        os.path.join(os.path.realpath(os.path.dirname(other)), os.path.basename(other)),
    )


def _targets(state: Any) -> List[str]:
    entries = state.get("entries", {}) if isinstance(state, dict) else {}
    return [str(one["target"]) for one in entries.values() if one.get("target")]


def prune(store: Store, places: Places, keep: int) -> List[str]:
    """Remove what may go; what was removed. Nothing at all when a restore point cannot be read."""
    try:
        needed = referred(store, places) | {places.in_use()}
    except PackDamaged:
        return []
    gone = removable([one.version for one in places.known()], keep, needed)
    for version in gone:
        # Out of its name at once: nobody finds half a release. What a kill leaves, tidy removes.
        aside = places.fresh(version)
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(places.release(version), aside)
        os.unlink(places.marker(version))
        shutil.rmtree(aside, ignore_errors=True)
    return gone


def tidy(places: Places) -> None:
    """Remove what killed runs left half made. The caller holds the lock."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(places.releases):
            if name.startswith(".") and name.endswith(".new"):
                shutil.rmtree(os.path.join(places.releases, name), ignore_errors=True)
