# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as it stands: its plan, its waves, its hosts, and what is under way.

Everything here is a fact that an event has told (``events.py``); nothing is computed from a
clock. The tables that say what may follow what are in ``machine.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from storewarden.domain.gates.verdict import Verdict
from storewarden.domain.rollout.spec import RolloutSpec


class RolloutState(StrEnum):
    """Where a rollout stands (reference: rollouts, "States")."""

    DRAFT = "draft"  # planned and recorded; nothing may happen yet
    APPROVED = "approved"  # its change is approved; waits for its start
    RUNNING = "running"  # waves go on
    PAUSED = "paused"  # somebody, or a rule, stopped it; nothing new is dispatched
    HELD_WINDOW = "held_window"  # outside of its windows: goes on by itself
    HELD_FREEZE = "held_freeze"  # a freeze or the kill switch is on
    ABORTING = "aborting"  # told to go back; waits for what is under way
    ROLLING_BACK = "rolling_back"  # hosts are being restored
    COMPLETED = "completed"  # every host is at its target
    COMPLETED_WITH_STRAGGLERS = "completed_with_stragglers"  # some are caught up with later
    ROLLED_BACK = "rolled_back"  # every touched host is as it was
    ROLLED_BACK_WITH_DEBT = "rolled_back_with_debt"  # some could not be reached or restored
    CANCELLED = "cancelled"  # withdrawn before a host was touched
    SUPERSEDED = "superseded"  # a newer rollout took its hosts over


class WaveState(StrEnum):
    """Where a wave stands."""

    PENDING = "pending"  # its turn has not come
    RUNNING = "running"  # its hosts are worked on
    SOAKING = "soaking"  # all are verified or set aside; it is being watched
    GATE = "gate"  # the soak is over; gates are asked
    HELD = "held"  # gates cannot tell: a person has to
    PROMOTED = "promoted"  # the next wave may begin
    FAILED = "failed"  # the rollout went back while it was under way


class HostState(StrEnum):
    """Where a host stands. ``busy`` ones and those that keep their slot count as unavailable."""

    PLANNED = "planned"  # untouched
    PREFLIGHT = "preflight"  # being looked at; its restore point is being captured
    CAPTURED = "captured"  # a verified restore point is on it
    APPLYING = "applying"  # being changed, dead man armed
    VERIFYING = "verifying"  # changed; being looked at over a new connection
    SOAKING = "soaking"  # verified and confirmed; its wave is being watched
    AT_TARGET = "at_target"  # its wave was promoted
    FINAL = "final"  # the rollout is over; out of exposure
    UNDOING = "undoing"  # being restored
    RESTORED = "restored"  # as it was at capture
    OFFLINE_UNTOUCHED = "offline_untouched"  # could not be reached before anything was changed
    OFFLINE_TOUCHED = "offline_touched"  # was changed, or may have been, and cannot be reached
    UNKNOWN = "unknown"  # its run ended without a word: a probe decides
    ATTENTION = "attention"  # needs a person; keeps its slot until probed or released by name
    SKIPPED = "skipped"  # has nothing to do, or was excused by a person


class Phase(StrEnum):
    """What one dispatch does on its hosts; also the name of the role's entry point."""

    PREFLIGHT = "preflight"  # look, secure what is needed, capture the restore point
    APPLY = "apply"  # arm, change
    JUDGE = "judge"  # over a new connection: verify, then confirm; else undo
    UNDO = "undo"  # restore
    PROBE = "probe"  # read only: what is the matter there


class Cause(StrEnum):
    """Why a rollout goes back."""

    GATE = "gate"  # a gate failed
    CANARY = "canary"  # a host of the first wave failed
    FAILURES = "failures"  # too many hosts of a later wave failed
    ORDER = "order"  # a person said so


class Setback(StrEnum):
    """What went wrong with a host, as far as it decides what comes next."""

    NONE = ""  # nothing
    FAILED = "failed"  # it could not be changed, or did not work afterwards: counts as a failure
    LOST = "lost"  # its run was lost in the middle: nobody's fault, it is tried again
    WINDOW = "window"  # the hard stop came before it was verified: tried again in the next window


class Hold(StrEnum):
    """Who stopped a paused rollout; decides whether it may go on by itself."""

    NONE = ""  # it is not paused
    ORDER = "order"  # a person: only a person lets it go on
    CHANGE = "change"  # its change does not let work go on: goes on when that does
    NETWORK = "network"  # all hosts of a wave are silent: a person looks
    CAPACITY = "capacity"  # the next wave could not be taken back in time: goes on when it could
    BACKUP = "backup"  # no host of the wave has a backup to fall back on: goes on when one has


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """How a host stood when it was dispatched. A run that never began leaves it so again: to wait
    for a free run is no try, and does not make its restore point younger."""

    state: HostState
    since: datetime | None = None
    phase: Phase | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """One host of a rollout.

    ``wave`` counts from 1; ``since`` is when it came into its state or was last asked;
    ``dispatch`` is what it is busy with ("" for nothing), ``phase`` what it was dispatched for
    last; ``tries`` is how often that phase was begun in a row; ``rounds`` how often its change
    was begun, ``undos`` how often it was to be restored. ``restore_point`` is the pack on the
    host; ``touched`` is true from the moment a change of it was dispatched until it is restored;
    ``debt`` says what is still owed ("" for nothing); ``reason`` is the last thing worth telling.
    """

    name: str
    store: str
    wave: int
    role: str = ""
    state: HostState = HostState.PLANNED
    since: datetime | None = None
    dispatch: str = ""
    phase: Phase | None = None
    tries: int = 0
    rounds: int = 0
    undos: int = 0
    restore_point: str = ""
    beneath: tuple[str, ...] = ()
    """Older packs that an undo takes back as well: of a rollout that this one superseded."""
    touched: bool = False
    applied: bool = False  # the change came to its end there
    judged: int = 0  # how often it was to be judged, since its change was begun last
    verified: datetime | None = None  # when it was confirmed
    setback: Setback = Setback.NONE
    hard_stop: datetime | None = None  # until when it must be verified, or is undone
    stood: Stood | None = None  # as long as it is busy: how it stood before
    seconds: float | None = None  # that its change took
    undo_seconds: float | None = None
    restored_at: datetime | None = None
    debt: str = ""
    debt_zh: str = ""
    reason: str = ""
    reason_zh: str = ""

    @property
    def points(self) -> tuple[str, ...]:
        """All packs that an undo takes back, the newest first."""
        return ((self.restore_point,) if self.restore_point else ()) + self.beneath


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRecord:
    """One wave. ``stores`` are those that it adds; ``number`` counts from 1."""

    number: int
    stores: tuple[str, ...]
    state: WaveState = WaveState.PENDING
    began: datetime | None = None
    soaking: datetime | None = None  # since when it is watched
    traded: timedelta = timedelta(0)  # of the soak, up to ``counted``
    counted: datetime | None = None
    extended: int = 0  # how often the soak was extended
    ended: datetime | None = None
    verdicts: tuple[Verdict, ...] = ()  # of the last look
    looked: datetime | None = None
    excused: bool = False  # promoted by a person although a gate held


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """One phase on one shard: intent first, then a run, then its end.

    ``id`` is unique for ever and is the run's label; ``epoch`` is the fencing number that goes
    to the hosts. ``hard_stop`` is until when its hosts must be verified (APPLY); ``why`` is what
    an UNDO answers to.
    """

    id: str
    phase: Phase
    wave: int
    hosts: tuple[str, ...]
    epoch: int
    at: datetime
    try_: int = 1
    hard_stop: datetime | None = None
    why: Setback = Setback.NONE
    day: str = ""  # the site's date, where stragglers are caught up with


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionLock:
    """What the canary resolved: exact versions and digests that every wave installs (I5)."""

    digest: str
    data: Mapping[str, object]
    host: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The clock of going back: ``verdict`` is t0; the first undo is owed within 30 min, the last
    reachable host within 1 h of it (guide 1.3.4, 2.5.4)."""

    cause: Cause
    reason: str
    verdict: datetime
    by: str = ""
    reason_zh: str = ""
    first_undo: datetime | None = None
    last_restored: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A rollout as it stands. ``number`` is its change's number and "-R1", "-R2" ..

    ``hosts`` are in the plan's order; ``dispatches`` are those under way; ``membership`` is the
    digest of the frozen plan; ``held`` is why nothing goes on ("" while it does); ``serial``
    counts events, so that a stale reader notices; ``caught_up`` counts stragglers taken per day.
    ``resumed`` is when a person last let it go on.
    """

    number: str
    change: str
    spec: RolloutSpec
    state: RolloutState
    waves: tuple[WaveRecord, ...]
    hosts: Mapping[str, HostRecord]
    membership: str
    opened: datetime
    by: str
    epoch: int = 1
    serial: int = 0
    dispatched: int = 0  # dispatches so far: the next one's number
    dispatches: Mapping[str, Dispatch] = field(default_factory=dict)
    lock: VersionLock | None = None
    started: datetime | None = None
    ended: datetime | None = None
    held: str = ""
    held_zh: str = ""
    until: datetime | None = None  # when what holds it ends, where that is known
    rollback: Rollback | None = None
    hold: Hold = Hold.NONE  # who stopped it, while it is paused
    resumed: datetime | None = None
    superseded_by: str = ""
    supersedes: str = ""
    failures: int = 0  # hosts that failed since the rollout began
    caught_up: Mapping[str, int] = field(default_factory=dict)  # day -> stragglers begun

    @property
    def wave(self) -> WaveRecord | None:
        """The wave under way, or next; None when all are promoted."""
        return next((each for each in self.waves if each.state is not WaveState.PROMOTED), None)

    @property
    def saved_before(self) -> tuple[HostRecord, ...]:
        """Hosts that were as before when the decision to go back was made: the run that judged
        them, or their own dead man, had restored them at once. No clock of going back has them."""
        if self.rollback is None:
            return ()
        verdict = self.rollback.verdict
        return tuple(
            host
            for host in self.hosts.values()
            if host.restored_at is not None and host.restored_at <= verdict and not host.touched
        )
