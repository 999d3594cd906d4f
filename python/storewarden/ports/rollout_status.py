# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout, ready to be looked at; and what turns it into text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Protocol

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.rollout.record import HostRecord, HostState, Rollout, WaveRecord
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.reports import Page

DONE = frozenset({HostState.SOAKING, HostState.AT_TARGET, HostState.FINAL, HostState.SKIPPED})
"""Hosts of which nothing more is wanted for now."""

TROUBLED = frozenset(
    {
        HostState.UNKNOWN,
        HostState.ATTENTION,
        HostState.OFFLINE_TOUCHED,
        HostState.OFFLINE_UNTOUCHED,
        HostState.RESTORED,
    }
)
"""Hosts that are not where they were meant to go."""


class NoSuchRollout(ConfigInvalid):
    """There is no rollout of that number."""


class StatusFormat(StrEnum):
    """The shapes of a rollout's status."""

    TABLE = "table"  # for a person at a shell
    JSON = "json"  # for programs; documented, versioned


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """A rollout at the moment ``at``; ``tail`` are its last journal entries, oldest first.

    ``stopped`` is why the kill switch lets nothing begin ("" when it does).
    """

    rollout: Rollout
    at: datetime
    tail: tuple[JournalEntry, ...] = ()
    stopped: str = ""
    site: str = ""
    zone: tzinfo = UTC

    @property
    def counts(self) -> Mapping[HostState, int]:
        """How many hosts are in which state."""
        return Counter(host.state for host in self.rollout.hosts.values())

    def troubled(self, host: HostRecord) -> bool:
        """Whether a host is not where it was meant to go: restored is the aim of a rollback, and
        trouble in a rollout that goes forward."""
        if host.state is HostState.RESTORED:
            return self.rollout.rollback is None
        return host.state in TROUBLED

    @property
    def by_wave(self) -> Mapping[int, tuple[HostRecord, ...]]:
        """The hosts of each wave, by its number."""
        found: dict[int, list[HostRecord]] = {}
        for host in self.rollout.hosts.values():
            found.setdefault(host.wave, []).append(host)
        return {wave: tuple(hosts) for wave, hosts in found.items()}

    def watched(self, wave: WaveRecord) -> tuple[timedelta, timedelta] | None:
        """How long a wave still has to be watched, by the clock and in trade; None before it is.

        A soak that was extended begins anew each time.
        """
        if wave.soaking is None:
            return None
        soak, none = self.rollout.spec.watched, timedelta(0)
        wall = wave.soaking + soak.wall - self.at
        return max(wall, none), max(soak.trading - wave.traded, none)


class RolloutStatusRenderer(Protocol):
    """Turns a status into the text of one format."""

    def __call__(self, status: RolloutStatus, page: Page, rows: int = 0) -> str:
        """The text, ending with a line break: the whole of it, or what fits into ``rows`` lines
        of a screen when they are given."""
        ...
