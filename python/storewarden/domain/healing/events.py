# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to an occurrence: the facts that the journal keeps.

A storm is thousands of alerts in a minute, so one journal entry may hold many of these, each with
the key of its occurrence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.healing.alert import Alert
from storewarden.domain.healing.record import Decision, HostEnd, Repair, Stage

STOREWARDEN = "storewarden"
"""Who tells what no person said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Heard of for the first time; ``resolved`` when it was over already."""

    number: int
    alert: Alert
    resolved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Its sender says that it is over; ``polled`` when the sender no longer knows it."""

    polled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refired:
    """It was called over, and fires still, or again, with the same beginning; ``polled`` when its
    sender said so because it was asked."""

    polled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What is to be done, with every reason. ``repair`` is the id of the repair, for ACT."""

    decision: Decision
    repair: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A person said yes; counts until ``until``, and for the questions of ``guards`` alone. None
    named: for every question, as it was when this was first written."""

    until: datetime
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A person said no, or took it over."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Its repair, or its verification, brought it to another stage, or a look further in it.

    ``good`` is how often in a row its own expression was quiet, while VERIFYING. ``free``: its
    repair was not begun, which is no try.
    """

    stage: Stage
    reason: str
    reason_zh: str = ""
    due: datetime | None = None
    good: int = 0
    free: bool = False


type Happening = Arrived | Resolved | Refired | Decided | Granted | Denied | Moved


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """One fact about the occurrence ``key``."""

    key: str
    at: datetime
    what: Happening
    by: str = STOREWARDEN


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairOpened:
    """Decided; the alerts that it is for were decided in the same moment."""

    repair: Repair


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairBegun:
    """Its run is about to be started by ``worker``; told before, so that it is never run twice."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairEnded:
    """Every host has its end."""

    ends: tuple[HostEnd, ...]


type RepairHappening = RepairOpened | RepairBegun | RepairEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairEvent:
    """One fact about the repair ``id``."""

    id: str
    at: datetime
    what: RepairHappening
    by: str = STOREWARDEN
