# SPDX-License-Identifier: GPL-3.0-or-later
"""A planned rollout, ready to be read; and what turns it into text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Protocol

from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.judge import Reason
from storewarden.domain.rollout.deadlines import Kept, Loosening, RiskClass
from storewarden.domain.rollout.plan import Plan, UnfitHost
from storewarden.domain.rollout.schedule import Schedule, WaveTimes
from storewarden.domain.rollout.spec import RolloutSpec
from storewarden.ports.reports import Page


class RolloutPlanFormat(StrEnum):
    """The shapes of a rollout plan."""

    TABLE = "table"  # for a person at a shell
    JSON = "json"  # for programs; documented, versioned
    HTML = "html"  # for who approves: one self-contained file


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTold:
    """What the emergency lane would make of it."""

    schedule: Schedule
    deadlines: tuple[Kept, ...]

    @property
    def missed(self) -> tuple[Kept, ...]:
        """Deadlines that it misses as well."""
        return missed(self.deadlines)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTale:
    """What one store will live through.

    ``hosts`` are its devices that take part, with their roles; ``unfit`` those that were refused;
    ``begins`` and ``ends`` is its work (None when no window fits, then ``against`` says why not
    now); ``closes`` is when the window of ``begins`` closes; ``turns`` is in how many turns its
    hosts are worked on.
    """

    store: str
    wave: WaveTimes
    zone: tzinfo
    hosts: tuple[tuple[str, str], ...]
    turns: int = 1
    unfit: tuple[UnfitHost, ...] = ()
    begins: datetime | None = None
    ends: datetime | None = None
    closes: datetime | None = None
    against: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlanReport:
    """One look ahead; nothing was recorded and no host was asked.

    ``at`` is when it was asked, ``start`` from when on it was planned. ``change`` is "" without
    one; ``window`` is the change's own. ``needs`` is what must fit into a window. ``consents``
    are groups with a single member that nobody has agreed to take; ``gone`` are hosts of the
    change that the inventory does not have; ``provisional`` are years without official holidays;
    ``against`` says per stuck store why no window was found.
    """

    at: datetime
    start: datetime
    spec: RolloutSpec
    plan: Plan
    schedule: Schedule
    needs: timedelta
    operation: OperationClass
    risk: RiskClass
    deadlines: tuple[Kept, ...] = ()
    loosened: tuple[Loosening, ...] = ()
    lane: LaneTold | None = None
    consents: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    provisional: tuple[int, ...] = ()
    against: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    store: StoreTale | None = None
    change: str = ""
    change_state: str = ""
    window: tuple[datetime, datetime] | None = None
    file: str = ""
    summary: Mapping[str, str] = field(default_factory=dict)
    site: str = ""
    version: str = ""
    zone: tzinfo = UTC

    @property
    def missed(self) -> tuple[Kept, ...]:
        """Deadlines that bind and are missed."""
        return missed(self.deadlines)

    @property
    def undo_too_slow(self) -> tuple[WaveTimes, ...]:
        """Waves after which not everything could be taken back in time."""
        return tuple(wave for wave in self.schedule.waves if not wave.undo.fits)

    @property
    def good(self) -> bool:
        """Whether it could be started like this: waves, windows, undo in time, no consent
        missing, no deadline missed."""
        return bool(self.plan.waves) and not (
            self.schedule.stuck or self.undo_too_slow or self.consents or self.missed
        )


def missed(deadlines: tuple[Kept, ...]) -> tuple[Kept, ...]:
    """Those that bind and are not kept."""
    return tuple(each for each in deadlines if each.binding and not each.kept)


class RolloutPlanRenderer(Protocol):
    """Turns a plan into the text of one format."""

    def __call__(self, report: RolloutPlanReport, page: Page) -> str:
        """The whole text, ending with a line break."""
        ...
