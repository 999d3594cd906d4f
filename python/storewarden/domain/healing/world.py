# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a decision needs to know, as facts that others have looked up.

It is made for 10,000 alerts at once: whatever is asked per alert is a lookup by key. Nothing in it
is computed per alert beforehand, except what the ledger keeps anyway; the windows are asked only
for hosts that are about to be repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.estate.device import Device
from storewarden.domain.healing.action import HealAction
from storewarden.domain.healing.history import History
from storewarden.domain.healing.record import Repair
from storewarden.domain.healing.rule import Mode
from storewarden.domain.maintenance.grounds import Ground, OperationClass
from storewarden.domain.maintenance.judge import WindowDecision
from storewarden.domain.maintenance.words import refusal, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One line for people."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Who works on a host: "rollout R-7", "repair GMBG-20260601-001-H3"."""

    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """An alert of the last minutes that a rule answered and that has a host, whatever became of
    it: what storms and store faults are counted by."""

    rule: str
    host: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an action may do here. ``mode`` is what the site allows.

    ``runs`` are its repairs that a person approved or that it made by itself, the newest ones that
    the ledger counts, and ``verified`` how many of them were verified. ``change`` is the number of
    the standing change that covers it, else "" and ``against`` says why none does. ``others`` are
    hosts that another standing change covers, and not that one: host -> its number.
    """

    mode: Mode = Mode.OBSERVE
    runs: int = 0
    verified: int = 0
    change: str = ""
    against: Said | None = None
    others: Mapping[str, str] = field(default_factory=dict)

    def change_for(self, host: str) -> str:
        """The standing change that a repair of this host belongs to."""
        return self.others.get(host, self.change)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAnswer:
    """Whether work of a class may be done on a host now; ``opens`` is when it next may.
    ``frozen``: not because no window is open, but because of a freeze of its class."""

    allowed: bool
    reason: Said
    opens: datetime | None = None
    frozen: bool = False


type Windows = Callable[[str, OperationClass], WindowAnswer]
"""Host and class of operation -> answer; asked only for hosts that are about to be repaired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """Work on a host, announced or under way; ``ends`` may have passed."""

    why: str
    starts: datetime
    ends: datetime


class Recheck(StrEnum):
    """What its sender says of an alert when asked again."""

    FIRING = "firing"  # still on
    QUIET = "quiet"  # it knows nothing of it any more
    NOTED = "noted"  # silenced or inhibited there: nobody is to be called
    SILENT = "silent"  # it can be asked, but did not answer
    UNASKED = "unasked"  # there is nobody to ask; its own word has to do


_FREEZES = frozenset({Ground.BLACKOUT, Ground.HOLIDAY, Ground.CAMPAIGN, Ground.MONTH_END})


def always_open(_host: str, _operation: OperationClass) -> WindowAnswer:
    """No windows at all."""
    return WindowAnswer(allowed=True, reason=Said(en="no windows are kept", zh="未设置维护窗口"))


def window_answer(decision: WindowDecision, zone: tzinfo) -> WindowAnswer:
    """The answer of the maintenance room in the words of this one."""
    if not decision.allowed:
        why = Said(en=refusal(decision, zone), zh=refusal(decision, zone, "zh"))
        frozen = any(each.ground in _FREEZES for each in decision.reasons)
        return WindowAnswer(allowed=False, reason=why, opens=decision.next_start, frozen=frozen)
    told = [(said(each, zone), said(each, zone, "zh")) for each in decision.reasons[:1]] or [
        ("allowed", "允许")
    ]
    return WindowAnswer(allowed=True, reason=Said(en=told[0][0], zh=told[0][1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The facts of one moment.

    ``addresses`` and ``places`` (store, terminal) lead to inventory names. ``groups`` and
    ``members`` are those of the capacity room, of the whole estate. ``unavailable`` are all hosts
    that count as away, ``unreachable`` those of them that are merely silent. ``busy`` are hosts
    that somebody works on: rollouts, repairs, sessions. ``running`` are the open repairs.
    ``history`` has every repair of the last 24 hours, open ones included. ``recent`` are alerts of
    the last minutes, those that are decided now need not be among them. ``storms`` (by rule) and
    ``faults`` (by store) hold until their moment. ``stopped`` is the kill switch, ``frozen`` a
    freeze of everything; ``paused`` has keys like "rule:NAME", "action:NAME", "source:NAME".
    ``protected`` are the protected tags of a host. ``rechecks`` are answers by occurrence; none is
    UNASKED. ``zone`` is the site's, for texts and for devices without one.
    """

    devices: Mapping[str, Device]
    addresses: Mapping[str, Collection[str]] = field(default_factory=dict)
    places: Mapping[tuple[str, str], Collection[str]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    members: Mapping[str, Collection[str]] = field(default_factory=dict)
    budgets: Budgets = field(default_factory=Budgets)
    consent: Collection[str] = frozenset()
    unavailable: Collection[str] = frozenset()
    unreachable: Collection[str] = frozenset()
    busy: Mapping[str, Busy] = field(default_factory=dict)
    running: tuple[Repair, ...] = ()
    history: History = field(default_factory=History)
    recent: tuple[Sighting, ...] = ()
    storms: Mapping[str, datetime] = field(default_factory=dict)
    faults: Mapping[str, datetime] = field(default_factory=dict)
    actions: Mapping[str, HealAction] = field(default_factory=dict)
    standings: Mapping[str, Standing] = field(default_factory=dict)
    windows: Windows = always_open
    stopped: Said | None = None
    frozen: Said | None = None
    paused: Mapping[str, Said] = field(default_factory=dict)
    protected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    maintenance: Mapping[str, Maintenance] = field(default_factory=dict)
    rechecks: Mapping[str, Recheck] = field(default_factory=dict)
    zone: tzinfo = UTC

    def store_of(self, host: str) -> str:
        """The store of a host, "" when it has none."""
        device = self.devices.get(host)
        return device.store if device is not None else ""
