# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to a rollout: the facts that the journal keeps.

In the journal an event is the entry kind ``"rollout " + kind``, the run is the rollout's number,
and the body is ``{"by", "at", ...}`` with the event's own fields (``plain.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from storewarden.domain.gates.verdict import Verdict
from storewarden.domain.rollout.record import (
    Cause,
    Dispatch,
    Hold,
    HostRecord,
    HostState,
    Phase,
    RolloutState,
    VersionLock,
    WaveRecord,
    WaveState,
)
from storewarden.domain.rollout.spec import RolloutSpec

STOREWARDEN = "storewarden"
"""Who tells what no person said."""


class Report(StrEnum):
    """What one host says, or what is said of it, at the end of one phase."""

    READY = "ready"  # PREFLIGHT: fit, and its restore point is captured
    NOTHING = "nothing"  # PREFLIGHT, UNDO: there is nothing to do
    REFUSED = "refused"  # the host, or the role's preflight, said no; nothing was changed
    APPLIED = "applied"  # APPLY: changed; the dead man is armed
    VERIFIED = "verified"  # JUDGE: it works, and the restore point is confirmed
    RESTORED = "restored"  # UNDO, or a host that undid by itself: as it was at capture
    RESIDUE = "residue"  # an undo that left something over
    FAILED = "failed"  # the phase failed; what that means for the host, a probe says
    UNREACHABLE = "unreachable"  # no connection
    UNKNOWN = "unknown"  # the run ended in its middle
    NOT_BEGUN = "not_begun"  # PREFLIGHT, APPLY: its run was never started; nothing was asked of it
    BUSY = "busy"  # PROBE: something of ours still works there
    ARMED = "armed"  # PROBE: changed or half changed, the dead man runs, nothing works on it
    CONFIRMED = "confirmed"  # PROBE: its restore point is confirmed: it is at the target
    UNTOUCHED = "untouched"  # PROBE: no restore point of this rollout, or one never armed


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """One host's end of one phase. Texts are one line; ``seconds`` is what it took there."""

    host: str
    report: Report
    reason: str = ""
    reason_zh: str = ""
    restore_point: str = ""
    seconds: float | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    """JSON data for the journal: what was changed, probes, residue. A few kB at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Planned and recorded; membership is frozen."""

    change: str
    spec: RolloutSpec
    waves: tuple[WaveRecord, ...]
    hosts: tuple[HostRecord, ...]
    membership: str
    supersedes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Its change has all approvals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The first wave may begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveBegan:
    """A wave's turn has come."""

    wave: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """The intent to run a phase on hosts; written before the run exists (I2)."""

    dispatch: Dispatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A dispatch ended; every host of it has a report. ``lost`` when nobody knows how."""

    dispatch: str
    phase: Phase
    reports: tuple[HostReport, ...]
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """The canary resolved exact versions."""

    lock: VersionLock


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveMoved:
    """A wave goes to another state; ``reason`` says why."""

    wave: int
    to: WaveState
    reason: str = ""
    reason_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakCounted:
    """So much trade was seen up to now."""

    wave: int
    traded: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakExtended:
    """Gates could not tell: the wave is watched for another soak."""

    wave: int
    reason: str
    reason_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """All gates of a wave were asked."""

    wave: int
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The rollout goes to another state; ``until`` is when what holds it ends, ``hold`` who
    stopped it when it is paused."""

    to: RolloutState
    reason: str = ""
    reason_zh: str = ""
    until: datetime | None = None
    hold: Hold = Hold.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """A person gave an order: pause, resume, promote, abort, rollback, release, cancel. ``host``
    for a release; what follows from it are events of their own. One that was refused changed
    nothing, and says why."""

    order: str
    reason: str
    host: str = ""
    accepted: bool = True
    refusal: str = ""
    refusal_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackBegan:
    """The decision to go back: its time is t0."""

    cause: Cause
    reason: str
    reason_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMoved:
    """A host goes to another state without a run: promoted, final, released, set aside."""

    hosts: tuple[str, ...]
    to: HostState
    reason: str = ""
    reason_zh: str = ""
    debt: str = ""
    debt_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRaised:
    """From now on hosts refuse words of older dispatches."""

    epoch: int
    reason: str
    reason_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A newer rollout took over."""

    by: str


type Happening = (
    Opened
    | Approved
    | Started
    | WaveBegan
    | Dispatched
    | Reported
    | Locked
    | WaveMoved
    | SoakCounted
    | SoakExtended
    | Judged
    | Moved
    | Ordered
    | RollbackBegan
    | HostMoved
    | EpochRaised
    | Superseded
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEvent:
    """One event of rollout ``number``; ``by`` is a person's id, or "storewarden"."""

    number: str
    at: datetime
    by: str
    what: Happening
