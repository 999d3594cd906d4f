# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of one occurrence of an alert, and of one repair.

An occurrence is one alert from its start to its end, however often it was sent. A repair is one
action on at most 50 hosts, made for the occurrences that asked for the same thing at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from storewarden.domain.healing.alert import Alert

MOST_HOSTS = 50  # of one repair (reference: guard rails, "50/batch")


class Stage(StrEnum):
    """Where an occurrence stands."""

    RECEIVED = "received"  # stored; nothing was decided yet
    WAITING = "waiting"  # decided: not yet; looked at again at ``due``
    ASKING = "asking"  # a person has to say yes until ``due``
    ACTING = "acting"  # its repair was decided, or runs
    VERIFYING = "verifying"  # repaired; the alert's own expression is asked until ``due``
    HEALED = "healed"  # repaired and verified
    OBSERVED = "observed"  # mode observe: it would have been repaired
    SUPPRESSED = "suppressed"  # a guard says: nothing for now; looked at again at ``due``
    REFUSED = "refused"  # no rule, no host, not ours
    ESCALATED = "escalated"  # a person has to do it
    GONE = "gone"  # it was over before anything was done


OVER = frozenset(
    {
        Stage.HEALED,
        Stage.OBSERVED,
        Stage.REFUSED,
        Stage.ESCALATED,
        Stage.GONE,
    }
)
"""Stages in which nothing more is decided about an occurrence."""


class Verdict(StrEnum):
    """What is to be done about an occurrence."""

    ACT = "act"  # repair it now
    ASK = "ask"  # a person is asked first
    WAIT = "wait"  # not now; decided again at ``due``
    OBSERVE = "observe"  # say what would have been done
    SUPPRESS = "suppress"  # nothing for now: its store, or a maintenance, is the reason
    REFUSE = "refuse"  # nothing: it is not ours
    ESCALATE = "escalate"  # nothing by machine: a person is called
    DROP = "drop"  # nothing: the alert is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why: ``guard`` is the rule's name ("cooldown"), the texts are one line each."""

    guard: str
    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about one occurrence, and every reason for it; the first one weighs most.

    ``due`` is when to decide again (WAIT, SUPPRESS; a SUPPRESS without it is for good) or when a
    question runs out (ASK). ``options`` are the
    action's, as the rule makes them of the alert; ``incident`` groups what is told to people once
    ("store:000101", "storm:PosDown"), "" for an incident of its own.
    """

    verdict: Verdict
    at: datetime
    rule: str = ""
    action: str = ""
    hosts: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    due: datetime | None = None
    incident: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One alert from its start to its end. Times are UTC.

    ``number`` counts up in the order of arrival. ``resolved_at`` is when its sender said that it
    is over. ``granted`` is who said yes to a repair, "" for nobody; it counts until
    ``granted_until``. ``repair`` is the id of the last repair, ``tries`` how many there were.
    ``since`` is when it came to its stage; ``good`` how often in a row it was quiet, VERIFYING.
    ``agreed`` are the guards whose questions that yes answers. Until ``fresh`` it was held back, or
    over: it is as fresh as if it had begun then.
    """

    key: str
    number: int
    alert: Alert
    received_at: datetime
    stage: Stage = Stage.RECEIVED
    due: datetime | None = None
    resolved_at: datetime | None = None
    decision: Decision | None = None
    granted: str = ""
    granted_until: datetime | None = None
    repair: str = ""
    tries: int = 0
    since: datetime | None = None
    good: int = 0
    agreed: tuple[str, ...] = ()
    fresh: datetime | None = None

    @property
    def began_at(self) -> datetime:
        """When it began; of one that fires again, or was held back, when that was over."""
        starts = self.alert.starts_at
        return max(starts, self.fresh or starts)


class RepairState(StrEnum):
    """Where a repair stands."""

    OPEN = "open"  # decided; its run was not begun, or is under way
    ENDED = "ended"  # every host has its end


class End(StrEnum):
    """How a repair came out on one host; what the role reports, and what is said of a run."""

    REPAIRED = "repaired"  # the host says itself that it is well again
    HEALTHY = "healthy"  # nothing was wrong any more; nothing was touched
    LOOKED = "looked"  # only looked, as asked
    ESCALATE = "escalate"  # the action says that a person is needed; nothing was touched
    NOT_WELL = "not_well"  # repaired, and not well: taken back where there was something
    FAILED = "failed"  # the repair failed: taken back where there was something
    UNREACHABLE = "unreachable"  # no connection; nothing was touched
    NOT_BEGUN = "not_begun"  # the run was never started
    UNKNOWN = "unknown"  # nobody knows how the run came out


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEnd:
    """One host's end of a repair. ``detail`` is the role's report without its evidence, JSON."""

    host: str
    end: End
    reason: str = ""
    reason_zh: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One action on a few hosts. ``id`` is "<change>-H<n>": the standing change that allows it.

    ``occurrences`` are the keys of the alerts that asked for it. ``canary`` marks the one host
    that goes first after the failure breaker has opened.
    """

    id: str
    change: str
    action: str
    rule: str
    hosts: tuple[str, ...]
    occurrences: tuple[str, ...]
    opened_at: datetime
    options: Mapping[str, object] = field(default_factory=dict)
    disruptive: bool = False
    canary: bool = False
    state: RepairState = RepairState.OPEN
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    ends: tuple[HostEnd, ...] = ()
