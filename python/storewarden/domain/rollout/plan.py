# SPDX-License-Identifier: GPL-3.0-or-later
"""From a rollout file and an estate to waves: who comes when, decided once and frozen.

The unit is the store: all devices of a store that take part are in the same wave. Waves are
cumulative, each reaches at least as far as the one before, and together they reach every host
exactly once. Devices of which something is not known that a rollout leans on are refused by
name. Nothing here depends on the order in which an inventory lists its hosts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from math import ceil
from operator import attrgetter

from storewarden.domain.estate.device import Device, EstateFinding, Flaw
from storewarden.domain.rollout.order import Draw, Stratum
from storewarden.domain.rollout.record import HostRecord, WaveRecord
from storewarden.domain.rollout.spec import RolloutSpec, SizeKind, WaveSize
from storewarden.domain.rollout.spec_defaults import DEFAULTS, REST

NOT_NEEDED = frozenset({"sw_tier"})
"""Variables of a device that no decision of a rollout leans on."""

_DEVICE_FIELDS = {
    "sw_store": "store",
    "sw_region": "region",
    "sw_role": "role",
    "sw_ci": "ci",
    "sw_tz": "tz",
}
_FLAWS_ZH = {Flaw.MISSING: "缺失", Flaw.MALFORMED: "无法识别", Flaw.DUPLICATE: "与其他设备重复"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What an inventory says beyond devices: ``groups`` (name -> hosts) for waves by label, and
    ``variables`` (host -> name -> value) for strata that are not fields of a device."""

    groups: Mapping[str, Collection[str]] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitHost:
    """A host that no wave takes, and why."""

    host: str
    reason: str
    reason_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveCut:
    """Where a wave comes from: its size as it was asked for, which part of it (1 of ``parts``),
    and how many kinds of devices nobody has seen when it is done."""

    size: WaveSize
    part: int = 1
    parts: int = 1
    unseen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A frozen membership.

    ``spec`` has its salt and its waves filled in; ``waves`` and ``hosts`` are those of
    ``events.Opened``; ``cuts`` belongs to ``waves`` one by one; ``idle`` are sizes that added no
    store; ``added_rest`` is true when the file's waves did not reach all stores; ``left_out`` is
    how many devices have none of the rollout's roles; ``strata`` counts kinds of devices.
    """

    spec: RolloutSpec
    waves: tuple[WaveRecord, ...]
    hosts: tuple[HostRecord, ...]
    membership: str
    cuts: tuple[WaveCut, ...] = ()
    refused: tuple[UnfitHost, ...] = ()
    idle: tuple[WaveSize, ...] = ()
    added_rest: bool = False
    left_out: int = 0
    strata: int = 0

    @property
    def stores(self) -> tuple[str, ...]:
        """All stores in the order of the plan."""
        return tuple(store for wave in self.waves for store in wave.stores)


def plan(
    spec: RolloutSpec,
    devices: Iterable[Device],
    labels: Labels | None = None,
    findings: Sequence[EstateFinding] = (),
) -> Plan:
    """The plan for ``devices`` (each host once). ``findings`` are the estate's about them.

    ValueError for a host that is given twice. No device that fits is a plan without waves.
    """
    labels, spec = labels or Labels(), settled(spec)
    wanted, left_out = _of_roles(devices, spec.roles)
    fit, refused = _fit(wanted, findings)
    by_store: dict[str, list[Device]] = {}
    for device in fit:
        by_store.setdefault(device.store, []).append(device)
    strata = _strata(by_store, spec.strata, labels.variables)
    cut = _cut(spec.waves, Draw(strata, spec.salt), by_store, labels)
    waves = tuple(
        WaveRecord(number=number, stores=tuple(stores))
        for number, (stores, _) in enumerate(cut.waves, start=1)
    )
    hosts = tuple(_hosts(waves, by_store))
    return Plan(
        spec=spec,
        waves=waves,
        hosts=hosts,
        membership=membership(hosts),
        cuts=tuple(each for _, each in cut.waves),
        refused=refused,
        idle=tuple(cut.idle),
        added_rest=cut.added_rest,
        left_out=left_out,
        strata=len(frozenset[Stratum]().union(*strata.values())),
    )


def settled(spec: RolloutSpec) -> RolloutSpec:
    """``spec`` with the waves of its class where it names none, and a salt.

    The salt is what is rolled out: looking twice shows the same canary, and another version
    draws another one.
    """
    waves = spec.waves or DEFAULTS[spec.payload_class].waves
    told = json.dumps([spec.payload, spec.options], sort_keys=True, default=str)
    salt = spec.salt or sha256(told.encode()).hexdigest()[:12]
    return replace(spec, waves=waves, salt=salt)


def membership(hosts: Iterable[HostRecord]) -> str:
    """The digest of who is in which wave, in order."""
    lines = [f"{host.wave}\t{host.store}\t{host.name}\n" for host in hosts]
    return sha256("".join(lines).encode()).hexdigest()


def _of_roles(devices: Iterable[Device], roles: Collection[str]) -> tuple[list[Device], int]:
    """Devices with one of the roles (those without any role too: they are refused), by name."""
    everything = sorted(devices, key=attrgetter("name"))
    names = {device.name for device in everything}
    if len(names) != len(everything):
        raise ValueError("a host is given twice")
    wanted = [each for each in everything if not roles or not each.role or each.role in roles]
    return wanted, len(everything) - len(wanted)


def _fit(
    devices: Sequence[Device], findings: Sequence[EstateFinding]
) -> tuple[list[Device], tuple[UnfitHost, ...]]:
    told: dict[str, list[EstateFinding]] = {}
    for finding in findings:
        if finding.variable not in NOT_NEEDED:
            told.setdefault(finding.host, []).append(finding)
    fit, refused = [], []
    for device in devices:
        found = told.get(device.name) or (() if _is_whole(device) else list(_missing(device)))
        if not found:
            fit.append(device)
            continue
        refused.append(
            UnfitHost(
                host=device.name,
                reason="; ".join(f"{e.variable} {e.flaw.value}: {e.advice}" for e in found),
                reason_zh="；".join(f"{e.variable} {_FLAWS_ZH[e.flaw]}" for e in found),
            )
        )
    return fit, tuple(refused)


def _is_whole(device: Device) -> bool:
    """The same as nothing missing, asked of a hundred thousand devices."""
    known = device.store and device.region and device.role and device.ci and device.tz
    return bool(known) and device.failure_groups is not None and device.hours is not None


def _missing(device: Device) -> Iterator[EstateFinding]:
    """What the device itself shows, for callers that have no findings."""
    for variable, name in _DEVICE_FIELDS.items():
        if not getattr(device, name):
            yield _unset(device, variable)
    if device.failure_groups is None:
        yield _unset(device, "sw_failure_groups")
    if device.hours is None:
        yield _unset(device, "sw_hours")


def _unset(device: Device, variable: str) -> EstateFinding:
    advice = "set it in the inventory"
    return EstateFinding(host=device.name, variable=variable, flaw=Flaw.MISSING, advice=advice)


def _strata(
    by_store: Mapping[str, Sequence[Device]],
    names: Sequence[str],
    variables: Mapping[str, Mapping[str, str]],
) -> dict[str, frozenset[Stratum]]:
    """Store -> the kinds of devices in it; equal kinds are one object, since there are few."""
    values = [_value(name, variables) for name in names]
    known: dict[Stratum, Stratum] = {}
    found = {}
    for store, devices in by_store.items():
        kinds = set()
        for device in devices:
            kind = tuple([value(device) for value in values])
            kinds.add(known.setdefault(kind, kind))
        found[store] = frozenset(kinds)
    return found


def _value(name: str, variables: Mapping[str, Mapping[str, str]]) -> Callable[[Device], str]:
    """What tells the value of a stratum on a device."""
    if name in _DEVICE_FIELDS:
        return attrgetter(_DEVICE_FIELDS[name])
    if name == "sw_tier":
        return lambda device: device.tier.value if device.tier else ""
    return lambda device: variables.get(device.name, {}).get(name, "")


@dataclass(slots=True, kw_only=True)
class _Cut:
    """Waves as they are being made: stores with where they come from."""

    waves: list[tuple[list[str], WaveCut]] = field(default_factory=list)
    idle: list[WaveSize] = field(default_factory=list)
    added_rest: bool = False


def _cut(
    sizes: Sequence[WaveSize],
    draw: Draw,
    by_store: Mapping[str, Sequence[Device]],
    labels: Labels,
) -> _Cut:
    cut, everything = _Cut(), len(by_store)
    for size in sizes:
        _add(cut, size, draw, _taken(size, draw, by_store, labels), everything)
    if draw.left:
        cut.added_rest = True
        _add(cut, REST, draw, draw.take(draw.left), everything)
    return cut


def _taken(
    size: WaveSize, draw: Draw, by_store: Mapping[str, Sequence[Device]], labels: Labels
) -> list[str]:
    """The stores that a size adds to those before it."""
    before, everything = len(by_store) - draw.left, len(by_store)
    if size.kind is SizeKind.LABEL:
        members = frozenset(labels.groups.get(size.label, ()))
        carry = [
            store
            for store, devices in by_store.items()
            if any(device.name in members for device in devices)
        ]
        return draw.take_named(carry)
    if size.kind is SizeKind.STRATUM:
        return draw.take_of_each(size.stores)
    reach = size.stores if size.kind is SizeKind.STORES else ceil(size.share * everything)
    return draw.take(max(reach - before, 0))


def _add(cut: _Cut, size: WaveSize, draw: Draw, stores: list[str], everything: int) -> None:
    if not stores:
        cut.idle.append(size)
        return
    parts = _parts(stores, size.most or ceil(size.most_share * everything))
    for number, part in enumerate(parts, start=1):
        made = WaveCut(size=size, part=number, parts=len(parts), unseen=draw.unseen)
        cut.waves.append((part, made))


def _parts(stores: list[str], most: int) -> list[list[str]]:
    """``stores`` in as few parts as ``most`` allows, none smaller than the one before it."""
    count = ceil(len(stores) / most) if most else 1
    size, more = divmod(len(stores), count)
    sizes = [size] * (count - more) + [size + 1] * more
    rest = iter(stores)
    return [list(islice(rest, each)) for each in sizes]


def _hosts(
    waves: Sequence[WaveRecord], by_store: Mapping[str, Sequence[Device]]
) -> Iterator[HostRecord]:
    for wave in waves:
        for store in wave.stores:
            for device in by_store[store]:
                yield HostRecord(name=device.name, store=store, wave=wave.number, role=device.role)
