# SPDX-License-Identifier: GPL-3.0-or-later
"""Where rollouts are kept. Every write is one transaction with the journal.

The book is also where several workers meet: it says which dispatch is whose, and nobody takes
one over without a higher epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from storewarden.domain.rollout.events import (
    Approved,
    EpochRaised,
    Happening,
    Judged,
    Locked,
    Moved,
    Opened,
    Ordered,
    RollbackBegan,
    RolloutEvent,
    SoakExtended,
    Started,
    Superseded,
    WaveBegan,
    WaveMoved,
)
from storewarden.domain.rollout.record import HostState, Rollout, RolloutState
from storewarden.domain.rollout.tables import ENDED, LINGERING
from storewarden.ports.ledger import JournalEntry

SILENT = timedelta(seconds=60)
"""Without a heartbeat for so long a worker counts as gone (reference: engine, fact 6)."""


TOLD: tuple[type[Happening], ...] = (
    Opened,
    Approved,
    Started,
    WaveBegan,
    Locked,
    WaveMoved,
    SoakExtended,
    Judged,
    Moved,
    Ordered,
    RollbackBegan,
    EpochRaised,
    Superseded,
)
"""What the ticket of the rollout's change is told, entry by entry. A ticket is for people: what
happens to each shard is thousands of entries, and stands in the journal."""

KEEPS_SLOT = frozenset({HostState.UNKNOWN, HostState.ATTENTION, HostState.OFFLINE_TOUCHED})
"""States in which a host counts as unavailable until it is probed, or released by name."""

_DONE_WITH = frozenset(
    {HostState.AT_TARGET, HostState.FINAL, HostState.RESTORED, HostState.SKIPPED}
)


def holds(rollout: RolloutState, host: HostState) -> bool:
    """Whether a rollout in this state holds a host in that one: no other may take it (I6).

    One that is over, except for some hosts that are still worked off, holds those: stragglers
    that are not caught up with, and after a rollback whatever is owed.
    """
    if rollout not in ENDED:
        return True
    if rollout not in LINGERING:
        return False
    if rollout is RolloutState.COMPLETED_WITH_STRAGGLERS:
        return host not in _DONE_WITH
    return host in KEEPS_SLOT or host is HostState.UNDOING


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The rollout as it is now; ``events`` are what was recorded; ``new`` is False when the key
    had been used already (then ``events`` is empty)."""

    rollout: Rollout
    events: tuple[RolloutEvent, ...]
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutLine:
    """A rollout in a list: without its hosts. ``counts`` maps host states to numbers."""

    number: str
    change: str
    payload: str
    state: RolloutState
    opened: datetime
    updated: datetime
    look_at: datetime | None
    wave: int
    waves: int
    counts: dict[str, int]
    held: str = ""
    held_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A dispatch as work for a worker. ``worker`` is who has taken it ("" for nobody); ``begun``
    is when its run was about to be started; ``ended`` when its result was recorded."""

    dispatch: str
    rollout: str
    epoch: int
    worker: str = ""
    taken: datetime | None = None
    begun: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process that runs dispatches; ``seen`` is its last heartbeat."""

    name: str
    started: datetime
    seen: datetime
    jobs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A rollout whose time has come. ``count`` is another one each time that its time is set, so
    that whoever looks notices when somebody set it meanwhile."""

    number: str
    at: datetime
    count: int

    @property
    def key(self) -> str:
        """The key of this look, never of another one: "GMBG-20260601-001-R1@7"."""
        return f"{self.number}@{self.count}"


type DecideRollout = Callable[[Rollout], Sequence[RolloutEvent]]
"""Pure and quick; it runs while everybody else who writes waits."""


class RolloutBook(Protocol):
    """Rollouts of the ledger. Methods raise LedgerConflict and AdapterError like the ledger."""

    def open_rollout(
        self, key: str, change: str, compose: Callable[[str], Sequence[RolloutEvent]]
    ) -> Told:
        """Take the change's next number ("GMBG-20260601-001-R1") and record what ``compose`` makes
        of it; its time to be looked at has come. The same ``key`` again returns the rollout that
        it opened. Raises ConfigInvalid when there is no such change.
        """
        ...

    def amend(
        self, number: str, key: str, decide: DecideRollout, *, look_at: datetime | None = None
    ) -> Told:
        """Decide under the lock and record the events. The same ``key`` again changes nothing.

        Every ``Dispatched`` among the events also becomes a job, every ``Reported`` ends one,
        in the same transaction; so does ``look_at``, as by ``look_again``, when there are events.
        When ``decide`` gives none, nothing is written and the key is not used up. No ``key`` may
        end like "#2". Raises ConfigInvalid when there is no such rollout.
        """
        ...

    def look_again(self, number: str, at: datetime | None, *, seen: int | None = None) -> None:
        """When the rollout is to be looked at next; no journal entry.

        Who has just looked gives the ``Look.count`` as ``seen``: then ``at`` (None: only when
        something happens) takes the place of that look's time; if somebody has set another one
        meanwhile, the earlier of both stays. Without ``seen`` it is a wish, and the earlier stays:
        a look that is going on is followed by another one.
        """
        ...

    def rollout(self, number: str) -> Rollout | None:
        """One rollout with all its hosts, None when there is none."""
        ...

    def lines(
        self, *, states: Collection[RolloutState] = (), change: str = "", limit: int = 0
    ) -> tuple[RolloutLine, ...]:
        """Rollouts, newest first."""
        ...

    def looks(self, now: datetime, limit: int = 100) -> tuple[Look, ...]:
        """Rollouts whose time has come, the longest waiting first. Cheap with many thousands
        that wait."""
        ...

    def due(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """The numbers of ``looks``."""
        ...

    def next_due(self) -> datetime | None:
        """When the next one's time comes, or came."""
        ...

    def host_states(self, hosts: Collection[str]) -> dict[str, tuple[str, str]]:
        """Host -> (rollout, state) where a rollout ``holds`` the host; the newest one that does."""
        ...

    def owing(self, hosts: Collection[str] = ()) -> dict[str, tuple[str, str]]:
        """Host -> (rollout, state) where the newest rollout of the host has ended and left it in
        one of ``KEEPS_SLOT``; of all hosts when none is named."""
        ...

    def history(self, number: str, *, after: int = 0) -> tuple[JournalEntry, ...]:
        """The journal entries of one rollout with a sequence above ``after``, in order."""
        ...

    # Workers (no journal entries: who works on what is nobody's evidence).

    def take_job(self, dispatch: str, worker: str, now: datetime) -> Job | None:
        """Take a dispatch, or take one's own again; None when somebody else has it or it ended."""
        ...

    def job_begun(self, dispatch: str, worker: str, now: datetime) -> None:
        """Its run is about to be started: to be called before, so that a job which is not begun
        has no run. Again: nothing happens. Raises Refused when it is no longer this worker's."""
        ...

    def jobs(
        self, *, rollout: str = "", worker: str = "", open_only: bool = True
    ) -> tuple[Job, ...]:
        """Dispatches as work, oldest first."""
        ...

    def free_job(self, dispatch: str, worker: str, now: datetime) -> bool:
        """Take a job away from a worker that is silent (``SILENT``) and had not begun it, so that
        another may take it; False when it had begun: then the dispatch is lost, its hosts are
        unknown, and only a probe with a higher epoch may decide. True when it has ended.

        Raises Refused when the worker has been heard of meanwhile, or the job is not its own.
        """
        ...

    def beat(self, worker: str, now: datetime) -> None:
        """A worker's heartbeat, every 15 s; the first one registers it."""
        ...

    def workers(self) -> tuple[Worker, ...]:
        """All that were seen in the last day, by name; ``jobs`` counts their open ones."""
        ...
