# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The turns in which time is looked at: a tick, a boot, a watcher, an undo asked for.

Each takes the host's lock, reads where the pack stands, and does what is due. A pack whose state
cannot be read is undone: for a timer that still runs, not knowing is no confirmation.
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from .clock import Clock, tick_seconds
from .dead_man import DeadMan, choose
from .failures import PackDamaged, Refused, RestoreError
from .pack import LIVE, Cause, Pack, Phase
from .store import Store
from .undo import undo

_LOCK_PATIENCE = 30.0
_UNDO_PATIENCE = 3600.0


class Rest(NamedTuple):
    """Seconds to the deadline, and to the next tick."""

    left: float
    pause: float


def dead_man(pack: Pack, state: dict[str, Any]) -> DeadMan:
    """Timer and boot hook of a pack, also when its manifest is lost."""
    python = "/usr/bin/python3"
    with contextlib.suppress(PackDamaged):
        python = pack.manifest()["python"]
    mode = state.get("mode") or choose(pack.host, "auto")
    return DeadMan(pack, mode, python)


def tick(store: Store, pack: Pack, clock: Clock) -> Rest | None:
    """Note what is left, or undo when nothing is; None when there is nothing left to wait for."""
    with store.locked(_LOCK_PATIENCE):
        try:
            state = pack.state()
        except PackDamaged as error:
            _undone(pack, clock, str(error), Cause.DEADLINE)
            return None
        if state["phase"] not in LIVE:
            # Confirmed or undone; or captured by somebody who died before the pack was armed:
            # arming holds the lock from before the timer runs until the state says so.
            dead_man(pack, state).stop()
            return None
        if state["phase"] == Phase.ARMED.value:
            deadline = clock.carried_over(state["deadline"])
            if deadline["left"] > 0:
                pack.write_state(deadline=deadline)
                left = deadline["left"]
                return Rest(left, min(left, tick_seconds(deadline["granted"])))
        _undone(pack, clock, "the deadline passed", Cause.DEADLINE)
        return None


def boot(store: Store, pack: Pack, clock: Clock) -> None:
    """After a boot: set the timer again for what is left; a deadline that passed fires at once.

    The undo itself runs in the timer's service: here, a boot is still waiting for us.
    """
    with store.locked(_LOCK_PATIENCE):
        try:
            state = pack.state()
        except PackDamaged:
            state = pack.write_state(phase=Phase.UNDOING.value)
        if state["phase"] not in LIVE:
            dead_man(pack, state).stop()
            return
        left, granted = 0.0, 10.0
        if state["phase"] == Phase.ARMED.value:
            deadline = clock.carried_over(state["deadline"])
            if state["deadline"]["boot"] != deadline["boot"]:
                state = pack.write_state(deadline=deadline, boots=state.get("boots", 0) + 1)
            left, granted = deadline["left"], deadline["granted"]
        dead_man(pack, state).start(left, granted, int(state.get("serial", 0)))


def undo_now(
    store: Store, pack: Pack, clock: Clock, reason: str, cause: Cause = Cause.REQUEST
) -> dict[str, Any]:
    """Undo because somebody asks; again, when it has been undone before.

    Refused when another pack came to lie on top since the asker looked.
    """
    with store.locked(_UNDO_PATIENCE):
        later = store.later(pack, (*LIVE, Phase.CONFIRMED.value))
        if later is not None:
            raise Refused("it lies below {0}, which is newer; undo that one first".format(later.id))
        return _undone(pack, clock, reason, cause)


def _undone(pack: Pack, clock: Clock, reason: str, cause: Cause) -> dict[str, Any]:
    """Undo under the protection of the dead man: one that is killed is continued by a tick."""
    state = pack.last_state()
    live = state.get("phase") in LIVE
    if not live:
        pack.forget_notes()
    if not live or not dead_man(pack, state).alive():
        # An undo without protection is better than none.
        with contextlib.suppress(RestoreError, OSError):
            state = _protect(pack, state)
    record = undo(pack, clock, reason, cause)
    dead_man(pack, state).stop()
    return record


def _protect(pack: Pack, state: dict[str, Any]) -> dict[str, Any]:
    """Timer and boot hook for an undo that begins while none of them run."""
    guard = dead_man(pack, state)
    serial = int(state.get("serial", 0)) + 1
    state = pack.write_state(phase=Phase.UNDOING.value, serial=serial)
    guard.start(60.0, 60.0, serial)
    return state
