# SPDX-License-Identifier: GPL-3.0-or-later
"""Which phase is dispatched on which hosts now.

What was begun comes first: a changed host that waits for its judgement has a dead man ticking on
it. Then what is broken, then what is unknown, then new changes. Every dispatch passes the
budgets (I1), except a look at a host, and the undo of one that is broken already. The
versions are resolved by one host alone before any other is asked (I5).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.capacity.admit import Admission, admit
from storewarden.domain.rollout.course import Course
from storewarden.domain.rollout.events import Dispatched, EpochRaised
from storewarden.domain.rollout.facts import StoreWindow
from storewarden.domain.rollout.falling_back import covered
from storewarden.domain.rollout.holding import missing
from storewarden.domain.rollout.record import (
    Dispatch,
    HostRecord,
    HostState,
    Phase,
    RolloutState,
    Setback,
    WaveState,
)
from storewarden.domain.rollout.settling import (
    HALF_DONE,
    MOST_PREFLIGHTS,
    MOST_UNDOS,
    STANDING,
    needs_undo,
)

CAPACITY_AGAIN = timedelta(minutes=5)
"""How often a budget that somebody else uses up is looked at when nobody tells."""

SLOTS = (
    HostState.PREFLIGHT,
    HostState.CAPTURED,
    HostState.APPLYING,
    HostState.VERIFYING,
    HostState.UNDOING,
    HostState.OFFLINE_TOUCHED,
    HostState.UNKNOWN,
    HostState.ATTENTION,
)
"""States in which a host holds its slot in all of its groups (I1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Hosts for one phase: as many shards as there are lanes for."""

    phase: Phase
    hosts: Sequence[HostRecord]
    why: Setback = Setback.NONE
    hard_stop: datetime | None = None
    day: str = ""


def dispatch_forward(course: Course) -> None:
    """Everything that a rollout which goes forward dispatches now."""
    finish_begun(course)
    if course.rollout.state is not RolloutState.RUNNING:
        return
    wave = course.rollout.wave
    if wave is None or wave.state is not WaveState.RUNNING:
        return
    change(course, course.idle(HostState.CAPTURED, wave=wave.number))
    silent = missing(course, wave)
    prepare(course, [*course.idle(HostState.PLANNED, wave=wave.number), *silent])


def finish_begun(course: Course) -> None:
    """Judge what was changed, take back what failed or was not judged in time, look at what is
    unknown."""
    changed = [h for h in course.idle(HostState.VERIFYING) if h.setback is not Setback.FAILED]
    stopped = [host for host in changed if _stopped(course, host)]
    late = {host.name for host in stopped}
    missed = [host for host in changed if _missed(course, host) and host.name not in late]
    late |= {host.name for host in missed}
    send(course, Batch(phase=Phase.JUDGE, hosts=[h for h in changed if h.name not in late]))
    broken = [host for host in course.idle(*HALF_DONE, *STANDING) if needs_undo(host)]
    take_back(course, [host for host in broken if host.undos < MOST_UNDOS])
    send(course, Batch(phase=Phase.UNDO, hosts=stopped, why=Setback.WINDOW))
    send(course, Batch(phase=Phase.UNDO, hosts=missed, why=Setback.LOST))
    probe(course)


def take_back(course: Course, hosts: Sequence[HostRecord]) -> None:
    """Undo broken hosts; budgets do not hold for what is down already."""
    failed = [host for host in hosts if host.setback is Setback.FAILED]
    send(course, Batch(phase=Phase.UNDO, hosts=failed, why=Setback.FAILED))
    rest = [host for host in hosts if host.setback is not Setback.FAILED]
    send(course, Batch(phase=Phase.UNDO, hosts=rest, why=Setback.LOST))


def probe(course: Course) -> None:
    """Look at hosts that nobody knows of; with a new epoch, so that no older run has a say."""
    states = (HostState.UNKNOWN, HostState.OFFLINE_TOUCHED)
    wanted = [host for host in course.idle(*states) if _probe_due(course, host)]
    if not wanted or lanes(course) < 1:
        return
    epoch = max(course.rollout.epoch + 1, int(course.now.timestamp()))
    course.tell(
        EpochRaised(
            epoch=epoch,
            reason=f"{len(wanted)} hosts are unknown or silent",
            reason_zh=f"{len(wanted)} 台主机状态未知或无法连接",
        )
    )
    send(course, Batch(phase=Phase.PROBE, hosts=wanted))


def change(course: Course, captured: Sequence[HostRecord], *, day: str = "") -> None:
    """APPLY on captured hosts whose stores may begin."""
    allowed = list(_in_window(course, captured))
    if not allowed or lanes(course) < 1:
        return
    admitted = _admitted(course, allowed)
    stops = [_window(course, host).hard_stop for host in admitted]
    hard_stop = min((stop for stop in stops if stop is not None), default=None)
    send(course, Batch(phase=Phase.APPLY, hosts=admitted, hard_stop=hard_stop, day=day))


def prepare(course: Course, hosts: Sequence[HostRecord]) -> None:
    """PREFLIGHT on hosts that may begin; one alone until the versions are locked."""
    most = lanes(course) * course.rollout.spec.shard
    if _alone(course):
        most = 0 if course.count(HostState.PREFLIGHT) else min(most, 1)
    if most > 0:
        due = (host for host in _in_window(course, hosts) if _preflight_due(course, host))
        allowed = covered(course, due)
        send(course, Batch(phase=Phase.PREFLIGHT, hosts=_admitted(course, allowed, most)))


def send(course: Course, batch: Batch) -> None:
    """One dispatch per shard, as long as there are lanes."""
    size, now = course.rollout.spec.shard, course.now
    for start in range(0, len(batch.hosts), size):
        if lanes(course) < 1:
            return
        hosts = batch.hosts[start : start + size]
        rollout = course.rollout
        one = Dispatch(
            id=f"{rollout.number}-d{rollout.dispatched + 1}",
            phase=batch.phase,
            wave=hosts[0].wave,
            hosts=tuple(host.name for host in hosts),
            epoch=max(rollout.epoch, int(now.timestamp())),
            at=now,
            try_=max(_tries(host, batch.phase) for host in hosts),
            hard_stop=batch.hard_stop,
            why=batch.why,
            day=batch.day,
        )
        course.tell(Dispatched(dispatch=one))


def lanes(course: Course) -> int:
    """How many shards more may be at work."""
    return course.rollout.spec.lanes - len(course.rollout.dispatches)


def admission(
    course: Course,
    wanted: Iterable[HostRecord],
    limit: int | None = None,
) -> Admission:
    """Who of ``wanted`` may be worked on within the budgets."""
    facts = course.facts
    own = {host.name for host in course.hosts(*SLOTS)}
    silent = {host.name for host in course.hosts(HostState.OFFLINE_UNTOUCHED)}
    away = {name: busy for name, busy in facts.unavailable.items() if name not in silent}
    return admit(
        (host.name for host in wanted),
        groups=_Groups(facts.groups),
        members=facts.members,
        unavailable={*own, *silent, *away},
        unreachable=silent | {name for name, busy in away.items() if busy.silent},
        budgets=course.rollout.spec.budgets,
        own=own | silent,
        limit=limit,
    )


def _admitted(
    course: Course, wanted: Iterable[HostRecord], limit: int | None = None
) -> list[HostRecord]:
    answer = admission(course, wanted, limit=limit)
    if answer.refused:
        first = next(iter(answer.refused.values()))
        course.wait(
            f"{len(answer.refused)} hosts wait for others: {first.host}: {first.reason}",
            f"{len(answer.refused)} 台主机须等待其他主机：{first.host}：{first.reason_zh}",
        )
        if not course.rollout.dispatches:
            course.wake(course.now + CAPACITY_AGAIN)
    hosts = course.rollout.hosts
    return [hosts[name] for name in answer.admitted]


def _stopped(course: Course, host: HostRecord) -> bool:
    """Whether the store's hard stop has come."""
    return host.hard_stop is not None and course.now >= host.hard_stop


def _missed(course: Course, host: HostRecord) -> bool:
    """Whether its dead man has fired because nobody came to judge it (a controller that was down):
    that is no fault of the change, so it is not judged as one."""
    return host.since is not None and course.now - host.since >= course.rollout.spec.deadline


def _probe_due(course: Course, host: HostRecord) -> bool:
    return host.phase is not Phase.PROBE or course.due(host)


def _preflight_due(course: Course, host: HostRecord) -> bool:
    if host.phase is not Phase.PREFLIGHT:
        return True
    if host.state is HostState.PLANNED and host.tries >= MOST_PREFLIGHTS:
        return False
    resumed = course.rollout.resumed
    if resumed is not None and host.since is not None and host.since <= resumed:
        return True
    return course.due(host)


def _tries(host: HostRecord, phase: Phase) -> int:
    return host.tries + 1 if host.phase is phase else 1


def _alone(course: Course) -> bool:
    return course.rollout.spec.locks and course.rollout.lock is None


def _window(course: Course, host: HostRecord) -> StoreWindow:
    return course.facts.windows.get(host.store) or _NOT_KNOWN


_NOT_KNOWN = StoreWindow(allowed=False)


def _in_window(course: Course, hosts: Iterable[HostRecord]) -> Iterator[HostRecord]:
    """Hosts whose stores may begin now; the next opening of the others is woken for."""
    for host in hosts:
        window = _window(course, host)
        if window.allowed:
            yield host
        elif window.opens is not None:
            course.wake(window.opens)


class _Groups(Mapping[str, Collection[str]]):
    """Each host's groups; one of which nobody told any is at least a host of the site."""

    def __init__(self, known: Mapping[str, tuple[str, ...]]) -> None:
        self._known = known

    def __getitem__(self, host: str) -> Collection[str]:
        return self._known.get(host) or (f"host:{host}", "site")

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
