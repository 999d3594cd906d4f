# SPDX-License-Identifier: GPL-3.0-or-later
"""What one round of decisions has counted and given away so far.

Guards that count (storms, store faults, rates, runs) would each go through everything for every
alert. The tally counts once per round, and adds what the round itself lets through, so that ten
alerts of one round cannot each take the last place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storewarden.domain.capacity.admit import Refusal
from storewarden.domain.healing.breaker import Breaker, breaker_of
from storewarden.domain.healing.history import PastRepair
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import MOST_HOSTS, Repair, RepairState
from storewarden.domain.healing.world import Sighting, World

type Bundle = tuple[str, str, str, str]
"""Action, rule, digest of the options, standing change: what one repair has in common."""


def bundle_of(action: str, rule: str, options: Mapping[str, object], change: str = "") -> Bundle:
    """What decides whether two alerts can share a repair."""
    told = json.dumps(options, sort_keys=True, ensure_ascii=False, default=str)
    return action, rule, hashlib.sha256(told.encode()).hexdigest(), change


@dataclass(slots=True, kw_only=True)
class Batch:
    """A repair that this round opens; it grows until it is full."""

    bundle: Bundle
    hosts: list[str] = field(default_factory=list)
    occurrences: list[str] = field(default_factory=list)
    options: Mapping[str, object] = field(default_factory=dict)
    disruptive: bool = False
    canary: bool = False

    @property
    def full(self) -> bool:
        """Whether no other host may join: a canary goes alone."""
        return self.canary or len(self.hosts) >= MOST_HOSTS


@dataclass(slots=True, kw_only=True)
class Tally:
    """The counts of one round."""

    world: World
    policy: HealPolicy
    now: datetime
    batches: list[Batch] = field(default_factory=list)
    taken: dict[str, Batch] = field(default_factory=dict)  # host -> the repair that it goes into
    admission: Mapping[str, Refusal] = field(default_factory=dict)  # refused by redundancy
    storm_hosts: dict[str, set[str]] = field(default_factory=dict)  # by rule
    fault_hosts: dict[str, set[str]] = field(default_factory=dict)  # by store
    at_work: dict[str, list[Repair]] = field(default_factory=dict)  # by host: open repairs
    _breakers: dict[str, Breaker] = field(default_factory=dict)
    _spent: dict[tuple[str, timedelta], tuple[PastRepair, ...]] = field(default_factory=dict)
    _new: dict[str, int] = field(default_factory=dict)  # hosts that this round gave to an action

    def __post_init__(self) -> None:
        """Who is repaired right now."""
        for repair in self.world.running:
            if repair.state is RepairState.OPEN:
                for host in repair.hosts:
                    self.at_work.setdefault(host, []).append(repair)

    def see(self, sightings: Iterable[Sighting]) -> None:
        """Count alerts for storms and store faults; old ones do not count."""
        for each in sightings:
            if each.at > self.now - self.policy.storm_span:
                self.storm_hosts.setdefault(each.rule, set()).add(each.host)
            store = self.world.store_of(each.host)
            if store and each.at > self.now - self.policy.fault_span:
                self.fault_hosts.setdefault(store, set()).add(each.host)

    def spent(self, action: str, span: timedelta) -> tuple[PastRepair, ...]:
        """Repairs by an action that began within ``span``, the oldest first."""
        key = (action, span)
        if key not in self._spent:
            self._spent[key] = self.world.history.since(action, self.now - span)
        return self._spent[key]

    def given(self, action: str) -> int:
        """How many hosts this round gave to an action."""
        return self._new.get(action, 0)

    def breaker(self, action: str) -> Breaker:
        """The failure breaker of an action."""
        if action not in self._breakers:
            known = self.world.history.by_action.get(action, ())
            self._breakers[action] = breaker_of(known, self.policy)
        return self._breakers[action]

    def open_for(self, bundle: Bundle) -> Batch | None:
        """The repair of this round that one more host may join."""
        fitting = (each for each in reversed(self.batches) if each.bundle == bundle)
        return next((each for each in fitting if not each.full), None)

    def joins(self, bundle: Bundle) -> bool:
        """Whether a host can go with a repair that this round opens anyway."""
        return self.open_for(bundle) is not None

    @property
    def runs(self) -> int:
        """Runs under way, with those of this round."""
        return len(self.batches) + sum(
            1 for each in self.world.running if each.state is RepairState.OPEN
        )

    def disrupted(self) -> set[str]:
        """Stores with a disruptive repair under way, or given one in this round."""
        running = [
            host
            for each in self.world.running
            if each.disruptive and each.state is RepairState.OPEN
            for host in each.hosts
        ]
        given = [host for batch in self.batches if batch.disruptive for host in batch.hosts]
        return {self.world.store_of(host) for host in (*running, *given)} - {""}

    def take(self, host: str, key: str, batch: Batch) -> None:
        """One host goes into a repair of this round."""
        if not batch.hosts:
            self.batches.append(batch)
        batch.hosts.append(host)
        batch.occurrences.append(key)
        self.taken[host] = batch
        action = batch.bundle[0]
        self._new[action] = self._new.get(action, 0) + 1
