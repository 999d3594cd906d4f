# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of event does to the record.

Whether the states may follow each other is asked afterwards (``machine.py``); what is refused
here is what no table can say: a dispatch of a busy host, a change without a restore point (I3) or
without the lock that its rollout needs (I5), a report of a run that is not under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from storewarden.domain.rollout import events as e
from storewarden.domain.rollout.outcomes import Setting, outcome
from storewarden.domain.rollout.record import (
    Dispatch,
    Hold,
    HostRecord,
    HostState,
    Phase,
    Rollback,
    Rollout,
    RolloutState,
    Setback,
    Stood,
    WaveRecord,
    WaveState,
)
from storewarden.domain.rollout.tables import ACTIVE, ENDED, GOING_BACK, LINGERING, PHASES


def apply(rollout: Rollout, event: e.RolloutEvent) -> Rollout:
    """The record with what ``event`` says. Raises ValueError for what cannot have happened."""
    return _EFFECTS[type(event.what)](rollout, event, event.what)


def _approved(rollout: Rollout, _event: e.RolloutEvent, _what: e.Approved) -> Rollout:
    return replace(rollout, state=RolloutState.APPROVED)


def _started(rollout: Rollout, event: e.RolloutEvent, _what: e.Started) -> Rollout:
    return replace(rollout, state=RolloutState.RUNNING, started=event.at)


def _wave_began(rollout: Rollout, event: e.RolloutEvent, what: e.WaveBegan) -> Rollout:
    return _wave(rollout, what.wave, state=WaveState.RUNNING, began=event.at)


def _wave(rollout: Rollout, number: int, **change: Any) -> Rollout:
    if not 1 <= number <= len(rollout.waves):
        raise ValueError(f"{rollout.number} has no wave {number}")
    waves: list[WaveRecord] = list(rollout.waves)
    waves[number - 1] = replace(waves[number - 1], **change)
    return replace(rollout, waves=tuple(waves))


def _dispatched(rollout: Rollout, event: e.RolloutEvent, what: e.Dispatched) -> Rollout:
    one = what.dispatch
    if one.id in rollout.dispatches or one.epoch < rollout.epoch or not one.hosts:
        raise ValueError(f"{one.id} was dispatched before, for nobody, or with an old epoch")
    states, before, after = PHASES[one.phase]
    if rollout.state not in states:
        raise ValueError(f"{rollout.number} is {rollout.state.value}: no {one.phase.value} there")
    changed = {}
    for name in one.hosts:
        host = _host(rollout, name)
        if host.dispatch or host.state not in before:
            raise ValueError(f"{name} is {host.state.value} {host.dispatch}: no {one.phase.value}")
        changed[name] = _sent(rollout, host, one, after)
    rollback = rollout.rollback
    if one.phase is Phase.UNDO and rollback is not None and rollback.first_undo is None:
        rollback = replace(rollback, first_undo=event.at)
    return replace(
        rollout,
        hosts={**rollout.hosts, **changed},
        dispatches={**rollout.dispatches, one.id: one},
        dispatched=rollout.dispatched + 1,
        epoch=one.epoch,
        rollback=rollback,
        caught_up=_caught_up(rollout, one),
    )


def _caught_up(rollout: Rollout, one: Dispatch) -> Mapping[str, int]:
    if not one.day or one.phase is not Phase.APPLY:
        return rollout.caught_up
    return {**rollout.caught_up, one.day: rollout.caught_up.get(one.day, 0) + len(one.hosts)}


def _not_caught_up(
    rollout: Rollout, one: Dispatch, reports: Iterable[e.HostReport]
) -> Mapping[str, int]:
    """Stragglers whose change was never begun are not among those that a day may have."""
    unbegun = sum(each.report is e.Report.NOT_BEGUN for each in reports)
    if not (unbegun and one.day and one.phase is Phase.APPLY):
        return rollout.caught_up
    return {**rollout.caught_up, one.day: max(rollout.caught_up.get(one.day, 0) - unbegun, 0)}


def _host(rollout: Rollout, name: str) -> HostRecord:
    if name not in rollout.hosts:
        raise ValueError(f"{rollout.number} has no host {name}")
    return rollout.hosts[name]


def _sent(rollout: Rollout, host: HostRecord, one: Dispatch, after: HostState | None) -> HostRecord:
    if one.phase is Phase.APPLY and not host.restore_point:
        raise ValueError(f"{host.name} has no restore point: nothing may be changed there")
    if one.phase is Phase.APPLY and rollout.spec.locks and rollout.lock is None:
        raise ValueError(f"{rollout.number} has no versions locked: nothing may be changed")
    applies, undoes = one.phase is Phase.APPLY, one.phase is Phase.UNDO
    return replace(
        host,
        state=after or host.state,
        since=one.at,
        dispatch=one.id,
        phase=one.phase,
        tries=host.tries + 1 if host.phase is one.phase else 1,
        rounds=host.rounds + applies,
        undos=host.undos + undoes,
        judged=0 if applies else host.judged + (one.phase is Phase.JUDGE),
        touched=host.touched or applies,
        stood=Stood(state=host.state, since=host.since, phase=host.phase, tries=host.tries),
        hard_stop=one.hard_stop if applies else host.hard_stop,
        setback=(host.setback or one.why) if undoes else host.setback,
    )


def _reported(rollout: Rollout, event: e.RolloutEvent, what: e.Reported) -> Rollout:
    one = rollout.dispatches.get(what.dispatch)
    if one is None:
        raise ValueError(f"{what.dispatch} is not under way")
    reports = {report.host: report for report in what.reports}
    if set(reports) != set(one.hosts) or what.phase is not one.phase:
        raise ValueError(f"{what.dispatch} had other hosts, or another phase, than its report")
    changed = {}
    for name, report in reports.items():
        host = rollout.hosts[name]
        promoted = rollout.waves[host.wave - 1].state is WaveState.PROMOTED
        setting = Setting(promoted=promoted, goes_back=rollout.rollback is not None, at=event.at)
        changed[name] = outcome(host, one.phase, report, setting)
    left = {key: each for key, each in rollout.dispatches.items() if key != one.id}
    after = replace(
        rollout,
        hosts={**rollout.hosts, **changed},
        dispatches=left,
        caught_up=_not_caught_up(rollout, one, what.reports),
    )
    return _restored(_counted(rollout, after, changed), event, changed)


def _counted(before: Rollout, after: Rollout, names: Iterable[str]) -> Rollout:
    """Hosts that failed just now are counted."""
    new = sum(
        after.hosts[name].setback is Setback.FAILED
        and before.hosts[name].setback is not Setback.FAILED
        for name in names
    )
    return replace(after, failures=after.failures + new) if new else after


def _restored(rollout: Rollout, event: e.RolloutEvent, names: Iterable[str]) -> Rollout:
    """The clock of going back counts reachable hosts: what was a debt before is not its matter."""
    rollback = rollout.rollback
    if rollback is None or rollback.ended is not None:
        return rollout
    if any(rollout.hosts[name].state is HostState.RESTORED for name in names):
        return replace(rollout, rollback=replace(rollback, last_restored=event.at))
    return rollout


def _locked(rollout: Rollout, _event: e.RolloutEvent, what: e.Locked) -> Rollout:
    if rollout.lock is not None:
        raise ValueError(f"{rollout.number} has its versions locked already")
    return replace(rollout, lock=what.lock)


def _wave_moved(rollout: Rollout, event: e.RolloutEvent, what: e.WaveMoved) -> Rollout:
    change: dict[str, object] = {"state": what.to}
    if what.to is WaveState.SOAKING:
        change |= {"soaking": event.at, "looked": event.at}
    if what.to in (WaveState.PROMOTED, WaveState.FAILED):
        change["ended"] = event.at
    if 1 <= what.wave <= len(rollout.waves):
        was = rollout.waves[what.wave - 1].state
        held = was is WaveState.HELD and what.to is WaveState.PROMOTED
        change["excused"] = held and event.by != e.STOREWARDEN
    return _wave(rollout, what.wave, **change)


def _soak_counted(rollout: Rollout, event: e.RolloutEvent, what: e.SoakCounted) -> Rollout:
    return _wave(rollout, what.wave, traded=what.traded, counted=event.at)


def _soak_extended(rollout: Rollout, event: e.RolloutEvent, what: e.SoakExtended) -> Rollout:
    extended = rollout.waves[what.wave - 1].extended + 1
    return _wave(
        rollout,
        what.wave,
        state=WaveState.SOAKING,
        soaking=event.at,
        traded=timedelta(0),
        counted=None,
        looked=event.at,
        extended=extended,
    )


def _judged(rollout: Rollout, event: e.RolloutEvent, what: e.Judged) -> Rollout:
    return _wave(rollout, what.wave, verdicts=what.verdicts, looked=event.at)


def _moved(rollout: Rollout, event: e.RolloutEvent, what: e.Moved) -> Rollout:
    if what.to in ENDED - LINGERING and rollout.dispatches:
        raise ValueError(f"{rollout.number} has runs under way: it cannot be {what.to.value}")
    change: dict[str, object] = {"state": what.to, "hold": what.hold, "until": what.until}
    free = what.to is RolloutState.RUNNING or what.to not in ACTIVE
    change["held"], change["held_zh"] = ("", "") if free else (what.reason, what.reason_zh)
    if rollout.state is RolloutState.PAUSED and what.to is RolloutState.RUNNING:
        change["resumed"] = event.at
    if what.to in ENDED:
        change["ended"] = rollout.ended or event.at
    if what.to in ENDED and rollout.rollback is not None and rollout.rollback.ended is None:
        change["rollback"] = replace(rollout.rollback, ended=event.at)
    return replace(rollout, **change)  # type: ignore[arg-type]


def _ordered(rollout: Rollout, _event: e.RolloutEvent, _what: e.Ordered) -> Rollout:
    return rollout  # what follows from an order are events of their own


def _rollback_began(rollout: Rollout, event: e.RolloutEvent, what: e.RollbackBegan) -> Rollout:
    rollback = Rollback(
        cause=what.cause,
        reason=what.reason,
        reason_zh=what.reason_zh,
        verdict=event.at,
        by=event.by,
    )
    return replace(
        rollout,
        state=RolloutState.ABORTING,
        rollback=rollback,
        hold=Hold.NONE,
        held="",
        held_zh="",
        until=None,
        ended=None,
    )


def _host_moved(rollout: Rollout, event: e.RolloutEvent, what: e.HostMoved) -> Rollout:
    changed = {}
    for name in what.hosts:
        host = _host(rollout, name)
        if host.dispatch:
            raise ValueError(f"{name} is busy with {host.dispatch}")
        changed[name] = _put(host, event, what)
    after = replace(rollout, hosts={**rollout.hosts, **changed})
    if rollout.state in GOING_BACK or rollout.state in LINGERING:
        return after
    return _counted(rollout, after, changed)


def _put(host: HostRecord, event: e.RolloutEvent, what: e.HostMoved) -> HostRecord:
    moved = replace(
        host,
        state=what.to,
        since=event.at,
        reason=what.reason or host.reason,
        reason_zh=what.reason_zh or host.reason_zh,
        debt=what.debt or host.debt,
        debt_zh=what.debt_zh or host.debt_zh,
    )
    if what.to is HostState.PLANNED:  # from its beginning
        return replace(
            moved,
            phase=None,
            tries=0,
            restore_point="",
            touched=bool(host.beneath),
            applied=False,
            setback=Setback.NONE,
            hard_stop=None,
        )
    if what.to is HostState.OFFLINE_TOUCHED and host.setback is not Setback.FAILED:
        return replace(moved, setback=Setback.FAILED)  # silent for too long counts as failed
    return moved


def _epoch_raised(rollout: Rollout, _event: e.RolloutEvent, what: e.EpochRaised) -> Rollout:
    return replace(rollout, epoch=what.epoch)


def _superseded(rollout: Rollout, event: e.RolloutEvent, what: e.Superseded) -> Rollout:
    if rollout.dispatches:
        raise ValueError(f"{rollout.number} has runs under way: nobody can take it over")
    return replace(
        rollout,
        state=RolloutState.SUPERSEDED,
        superseded_by=what.by,
        ended=rollout.ended or event.at,
    )


_EFFECTS: Mapping[type, Callable[[Rollout, e.RolloutEvent, Any], Rollout]] = {
    e.Approved: _approved,
    e.Started: _started,
    e.WaveBegan: _wave_began,
    e.Dispatched: _dispatched,
    e.Reported: _reported,
    e.Locked: _locked,
    e.WaveMoved: _wave_moved,
    e.SoakCounted: _soak_counted,
    e.SoakExtended: _soak_extended,
    e.Judged: _judged,
    e.Moved: _moved,
    e.Ordered: _ordered,
    e.RollbackBegan: _rollback_began,
    e.HostMoved: _host_moved,
    e.EpochRaised: _epoch_raised,
    e.Superseded: _superseded,
}
