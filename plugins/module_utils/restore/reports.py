# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a verb tells of a pack: the same words for the journal, whatever the verb was."""

from __future__ import annotations

from typing import Any

from . import apply_guard
from .clock import Clock
from .failures import PackDamaged
from .pack import LIVE, Pack
from .turns import dead_man


def report(pack: Pack, clock: Clock) -> dict[str, Any]:
    """Everything about a pack that is known without looking at the host's items."""
    found: dict[str, Any] = {"id": pack.id, "record": pack.record()}
    found["residue"] = (found["record"] or {}).get("residue", [])
    try:
        found.update(_standing(pack, clock))
    except PackDamaged as error:
        found.update(phase="damaged", damage=[str(error)])
    try:
        manifest = pack.manifest()
    except PackDamaged as error:
        return {**found, "damage": [str(error)]}
    found["fingerprint"] = manifest["fingerprint"]
    found["items"] = [one["label"] for one in manifest["items"]]
    found["exclude"] = manifest["exclude"]
    return found


def _standing(pack: Pack, clock: Clock) -> dict[str, Any]:
    state = pack.state()
    found = {
        key: state.get(key)
        for key in ("phase", "owner", "epoch", "manifest", "captured", "boots", "apply")
    }
    if state["phase"] in LIVE:
        left = clock.left(state["deadline"]) if state["deadline"] else None
        found["left"] = None if left is None else round(left, 3)
        found["dead_man"] = {"mode": state["mode"], "alive": dead_man(pack, state).alive()}
        found["apply_running"] = apply_guard.running(pack.host, state.get("apply"))
    return found
