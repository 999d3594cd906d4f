# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of one change, as it stands after its events so far.

A change is never edited: events happen to it (``events.py``), and this record is
what they add up to. All times are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Kind(Enum):
    """What sort of change (guide 2.5.1, 12.1.2)."""

    STANDARD = "standard"  # planned, low risk, known procedure
    EMERGENCY = "emergency"  # act first, paperwork within 24 h
    MAJOR = "major"  # business and IT approve, tested, outside opening hours
    MINOR = "minor"  # any quiet time, the system's owner approves


class Risk(Enum):
    """How much can go wrong (guide 2.5.2)."""

    LOW = "low"  # one system, known, quickly taken back
    MEDIUM = "medium"  # several systems, or trade may notice
    HIGH = "high"  # core systems, data, or money


class State(Enum):
    """Where a change stands; ``machine.py`` holds the only table of transitions."""

    REQUESTED = "requested"  # waits for approvals
    APPROVED = "approved"  # every approval is there and none has expired
    REJECTED = "rejected"  # refused by a person, or by rule
    CANCELLED = "cancelled"  # withdrawn before anything was done
    IN_PROGRESS = "in progress"  # machines are being touched
    PAUSED = "paused"  # an anomaly stopped it; no new step begins
    DONE = "done"  # the work has ended; outcome or paperwork is still owed
    CLOSED = "closed"  # ended with an outcome; only debts may still be settled


class Outcome(Enum):
    """How a change ended."""

    SUCCESSFUL = "successful"  # verified on every configuration item
    ROLLED_BACK = "rolled back"  # taken back, verified as before
    FAILED = "failed"  # neither there nor back
    PARTIAL = "partial"  # on some items only; the rest is debt


class EvidenceKind(Enum):
    """What a piece of evidence proves."""

    TEST = "test"  # tried in a test environment first
    AUDIT = "audit"  # a baseline audit's report
    VERIFICATION = "verification"  # checked after the work
    OTHER = "other"  # anything else worth keeping


class DebtKind(Enum):
    """What an emergency (or a partial change) still owes."""

    APPROVAL = "approval"  # approvals that were skipped
    TEST = "test evidence"  # the test that was skipped (guide 1.3.2: 48 h)
    PAPERWORK = "paperwork"  # reason, plan and rollback plan written down (guide 2.5.1: 24 h)
    ITEMS = "items"  # configuration items that are neither changed nor restored


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A configuration item, frozen when the change was opened. ``host`` is the inventory name."""

    host: str
    ci: str = ""
    store: str = ""
    region: str = ""
    role: str = ""
    tier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPlan:
    """How to take it back: what triggers that, the steps, and who does it (guide 1.3.4)."""

    trigger: str = ""
    steps: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From ``starts`` (included) to ``ends`` (excluded)."""

    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's yes. Not counted any more at ``expires`` unless the work began before."""

    person: str
    roles: tuple[str, ...]
    at: datetime
    expires: datetime
    comment: str = ""
    expired: bool = False
    """It ran out unused, or the plan was written anew after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOverride:
    """A wish to start although windows forbid it, until ``expires``, and who has agreed.

    It counts once two people agreed (``overriding.py``); an approval that is marked as expired
    was given before the plan was written anew.
    """

    reason: str
    expires: datetime
    asked_by: str
    asked_at: datetime
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A stored document; ``digest`` is the hex sha256 of its bytes, by which it is found again."""

    kind: EvidenceKind
    name: str
    media_type: str
    size: int
    digest: str
    by: str
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStep:
    """A step of the plan; ``two_person`` ones count only when another person checked them."""

    name: str
    two_person: bool = False
    done_by: str = ""
    done_at: datetime | None = None
    checked_by: str = ""
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """Something owed until ``due``."""

    kind: DebtKind
    due: datetime
    what: str = ""
    reminded: int = 0
    settled_by: str = ""
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Pre-approval for one repeated small action, valid until ``until``; each run is an event."""

    action: str
    until: datetime
    runs: int = 0
    failures: int = 0
    last_run: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody asks for. ``operation`` names an operation class of ``domain.maintenance``."""

    summary: str
    kind: Kind
    risk: Risk
    reason: str
    items: tuple[Item, ...]
    plan: str = ""
    rollback: RollbackPlan = field(default_factory=RollbackPlan)
    operation: str = ""
    window: Span | None = None
    owner: str = ""
    steps: tuple[KeyStep, ...] = ()
    standing: Standing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. ``number`` is like GMBG-20260601-001; ``version`` counts its events."""

    number: str
    version: int
    state: State
    draft: Draft
    requester: str
    opened_at: datetime
    owner: str
    approvals: tuple[Approval, ...] = ()
    override: WindowOverride | None = None
    """The one that was asked for last."""
    evidence: tuple[Evidence, ...] = ()
    steps: tuple[KeyStep, ...] = ()
    debts: tuple[Debt, ...] = ()
    standing: Standing | None = None
    reason: str = ""
    """Why it was rejected, cancelled, paused or ended as it did."""
    outcome: Outcome | None = None
    started_at: datetime | None = None
    started_by: str = ""
    ended_at: datetime | None = None
    closed_at: datetime | None = None
    tickets: Mapping[str, str] = field(default_factory=dict)
    """Ticket system -> ticket id."""
    reminders: Mapping[str, int] = field(default_factory=dict)
    """What is waited for ("approvals", "start") -> how often somebody was reminded of it."""
    updated_at: datetime | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Inventory names of all configuration items."""
        return tuple(item.host for item in self.draft.items)
