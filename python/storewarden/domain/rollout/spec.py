# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody wants rolled out, and how carefully: the words of a rollout file, typed.

All numbers that stand here as defaults are the guide's or the reference's; a rollout file may
make them stricter or looser, and ``storewarden rollout plan`` shows which it did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction

from storewarden.domain.capacity.budgets import Budgets

__all__ = [
    "Budgets",
    "GateSpec",
    "PayloadClass",
    "Reversibility",
    "RolloutSpec",
    "SizeKind",
    "Soak",
    "Stragglers",
    "Timing",
    "WaveSize",
]


class PayloadClass(StrEnum):
    """What kind of thing is rolled out; decides soak, deadlines and operation class."""

    PACKAGES = "packages"  # system packages: pilot observed 24 h (guide 1.3.3)
    RELEASE = "release"  # our applications: 10 % observed 30 min (guide 11.5.4)
    CONTENT = "content"  # rules and signatures: 10 % observed 24 h, then done in 3 h (guide 1.8)
    CONFIG = "config"  # configuration that a reload takes up: 30 min
    BASELINE = "baseline"  # hardening: as packages


class Reversibility(StrEnum):
    """How a payload is taken back (reference: rollouts, "Rollback pack")."""

    SWITCH = "A"  # a link is turned back
    DOWNGRADE = "B"  # old packages and files are put back
    DATA = "C"  # data would have to be restored: only people may
    NONE = "D"  # cannot be taken back: two approvals


class SizeKind(StrEnum):
    """How the size of a wave is said."""

    STORES = "stores"  # a number of stores
    SHARE = "share"  # a share of all stores, rounded up
    LABEL = "label"  # all stores that carry a label (a group of the inventory)
    STRATUM = "stratum"  # so many stores of every stratum


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveSize:
    """How far a wave reaches, counted from the first store on (cumulative).

    ``stores`` is a number for STORES and STRATUM, ``share`` a fraction of 1 for SHARE, ``label``
    a group's name for LABEL. ``most`` (stores) and ``most_share`` (of all stores, rounded up)
    cap what one wave adds: what is more becomes sub-waves. 0 is no cap.
    """

    kind: SizeKind
    stores: int = 0
    share: Fraction = Fraction(0)
    label: str = ""
    most: int = 0
    most_share: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """How long a wave is watched: both must have passed. ``trading`` counts the minutes in which
    its stores were open (reference: rollouts, fact 6: a night proves nothing)."""

    wall: timedelta
    trading: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """One gate of a rollout: ``kind`` is its module's name, ``name`` tells two of a kind apart,
    ``settings`` are JSON data that the gate's own settings class reads."""

    kind: str
    name: str
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one shard takes at most in each phase; p95 where it was measured."""

    preflight: timedelta = timedelta(minutes=5)
    apply: timedelta = timedelta(minutes=10)
    judge: timedelta = timedelta(minutes=3)
    undo: timedelta = timedelta(minutes=6)  # reference: rollouts, "Clock"
    reboot: timedelta = timedelta(0)

    @property
    def change(self) -> timedelta:
        """Apply and verify, a reboot included."""
        return self.apply + self.judge + self.reboot

    @property
    def whole(self) -> timedelta:
        """What must fit before a window closes: change it, look at it, take it back."""
        return self.change + self.undo


@dataclass(frozen=True, slots=True, kw_only=True)
class Stragglers:
    """Hosts that cannot be reached: how many do not block, and how they come later."""

    share: Fraction = Fraction(1, 10)  # untouched ones up to this share do not block
    daily: int = 50  # caught up with per day at most
    expiry: timedelta = timedelta(days=14)  # then a ticket instead


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSpec:
    """A rollout file.

    ``payload`` names a role ``payload_<payload>``; ``options`` are its variables without the
    role's prefix. ``roles`` limits the change's hosts to some ``sw_role`` (empty: all).
    ``strata`` are the host variables by which stores are told apart. ``emergency`` takes the
    emergency lane: soaks shortened to ``emergency_soak``, nothing else.
    """

    payload: str
    payload_class: PayloadClass
    reversibility: Reversibility = Reversibility.DOWNGRADE
    options: Mapping[str, object] = field(default_factory=dict)
    waves: tuple[WaveSize, ...] = ()
    soak: Soak = Soak(wall=timedelta(hours=24))
    gates: tuple[GateSpec, ...] = ()
    timing: Timing = Timing()
    stragglers: Stragglers = Stragglers()
    budgets: Budgets = field(default_factory=Budgets)
    roles: tuple[str, ...] = ()
    strata: tuple[str, ...] = ("sw_role",)
    salt: str = ""
    shard: int = 50  # hosts of one Ansible run (design, mechanism 1)
    lanes: int = 4  # shards at work at once
    forks: int = 20
    coverage: Fraction = Fraction(4, 5)  # of a wave must be verified before a gate may pass
    extensions: int = 2  # times that a soak is extended before a person is asked
    deadline: timedelta = timedelta(minutes=5)  # of the dead man on each host
    locks: bool = False  # the payload resolves exact versions on the canary (meta/payload.yml)
    emergency: bool = False
    emergency_soak: timedelta = timedelta(minutes=10)

    @property
    def watched(self) -> Soak:
        """The soak that holds: the emergency lane shortens it and asks for no trade."""
        if not self.emergency:
            return self.soak
        return Soak(wall=min(self.soak.wall, self.emergency_soak))

    @property
    def at_once(self) -> int:
        """Hosts that are worked on together at most, by forks and lanes."""
        return min(self.forks, self.shard) * self.lanes
