# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be backed up, how often, for how long and how sure one wants to be of it.

A policy is data that a site writes down; what it leaves out is the guide's rule for its tier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import IntEnum, StrEnum

from storewarden.domain.estate.device import Device

CONTROLLER = Device(name="controller", role="controller")
"""This very machine, for what storewarden backs up of itself; no inventory has to name it."""


class BackupTier(StrEnum):
    """What kind of data it is; decides everything that a policy does not say."""

    POS_DATABASE = "pos-database"  # the till's own database
    CORE_DATABASE = "core-database"  # ERP, CRM, the chain's databases
    ORDINARY = "ordinary"  # everything else
    CORE_NETWORK = "core-network"  # configuration of routers and core switches
    SERVER_CONFIG = "server-config"  # configuration of servers
    SECURITY_DEVICE = "security-device"  # configuration of firewalls and the like


class Method(StrEnum):
    """What takes the backup."""

    FILES = "files"  # restic
    PGBACKREST = "pgbackrest"  # PostgreSQL
    PG_BASEBACKUP = "pg-basebackup"  # PostgreSQL 17 or newer, with increments
    MARIADB = "mariadb"  # mariadb-backup
    REDIS = "redis"  # a snapshot of its memory
    SQLITE = "sqlite"  # its backup interface
    LEDGER = "ledger"  # the controller's own record
    NETWORK = "network"  # the running configuration of a device


class SetKind(StrEnum):
    """How much of the data a set has by itself."""

    FULL = "full"  # all of it
    DIFFERENTIAL = "differential"  # what changed since the last full one
    INCREMENTAL = "incremental"  # what changed since the last set of any kind
    LOG = "log"  # the write-ahead or binary log since the last time


class Level(IntEnum):
    """How much is known of a set, or of one copy of it (reference: verify levels)."""

    CLAIMED = 0  # the tool said that it worked
    PRESENT = 1  # it is there, sizes fit, its chain is complete
    READ = 2  # every byte was read and fits its checksum
    STARTED = 3  # an instance made of it starts, its structure passes
    PROVEN = 4  # its data equal the manifest that was written before the backup


class Every(StrEnum):
    """How often."""

    HOURS = "hours"  # every so many hours
    DAY = "day"
    WEEK = "week"
    FORTNIGHT = "fortnight"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a schedule. ``hours`` only with HOURS; weeks count from Monday (``weekday`` 0),
    months by ``day``, 1 to 28, because every month has those."""

    kind: SetKind
    every: Every
    hours: int = 0
    weekday: int = 6
    day: int = 1

    @property
    def period(self) -> timedelta:
        """The longest time between two of them."""
        if self.every is Every.HOURS:
            return timedelta(hours=self.hours)
        return _PERIODS[self.every]


_PERIODS = {
    Every.DAY: timedelta(days=1),
    Every.WEEK: timedelta(weeks=1),
    Every.FORTNIGHT: timedelta(weeks=2),
    Every.MONTH: timedelta(days=31),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyWanted:
    """One copy: ``location`` is a place of the site's settings."""

    location: str
    immutable: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long sets are kept, and how many full ones at least whatever their age."""

    keep: timedelta
    fulls: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Which level, how often."""

    level: Level
    every: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """How often a restore is rehearsed, on how many of a hundred hosts each time."""

    every: timedelta
    sample: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which hosts: each part that is given must fit; of one part any word does. Empty fits all."""

    roles: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def fits(self, device: Device, groups: tuple[str, ...] = ()) -> bool:
        """Whether a device of these inventory groups is meant."""
        tier = device.tier.value if device.tier is not None else ""
        asked = (
            (self.roles, (device.role,)),
            (self.tiers, (tier,)),
            (self.regions, (device.region,)),
            (self.stores, (device.store,)),
            (self.hosts, (device.name,)),
            (self.groups, groups),
        )
        return all(not wanted or not set(wanted).isdisjoint(there) for wanted, there in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy; ``source`` are the method's own words (paths, a database's name).

    ``window`` are local times of the store in which sets are begun and have to end, past midnight
    when the second is earlier; ``splay`` is how far their beginnings are spread. ``bandwidth`` is
    KiB/s of the store's line, 0 for all of it. ``size`` is the expected size of each kind of set
    in bytes, until the catalog knows better. ``required`` refuses rollouts to a host that has no
    fresh set of ``Level.READ``; ``extra_full`` takes one more full set before a major change.
    """

    id: str
    tier: BackupTier
    method: Method
    selector: Selector
    window: tuple[time, time]
    schedule: tuple[Step, ...]
    rpo: timedelta
    rto: timedelta
    copies: tuple[CopyWanted, ...]
    retention: Retention
    verify: tuple[Verify, ...]
    drill: Drill | None
    source: Mapping[str, object] = field(default_factory=dict)
    splay: timedelta = timedelta(hours=3)
    bandwidth: int = 0
    size: Mapping[SetKind, int] = field(default_factory=dict)
    legal_hold: bool = False
    required: bool = True
    extra_full: bool = True
    after_change: bool = False

    def binds(self, device: Device, groups: tuple[str, ...] = ()) -> bool:
        """Whether a device of these inventory groups is backed up by it. The record of storewarden
        is the controller's, whatever is selected."""
        if self.method is Method.LEDGER:
            return device.name == CONTROLLER.name
        return device != CONTROLLER and self.selector.fits(device, groups)


def with_controller(devices: Sequence[Device], policies: Iterable[Policy]) -> tuple[Device, ...]:
    """The devices of an estate, and the controller where a policy backs up its record."""
    wanted = any(each.method is Method.LEDGER for each in policies)
    there = any(each.name == CONTROLLER.name for each in devices)
    return (*devices, CONTROLLER) if wanted and not there else tuple(devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRule:
    """What the guide says of a tier. ``copies`` is how many, ``offsite`` whether one is away."""

    schedule: tuple[Step, ...]
    retention: Retention
    copies: int
    rpo: timedelta
    rto: timedelta
    verify: tuple[Verify, ...]
    drill: Drill | None
    offsite: bool = True
    after_change: bool = False


_YEAR = timedelta(days=366)
_QUARTER = timedelta(days=92)
_HALF = timedelta(days=183)
_NIGHTLY = Verify(level=Level.PRESENT, every=timedelta(days=1))
_WEEKLY = Verify(level=Level.READ, every=timedelta(days=7))
_MONTHLY = Verify(level=Level.STARTED, every=timedelta(days=31))
_LINES = (
    Step(kind=SetKind.FULL, every=Every.MONTH, day=1),
    Step(kind=SetKind.DIFFERENTIAL, every=Every.WEEK),
    Step(kind=SetKind.INCREMENTAL, every=Every.DAY),
    Step(kind=SetKind.LOG, every=Every.HOURS, hours=4),
)

TIER_RULES: Mapping[BackupTier, TierRule] = {
    # guide 1.6.2: full every night after closing, at least 7 daily ones; kept 3-5 years (1.6.3)
    BackupTier.POS_DATABASE: TierRule(
        schedule=(
            Step(kind=SetKind.FULL, every=Every.DAY),
            Step(kind=SetKind.LOG, every=Every.HOURS, hours=4),
        ),
        retention=Retention(keep=3 * _YEAR, fulls=7),
        copies=3,
        rpo=timedelta(hours=4),
        rto=timedelta(hours=2),
        verify=(_NIGHTLY, _WEEKLY, _MONTHLY),
        drill=Drill(every=_QUARTER),
    ),
    # guide 1.6.2: incremental daily, differential weekly, full monthly; A3: every 4 hours at least
    BackupTier.CORE_DATABASE: TierRule(
        schedule=_LINES,
        retention=Retention(keep=5 * _YEAR, fulls=2),
        copies=3,
        rpo=timedelta(hours=4),
        rto=timedelta(hours=2),
        verify=(_NIGHTLY, _WEEKLY, _MONTHLY),
        drill=Drill(every=_QUARTER, sample=100),
    ),
    # guide 1.6.2: incremental weekly, full monthly; 1.6.3: kept 6 months; 4.4.3: half-yearly drills
    BackupTier.ORDINARY: TierRule(
        schedule=(
            Step(kind=SetKind.FULL, every=Every.MONTH),
            Step(kind=SetKind.INCREMENTAL, every=Every.WEEK),
        ),
        retention=Retention(keep=_HALF),
        copies=3,
        rpo=timedelta(days=7),
        rto=timedelta(hours=24),
        verify=(_NIGHTLY, Verify(level=Level.READ, every=timedelta(days=31))),
        drill=Drill(every=_HALF),
    ),
    # guide 1.7.2: daily and after each change; 1.7.3: two copies, core kept a year
    BackupTier.CORE_NETWORK: TierRule(
        schedule=(Step(kind=SetKind.FULL, every=Every.DAY),),
        retention=Retention(keep=_YEAR, fulls=7),
        copies=2,
        rpo=timedelta(days=1),
        rto=timedelta(hours=2),
        verify=(Verify(level=Level.READ, every=timedelta(days=1)),),
        drill=None,
        after_change=True,
    ),
    # guide 1.7.2: weekly; 1.7.3: kept 3 months
    BackupTier.SERVER_CONFIG: TierRule(
        schedule=(Step(kind=SetKind.FULL, every=Every.WEEK),),
        retention=Retention(keep=_QUARTER),
        copies=2,
        rpo=timedelta(days=7),
        rto=timedelta(hours=4),
        verify=(_NIGHTLY, Verify(level=Level.READ, every=timedelta(days=31))),
        drill=Drill(every=_HALF),
    ),
    # guide 1.7.2: weekly and after each change of a rule; kept like the core's, a year (1.7.3)
    BackupTier.SECURITY_DEVICE: TierRule(
        schedule=(Step(kind=SetKind.FULL, every=Every.WEEK),),
        retention=Retention(keep=_YEAR),
        copies=2,
        rpo=timedelta(days=7),
        rto=timedelta(hours=2),
        verify=(Verify(level=Level.READ, every=timedelta(days=7)),),
        drill=None,
        after_change=True,
    ),
}
"""Tier -> what holds for it where a policy says nothing."""
