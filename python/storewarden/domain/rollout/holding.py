# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds a rollout: a freeze, its change, its windows, a wave that could not be taken back in
time, or a network that is all silent.

Holding dispatches nothing new. What was begun goes on: hosts are verified until their hard stop
and then taken back, undo and soak run in any state. A hold that has its reason in the calendar, in
the change or in numbers ends by itself; a pause that a person, or the silence of all hosts, has
made does not.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from storewarden.domain.rollout.course import Course
from storewarden.domain.rollout.events import Moved
from storewarden.domain.rollout.exposure import exposure_refusal
from storewarden.domain.rollout.falling_back import (
    BACKUP_AGAIN,
    lacking_all,
    pause_uncovered,
)
from storewarden.domain.rollout.record import (
    Hold,
    HostRecord,
    HostState,
    RolloutState,
    WaveRecord,
    WaveState,
)

ASK_AGAIN = timedelta(minutes=15)
"""How often somebody else's word (a freeze, the change) is looked at when nobody tells."""

STRAGGLER_TRIES = 3
"""A host counts as a straggler after so many tries to reach it."""

_SILENT = (HostState.OFFLINE_UNTOUCHED, HostState.OFFLINE_TOUCHED)
_AT_LEAST = 2  # silent hosts that make a silent network


def hold(course: Course) -> None:
    """Move between RUNNING and what holds it."""
    rollout, facts = course.rollout, course.facts
    if rollout.state is RolloutState.PAUSED:
        _paused(course)
    elif facts.frozen:
        _hold(course, RolloutState.HELD_FREEZE, facts.frozen, facts.frozen_zh or facts.frozen)
        course.wake(course.now + ASK_AGAIN)
    elif facts.change:
        course.tell(
            Moved(
                to=RolloutState.PAUSED,
                reason=facts.change,
                reason_zh=facts.change_zh or facts.change,
                hold=Hold.CHANGE,
            )
        )
    elif not (
        _silent_network(course) or _too_exposed(course) or pause_uncovered(course, wanting(course))
    ):
        _windows(course)


def wanting(course: Course) -> list[HostRecord]:
    """Hosts of the wave under way, or next, that still have to begin."""
    wave = course.rollout.wave
    if wave is None or wave.state not in (WaveState.PENDING, WaveState.RUNNING):
        return []
    fresh = course.idle(HostState.PLANNED, HostState.CAPTURED, wave=wave.number)
    return fresh + missing(course, wave)


def missing(course: Course, wave: WaveRecord) -> list[HostRecord]:
    """Unreached hosts of a wave that it cannot do without: not tried often enough, or too many."""
    silent = course.hosts(HostState.OFFLINE_UNTOUCHED, wave=wave.number)
    share = course.rollout.spec.stragglers.share
    if len(silent) > share * course.count(wave=wave.number):
        return silent
    return [host for host in silent if host.tries < STRAGGLER_TRIES]


def _paused(course: Course) -> None:
    rollout = course.rollout
    course.wait(rollout.held or "it is paused", rollout.held_zh or "已暂停")
    if rollout.hold is Hold.CHANGE and not course.facts.change:
        _run(course, "its change goes on", "其变更单已恢复")
    elif rollout.hold is Hold.CAPACITY and exposure_refusal(rollout, course.facts) is None:
        _run(course, "the wave could be taken back in time now", "该波现可按时回退")
    elif rollout.hold is Hold.BACKUP:
        if lacking_all(course, wanting(course)):
            course.wake(course.now + BACKUP_AGAIN)
        else:
            _run(course, "there is a backup to fall back on now", "现已有可回退的备份")
    elif rollout.hold in (Hold.CHANGE, Hold.CAPACITY):
        course.wake(course.now + ASK_AGAIN)


def _run(course: Course, why: str, why_zh: str) -> None:
    course.tell(Moved(to=RolloutState.RUNNING, reason=why, reason_zh=why_zh))


def _hold(
    course: Course, state: RolloutState, why: str, why_zh: str, until: datetime | None = None
) -> None:
    rollout = course.rollout
    known = rollout.until is not None and rollout.until > course.now
    if rollout.state is not state or (until != rollout.until and not known):
        course.tell(Moved(to=state, reason=why, reason_zh=why_zh, until=until))
    course.wait(why, why_zh)
    if until is not None:
        course.wake(until)


def _silent_network(course: Course) -> bool:
    """Pause when every host of the wave that was tried cannot be reached: that is our network.

    Nothing is rolled back for it. Hosts that were silent before a person let it go on are asked
    once more before they count again.
    """
    wave = course.rollout.wave
    if wave is None or wave.state is not WaveState.RUNNING:
        return False
    silent = course.idle(*_SILENT, wave=wave.number)
    untried = course.count(HostState.PLANNED, HostState.SKIPPED, wave=wave.number)
    tried = course.count(wave=wave.number) - untried
    if len(silent) < _AT_LEAST or len(silent) < tried:
        return False
    asked = course.rollout.resumed
    if asked is not None and any(host.since is None or host.since <= asked for host in silent):
        return False
    names = ", ".join(host.name for host in silent[:3])
    course.tell(
        Moved(
            to=RolloutState.PAUSED,
            reason=f"all {len(silent)} hosts of wave {wave.number} that were tried are silent "
            f"({names}): look at the network",
            reason_zh=f"第 {wave.number} 波已尝试的 {len(silent)} 台主机全部无法连接"
            f"（{names}），请检查网络",
            hold=Hold.NETWORK,
        )
    )
    return True


def _too_exposed(course: Course) -> bool:
    """Before a wave opens it is asked again whether all that is exposed then could be taken back
    in time: the estate, and how long an undo takes, may be others than at the start."""
    against = exposure_refusal(course.rollout, course.facts)
    if against is None:
        return False
    why, why_zh = against
    course.tell(Moved(to=RolloutState.PAUSED, reason=why, reason_zh=why_zh, hold=Hold.CAPACITY))
    return True


def _windows(course: Course) -> None:
    """Held when hosts want to begin and none of their stores may."""
    rollout, windows = course.rollout, course.facts.windows
    stores = {host.store for host in wanting(course)}
    known = [windows[store] for store in sorted(stores) if store in windows]
    if not stores or any(window.allowed for window in known):
        if rollout.state is not RolloutState.RUNNING:
            _run(course, "nothing holds it any more", "已无任何限制")
        return
    opens = [window.opens for window in known if window.opens is not None]
    first = known[0] if known else None
    why = first.reason if first and first.reason else "no store may begin now"
    why_zh = first.reason_zh if first and first.reason_zh else "目前没有门店允许开始"
    until = min(opens, default=None)
    _hold(course, RolloutState.HELD_WINDOW, why, why_zh, until)
    if until is None or until <= course.now:
        course.wake(course.now + ASK_AGAIN)
