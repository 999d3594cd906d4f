# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may order, and what follows from it.

Every order is recorded with who and why, also one that is refused: then it changes nothing and
says why. No order ends a run that is under way on a host (I7): a pause dispatches nothing new, an
abort waits for each host and then takes it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.rollout.events import (
    Happening,
    HostMoved,
    Moved,
    Ordered,
    RollbackBegan,
    RolloutEvent,
    WaveMoved,
)
from storewarden.domain.rollout.record import (
    Cause,
    Hold,
    HostRecord,
    HostState,
    Rollout,
    RolloutState,
    WaveRecord,
    WaveState,
)
from storewarden.domain.rollout.tables import ACTIVE, ENDED, GOING_BACK, LINGERING, WAVE

PACK_LIFE = timedelta(days=30)
"""Hosts remove restore points that ended so long ago (docs/reference/restore-point.md)."""

RELEASABLE = frozenset({HostState.ATTENTION, HostState.OFFLINE_TOUCHED, HostState.UNKNOWN})
"""Hosts that keep their slot until a probe, or a person by name."""

_SETTLED = frozenset(
    {
        HostState.SOAKING,
        HostState.SKIPPED,
        HostState.OFFLINE_UNTOUCHED,
        HostState.PLANNED,  # waits for its group: a straggler as well
    }
)
_UNTOUCHED = frozenset({HostState.PLANNED, HostState.OFFLINE_UNTOUCHED})
"""Hosts that a wave may wait for for ever: their store is shut down, or not in the inventory."""

_BEGINNING = frozenset({RolloutState.DRAFT, RolloutState.APPROVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One order of one person."""

    rollout: Rollout
    order: str
    by: str
    why: str
    now: datetime
    host: str = ""
    newer: str = ""
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class _No:
    """Why an order is refused."""

    reason: str
    reason_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Whether somebody may give an order (``authority``): ``against`` is why not, in English and
    Chinese. ``wanted`` is how many people more have to promote the wave: until they have, a
    promotion is recorded and changes nothing."""

    against: tuple[str, str] | None = None
    wanted: int = 0


_FREE = Leave()

type _Answer = tuple[Happening, ...] | _No


def order(
    rollout: Rollout,
    order: str,
    by: str,
    why: str,
    now: datetime,
    *,
    host: str = "",
    newer: str = "",
    leave: Leave = _FREE,
) -> tuple[RolloutEvent, ...]:
    """The events of an order: ``Ordered`` first, with its refusal when it is refused.

    ``order`` is one of ``ORDERS``; ``host`` is needed by a release; ``newer`` names a younger
    rollout that has, or works on, some of its hosts; ``leave`` is whether this person may give
    it. Never raises for what people ask.
    """
    asked = _Asked(
        rollout=rollout,
        order=order,
        by=by,
        why=why.strip(),
        now=now,
        host=host,
        newer=newer,
        wanted=leave.wanted,
    )
    answer = _answer(asked)
    if leave.against is not None and not isinstance(answer, _No):
        answer = _No(*leave.against)
    if isinstance(answer, _No):
        return (_refused(asked, answer),)
    told = (Ordered(order=order, reason=asked.why, host=host), *answer)
    return tuple(RolloutEvent(number=rollout.number, at=now, by=by, what=what) for what in told)


def refused_order(
    rollout: Rollout, order: str, by: str, why: str, now: datetime, *, against: tuple[str, str]
) -> RolloutEvent:
    """An order that was not taken, whatever the rollout's state: it is recorded, with who tried."""
    asked = _Asked(rollout=rollout, order=order, by=by, why=why.strip(), now=now)
    return _refused(asked, _No(*against))


def _refused(asked: _Asked, no: _No) -> RolloutEvent:
    what = Ordered(
        order=asked.order,
        reason=asked.why,
        host=asked.host,
        accepted=False,
        refusal=no.reason,
        refusal_zh=no.reason_zh,
    )
    return RolloutEvent(number=asked.rollout.number, at=asked.now, by=asked.by, what=what)


def refusal_of(events: tuple[RolloutEvent, ...]) -> Ordered | None:
    """The refused order among ``events``, None when it was taken."""
    found = (event.what for event in events)
    return next((each for each in found if isinstance(each, Ordered) and not each.accepted), None)


def going_back(rollout: Rollout, began: RollbackBegan) -> tuple[Happening, ...]:
    """The decision to go back: the wave under way has failed with it."""
    wave = rollout.wave
    if wave is None or (wave.state, WaveState.FAILED) not in WAVE:
        return (began,)
    failed = WaveMoved(
        wave=wave.number, to=WaveState.FAILED, reason=began.reason, reason_zh=began.reason_zh
    )
    return (failed, began)


def _answer(asked: _Asked) -> _Answer:
    answer = ORDERS.get(asked.order)
    if answer is None:
        known = ", ".join(ORDERS)
        return _No(f"{asked.order!r} is no order: {known}", f"没有该指令，可用：{known}")
    if not asked.why:
        return _No("an order needs a reason", "指令必须说明原因")
    return answer(asked)


def _over(asked: _Asked) -> _No:
    state = asked.rollout.state.value
    if asked.rollout.state in _BEGINNING:
        return _No(f"it is {state}: it has not begun", "尚未开始")
    if asked.rollout.state in GOING_BACK:
        return _No(f"it is {state}: it is going back already", "已在回退")
    return _No(f"it is {state}: it is over", "已结束")


def _pause(asked: _Asked) -> _Answer:
    rollout = asked.rollout
    if rollout.state not in ACTIVE:
        return _over(asked)
    if rollout.state is RolloutState.PAUSED and rollout.hold is Hold.ORDER:
        return _No("it is paused already", "已处于暂停状态")
    return (Moved(to=RolloutState.PAUSED, reason=asked.why, reason_zh=asked.why, hold=Hold.ORDER),)


def _resume(asked: _Asked) -> _Answer:
    rollout = asked.rollout
    if rollout.state not in ACTIVE:
        return _over(asked)
    if rollout.state is not RolloutState.PAUSED:
        what = f"it is {rollout.state.value}: it goes on by itself"
        return _No("it is not paused" if not rollout.held else what, "未处于暂停状态")
    if rollout.hold is Hold.CHANGE:
        return _No(f"its change does not let it: {rollout.held}", "其变更单当前不允许继续")
    if rollout.hold in (Hold.CAPACITY, Hold.BACKUP):
        return _No(
            f"it goes on by itself when that is over: {rollout.held}",
            f"条件满足后自动继续：{rollout.held_zh or rollout.held}",
        )
    return (Moved(to=RolloutState.RUNNING, reason=asked.why, reason_zh=asked.why),)


def _promote(asked: _Asked) -> _Answer:
    rollout = asked.rollout
    wave = rollout.wave
    if rollout.state not in ACTIVE or wave is None:
        return _over(asked)
    if rollout.state in (RolloutState.PAUSED, RolloutState.HELD_FREEZE):
        return _No(f"it is {rollout.state.value}: {rollout.held}", "暂停或冻结期间不能放行")
    if wave.state is not WaveState.HELD:
        what = f"wave {wave.number} is {wave.state.value}: only a held wave is promoted by a person"
        return _No(what, f"第 {wave.number} 波未处于等待人工状态")
    open_ = [host for host in _hosts(rollout, wave) if host.state not in _SETTLED]
    open_ = [host for host in open_ if host.touched or host.state not in RELEASABLE]
    if open_:
        names = ", ".join(host.name for host in open_[:5])
        return _No(
            f"{len(open_)} hosts of wave {wave.number} are not verified ({names}): "
            "release them by name first",
            f"第 {wave.number} 波有 {len(open_)} 台主机未验证（{names}），须先逐台释放",
        )
    return () if asked.wanted > 0 else promotion(rollout, wave, asked.why, asked.why)


def promotion(rollout: Rollout, wave: WaveRecord, why: str, why_zh: str) -> tuple[Happening, ...]:
    """A wave is promoted, and its verified hosts with it."""
    hosts = tuple(h.name for h in _hosts(rollout, wave) if h.state is HostState.SOAKING)
    moved = WaveMoved(wave=wave.number, to=WaveState.PROMOTED, reason=why, reason_zh=why_zh)
    if not hosts:
        return (moved,)
    there = HostMoved(
        hosts=hosts,
        to=HostState.AT_TARGET,
        reason=f"wave {wave.number} was promoted",
        reason_zh=f"第 {wave.number} 波已放行",
    )
    return (moved, there)


def _hosts(rollout: Rollout, wave: WaveRecord) -> Iterable[HostRecord]:
    return (host for host in rollout.hosts.values() if host.wave == wave.number)


def _abort(asked: _Asked) -> _Answer:
    if asked.rollout.state not in ACTIVE:
        return _over(asked)
    return _back(asked)


def _rollback(asked: _Asked) -> _Answer:
    rollout = asked.rollout
    if rollout.state in ACTIVE:
        return _back(asked)
    finished = (RolloutState.COMPLETED, RolloutState.COMPLETED_WITH_STRAGGLERS)
    if rollout.state not in finished:
        return _over(asked)
    if asked.newer:
        return _No(
            f"{asked.newer} has changed, or holds, some of its hosts since:"
            " take that one back first",
            f"{asked.newer} 之后已变更或占用其中的主机，须先回退该发布",
        )
    if rollout.ended is None or asked.now - rollout.ended > PACK_LIFE:
        days = PACK_LIFE.days
        return _No(
            f"it ended more than {days} days ago: its restore points are gone",
            f"已结束超过 {days} 天，恢复点已清除",
        )
    return _back(asked)


def _back(asked: _Asked) -> tuple[Happening, ...]:
    began = RollbackBegan(cause=Cause.ORDER, reason=asked.why, reason_zh=asked.why)
    return going_back(asked.rollout, began)


def _release(asked: _Asked) -> _Answer:
    rollout = asked.rollout
    if rollout.state not in ACTIVE | GOING_BACK | LINGERING:
        return _over(asked)
    host = rollout.hosts.get(asked.host)
    if host is None:
        return _No(f"it has no host {asked.host!r}", f"其中没有主机 {asked.host!r}")
    if host.state not in RELEASABLE | _UNTOUCHED:
        return _No(f"{host.name} is {host.state.value}: nothing to release", "该主机无需释放")
    if host.dispatch:
        what = f"{host.name} is being looked at ({host.dispatch}): wait for its end"
        return _No(what, f"{host.name} 正在被检查（{host.dispatch}），请等待结束")
    owes = host.debt or f"was {host.state.value} when it was released"
    owes_zh = host.debt_zh or f"释放时状态为 {host.state.value}"
    moved = HostMoved(
        hosts=(host.name,),
        to=HostState.SKIPPED,
        reason=f"released by {asked.by}: {asked.why}",
        reason_zh=f"由 {asked.by} 释放：{asked.why}",
        debt=owes,
        debt_zh=owes_zh,
    )
    return (moved,)


def _cancel(asked: _Asked) -> _Answer:
    state = asked.rollout.state
    if state in _BEGINNING:
        return (Moved(to=RolloutState.CANCELLED, reason=asked.why, reason_zh=asked.why),)
    if state in ENDED or state in GOING_BACK:
        return _over(asked)
    return _No(f"it is {state.value}: abort it", "已开始，请使用 abort")


ORDERS: Mapping[str, Callable[[_Asked], _Answer]] = {
    "pause": _pause,
    "resume": _resume,
    "promote": _promote,
    "abort": _abort,
    "rollback": _rollback,
    "release": _release,
    "cancel": _cancel,
}
"""The orders that there are."""
