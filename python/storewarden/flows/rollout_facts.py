# SPDX-License-Identifier: GPL-3.0-or-later
"""The world at the moment of a decision, as the driver can see it from here.

What cannot be had is told as such: a host that is not in the inventory has a window that is shut, a
device that another run works on is unavailable. Facts are gathered before the book is locked;
a decision over facts of another state of the rollout is thrown away (``rollout_tick``).

What is the same for every tick (groups of an estate, profiles of devices, the kill switch's last
entry) is worked out once: a tick over ten thousand stores must stay short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.capacity.groups import groups_of, members_of
from storewarden.domain.change.record import Change
from storewarden.domain.estate.device import Device
from storewarden.domain.gates.verdict import Verdict
from storewarden.domain.rollout.facts import Busy, Facts, StoreWindow
from storewarden.domain.rollout.record import HostState, Rollout, RolloutState, WaveRecord
from storewarden.domain.rollout.tables import ENDED
from storewarden.flows.audit_collect import LABEL_OWNER
from storewarden.flows.gate_look import OWNER as GATE_OWNER
from storewarden.flows.harden_collect import PLAN_OWNER
from storewarden.flows.rollout_change import (
    NOTHING,
    Saying,
    Why,
    irreversible,
    operation,
    saying,
)
from storewarden.flows.rollout_parts import OWNER, DriveParts, EstateNow
from storewarden.flows.rollout_stop import in_chinese
from storewarden.flows.rollout_windows import StoreWindows
from storewarden.ports.rollouts import SILENT, Job
from storewarden.ports.runner import FoundRun, RunPhase

_READERS = (LABEL_OWNER, PLAN_OWNER, GATE_OWNER)
"""Owners of runs that only read: a host that is being audited is not away."""

_RESTING = frozenset({HostState.AT_TARGET, HostState.FINAL, HostState.RESTORED, HostState.SKIPPED})
"""Hosts to which nothing more is going to be done: nobody need ask for their windows."""

_UNASKED = _RESTING - {HostState.RESTORED}
"""A restored one may be tried again in the very decision that these facts are for: a store of
which windows say nothing would hold the rollout."""

_HARMLESS = frozenset(each.value for each in (*_RESTING, HostState.PLANNED, HostState.SOAKING))
"""States in which another rollout takes nothing away from anybody."""

_LIVE = tuple(each for each in RolloutState if each not in ENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fleet:
    """An estate with its failure groups."""

    estate: EstateNow
    devices: Mapping[str, Device]
    groups: Mapping[str, tuple[str, ...]]
    members: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the gates of a wave said."""

    wave: int
    verdicts: tuple[Verdict, ...]


class FactsBook:
    """Gathers facts; remembers what does not change between two ticks."""

    def __init__(self, parts: DriveParts) -> None:
        self._parts = parts
        self._windows = StoreWindows(parts.almanac)
        self._fleet: _Fleet | None = None

    def gathered(
        self,
        rollout: Rollout,
        change: Change | None,
        now: datetime,
        *,
        refused: Why = NOTHING,
        asked: Asked | None = None,
    ) -> Facts:
        """Everything for one decision. ``refused`` is why the change's work could not begin;
        ``asked`` are a wave's gates when they were just asked."""
        parts, fleet = self._parts, self._estate()
        wave = _wave(rollout, asked.wave) if asked is not None else rollout.wave
        said = saying(change, now, parts.zone)
        against = refused if refused[0] else _against(said, change, rollout)
        runs = parts.shard.runner.recover()
        alive, gone = self._dispatches(rollout, runs, now)
        frozen = parts.shard.frozen()
        return Facts(
            change=against[0],
            change_zh=against[1],
            change_approved=said.approved,
            change_over=said.over[0],
            change_over_zh=said.over[1],
            change_ends=said.ends,
            frozen=frozen,
            frozen_zh=in_chinese(frozen),
            windows=self._store_windows(rollout, change, fleet, now),
            groups={name: fleet.groups[name] for name in rollout.hosts if name in fleet.groups},
            members=fleet.members,
            unavailable=self._unavailable(rollout, fleet, runs),
            uncovered=parts.uncovered(rollout, change, now),
            traded=self.traded(rollout, wave, now),
            verdicts=None if asked is None else asked.verdicts,
            alive=alive,
            gone=gone,
            day=now.astimezone(parts.zone).date().isoformat(),
            wave=0 if wave is None else wave.number,
        )

    def devices(self) -> Mapping[str, Device]:
        """The estate's devices by name."""
        return self._estate().devices

    def traded(self, rollout: Rollout, wave: WaveRecord | None, now: datetime) -> timedelta:
        """How long the stores of a wave have been open since its soak began."""
        if wave is None or wave.soaking is None:
            return timedelta(0)
        devices, stores = self._estate().devices, set(wave.stores)
        hosts = (host for host in rollout.hosts.values() if host.store in stores)
        present = [devices[host.name] for host in hosts if host.name in devices]
        return self._windows.traded(present, wave.soaking, now)

    def _estate(self) -> _Fleet:
        """The estate now, with the groups of its devices as long as it is the same."""
        estate = self._parts.shard.estate()
        if self._fleet is None or self._fleet.estate is not estate:
            roles = self._parts.pos_roles
            groups = {each.name: groups_of(each, Budgets(), roles) for each in estate.devices}
            self._fleet = _Fleet(
                estate=estate,
                devices={each.name: each for each in estate.devices},
                groups=groups,
                members=members_of(groups),
            )
        return self._fleet

    def _store_windows(
        self, rollout: Rollout, change: Change | None, fleet: _Fleet, now: datetime
    ) -> dict[str, StoreWindow]:
        """Of the stores in which something may still be done."""
        if change is None:
            return {}
        stores: dict[str, list[Device]] = {}
        for host in rollout.hosts.values():
            if host.state in _UNASKED and not host.dispatch:
                continue
            found = stores.setdefault(host.store, [])
            if host.name in fleet.devices:
                found.append(fleet.devices[host.name])
        kind = operation(change, rollout.spec.payload_class)
        return self._windows.of(stores, change, (kind, rollout.spec.timing.whole), now)

    def _unavailable(
        self, rollout: Rollout, fleet: _Fleet, runs: Sequence[FoundRun]
    ) -> dict[str, Busy]:
        """Hosts of the estate that are away for reasons which are not this rollout's."""
        book, found = self._parts.book, dict[str, Busy]()
        for host, (number, state) in book.owing().items():
            if number != rollout.number and host in fleet.devices:
                found[host] = _held(host, number, state)
        others = book.lines(states=_LIVE, limit=2)
        if any(line.number != rollout.number for line in others):
            held = book.host_states(tuple(fleet.devices))
            for host, (number, state) in held.items():
                if number != rollout.number and state not in _HARMLESS:
                    found[host] = _held(host, number, state)
        for run in runs:
            if run.phase is not RunPhase.FINISHED and run.owner not in (*_READERS, OWNER):
                busy = {
                    host: Busy(host=host, reason=f"leased by {run.owner}") for host in run.hosts
                }
                found.update({host: each for host, each in busy.items() if host in fleet.devices})
        for host, repair in self._parts.repairing().items():  # from its decision on
            if host in fleet.devices:
                found[host] = Busy(host=host, reason=f"repair {repair}")
        return found

    def _dispatches(
        self, rollout: Rollout, runs: Sequence[FoundRun], now: datetime
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Which dispatches are known to live, and which have neither a life nor a result."""
        if not rollout.dispatches:
            return frozenset(), frozenset()
        mine = {run.label: run.phase for run in runs if run.owner == OWNER}
        jobs = {job.dispatch: job for job in self._parts.book.jobs(rollout=rollout.number)}
        silent = self._silent(now)
        alive, gone = set(), set()
        for ident in rollout.dispatches:
            job = jobs.get(ident)
            if mine.get(ident) is RunPhase.LIVE:
                alive.add(ident)
            elif job is not None and self._is_gone(job, ident in mine, silent):
                gone.add(ident)
        return frozenset(alive), frozenset(gone)

    def _is_gone(self, job: Job, has_run: bool, silent: frozenset[str]) -> bool:
        """Begun, and nobody is going to tell its result: its run's folder is gone here, or its
        worker does not speak any more."""
        if job.begun is None or has_run:
            return False
        return job.worker in silent

    def _silent(self, now: datetime) -> frozenset[str]:
        """Workers on other machines that were not heard of for too long."""
        return frozenset(
            each.name
            for each in self._parts.book.workers()
            if each.name != self._parts.shard.worker and now - each.seen > SILENT
        )


def _wave(rollout: Rollout, number: int) -> WaveRecord | None:
    return next((each for each in rollout.waves if each.number == number), None)


def _held(host: str, number: str, state: str) -> Busy:
    """A host that another rollout has; one that merely cannot be reached is no work."""
    silent = state in (HostState.OFFLINE_UNTOUCHED.value, HostState.OFFLINE_TOUCHED.value)
    return Busy(host=host, reason=f"{state} in {number}", silent=silent)


def _against(said: Saying, change: Change | None, rollout: Rollout) -> Why:
    """What the change says against going on. Once it began, its own window is one of the windows
    of each store (``rollout_windows``), and two people have said yes to what cannot be undone."""
    if said.against[0] or change is None or rollout.started is not None:
        return said.against
    return said.outside if said.outside[0] else irreversible(change, rollout.spec.reversibility)
