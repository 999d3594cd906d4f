# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts of a rollout have no backup to fall back on, and extra sets before a major change.

Rollouts know nothing of backups: they are told of hosts, each with a reason. What could be ordered
is ordered once: a run that is under way, or was tried within the hour, is not asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.backup.catalog import BackupSet, Catalog, Run, Target, Verb, in_places
from storewarden.domain.backup.policy import Method, Policy
from storewarden.domain.backup.readiness import Unready, unready
from storewarden.domain.change.record import Change, Kind
from storewarden.domain.estate.device import Device
from storewarden.domain.rollout.record import HostRecord, HostState, Rollout
from storewarden.domain.rollout.spec import PayloadClass
from storewarden.ports.backup_catalog import BackupCatalog

GUARDED = frozenset({PayloadClass.PACKAGES, PayloadClass.RELEASE})
"""What is rolled out that may need the data of before; schemas are a part of releases."""

EXTRA_HOLDS = timedelta(hours=24)
"""How long an extra set counts: a wave of next week wants one of its own. Chosen."""

_AGAIN = timedelta(hours=1)
_BEFORE = (HostState.PLANNED, HostState.OFFLINE_UNTOUCHED)

type TakeExtra = Callable[[Sequence[Target], str], None]
"""Orders one more full set of each target, on account of a change; returns at once."""


def _nobody(_targets: Sequence[Target], _change: str) -> None:
    """Nobody takes them: a person does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardParts:
    """What is asked. ``devices`` and ``groups`` are the estate's at the moment; ``places`` those
    of the settings, () for all."""

    policies: Sequence[Policy]
    devices: Callable[[], Mapping[str, Device]]
    groups: Callable[[], Mapping[str, Collection[str]]]
    catalog: BackupCatalog
    take_extra: TakeExtra = _nobody
    places: Collection[str] = ()


class BackupGuard:
    """Tells a rollout which of its hosts must not begin."""

    def __init__(self, parts: GuardParts) -> None:
        self._parts = parts
        self._policies = [
            each for each in parts.policies if each.required and each.method is not Method.NETWORK
        ]

    def __call__(
        self, rollout: Rollout, change: Change | None, now: datetime
    ) -> dict[str, tuple[str, str]]:
        """Host -> why, in English and Chinese. Raises LedgerConflict and AdapterError."""
        if rollout.spec.payload_class not in GUARDED or not self._policies:
            return {}
        bound = self._bound(_beginning(rollout))
        targets = [target for mine in bound.values() for target, _policy in mine]
        if not targets:
            return {}
        found = self._parts.catalog.of(targets)
        known = _by_target(in_places(found, self._parts.places) if self._parts.places else found)
        since = _extra_since(rollout, change, now)
        lacking: dict[Target, Unready] = {}
        for target, policy in (each for mine in bound.values() for each in mine):
            why = unready(policy, known.get(target, Catalog()), now, extra_since=since)
            if why is not None:
                lacking[target] = why
        self._order([each for each, why in lacking.items() if why.extra], known, rollout, now)
        return {target.host: _said(target, why) for target, why in reversed(lacking.items())}

    def _bound(self, hosts: Sequence[HostRecord]) -> dict[str, list[tuple[Target, Policy]]]:
        devices, groups = self._parts.devices(), self._parts.groups()
        found: dict[str, list[tuple[Target, Policy]]] = {}
        for host in hosts:
            device = devices.get(host.name)
            if device is None:
                continue
            mine = tuple(groups.get(host.name, ()))
            found[host.name] = [
                (Target(host=host.name, policy=each.id), each)
                for each in self._policies
                if each.binds(device, mine)
            ]
        return found

    def _order(
        self,
        targets: Sequence[Target],
        known: Mapping[Target, Catalog],
        rollout: Rollout,
        now: datetime,
    ) -> None:
        wanted = [each for each in targets if not _tried(known.get(each, Catalog()), now)]
        if wanted and rollout.started is not None:
            self._parts.take_extra(wanted, rollout.change)


def _beginning(rollout: Rollout) -> list[HostRecord]:
    """Hosts of the wave under way, and stragglers of those before, that have not begun."""
    wave = rollout.wave
    last = wave.number if wave is not None else len(rollout.waves)
    return [host for host in rollout.hosts.values() if host.state in _BEFORE and host.wave <= last]


def _extra_since(rollout: Rollout, change: Change | None, now: datetime) -> datetime | None:
    """Since when an extra set counts; None when none is wanted. What begins this very moment has
    none yet."""
    if change is None or change.draft.kind is not Kind.MAJOR:
        return None
    return max(rollout.started or now, now - EXTRA_HOLDS)


def _tried(catalog: Catalog, now: datetime) -> bool:
    """Whether a set is under way, or one was tried a short time ago."""
    takes = [each for each in catalog.runs if each.verb is Verb.TAKE]
    return any(each.ended is None or now - each.began < _AGAIN for each in takes)


def _by_target(catalog: Catalog) -> dict[Target, Catalog]:
    sets: dict[Target, list[BackupSet]] = {}
    runs: dict[Target, list[Run]] = {}
    for backup in catalog.sets:
        sets.setdefault(backup.target, []).append(backup)
    for run in catalog.runs:
        runs.setdefault(run.target, []).append(run)
    return {
        each: Catalog(sets=tuple(sets.get(each, ())), runs=tuple(runs.get(each, ())))
        for each in {*sets, *runs}
    }


def _said(target: Target, why: Unready) -> tuple[str, str]:
    command = f"storewarden backup run {target.host} --policy {target.policy}"
    return f"{why.en} ({command})", f"{why.zh}（{command}）"
