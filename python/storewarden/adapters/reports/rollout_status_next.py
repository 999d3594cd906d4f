# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person can do for a rollout that waits for one; nothing where it goes on by itself."""

from __future__ import annotations

from storewarden.adapters.reports.rollout_status_words import Words
from storewarden.domain.rollout.record import Hold, HostState, Rollout, RolloutState, WaveState
from storewarden.domain.rollout.tables import ACTIVE, ENDED
from storewarden.ports.rollout_status import RolloutStatus

_PAUSED = {
    Hold.CHANGE: "next_change",
    Hold.CAPACITY: "next_capacity",
    Hold.BACKUP: "next_backup",
}


def next_line(status: RolloutStatus, words: Words) -> str:
    """One line with the commands; "" when nobody is waited for."""
    rollout = status.rollout
    if status.stopped and rollout.state not in ENDED:
        return words["next_stopped"]
    key = _key(rollout)
    if key:
        return words(key, number=rollout.number, change=rollout.change)
    host = next((h for h in rollout.hosts.values() if h.state is HostState.ATTENTION), None)
    if host is None:
        return ""
    return words("next_attention", number=rollout.number, host=words.clean(host.name))


def _key(rollout: Rollout) -> str:
    if rollout.state is RolloutState.DRAFT:
        return "next_draft"
    if rollout.state is RolloutState.PAUSED:
        return _PAUSED.get(rollout.hold, "next_paused")
    held = rollout.wave is not None and rollout.wave.state is WaveState.HELD
    return "next_held" if held and rollout.state in ACTIVE else ""
