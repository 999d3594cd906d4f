# SPDX-License-Identifier: GPL-3.0-or-later
"""What people (and flows) may ask of a change; ``decide`` answers.

Opening is not among them: before it there is no change (``opening.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storewarden.domain.change.record import (
    DebtKind,
    EvidenceKind,
    KeyStep,
    Outcome,
    RollbackPlan,
    Span,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What others found out about the moment of a start.

    ``forbidden`` is the window question's "no" in words ("" when it says yes) and ``hint`` when
    it will say yes; ``trading`` names stores among the change's items that are open now.
    ``override`` says, for the record, who set a "no" aside and why.
    """

    forbidden: str = ""
    hint: str = ""
    trading: tuple[str, ...] = ()
    override: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Say yes, with one's own name."""

    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Say no, for a reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Withdraw it before anything was done."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Write (or write anew) parts of the paperwork; None leaves a part as it is.

    Before the start this voids the approvals so far. After the start only an emergency that
    owes its paperwork may do it, without window and steps.
    """

    reason: str | None = None
    plan: str | None = None
    rollback: RollbackPlan | None = None
    window: Span | None = None
    steps: tuple[KeyStep, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Begin to touch machines. ``needs`` is how long that takes, taking it back included; zero
    when nobody said so."""

    needs: timedelta = timedelta(0)
    circumstances: Circumstances = field(default_factory=Circumstances)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Stop before the next step: something is odd."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on: a person has looked."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """A key step was done by the one who says so."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCheck:
    """A key step was checked by the one who says so."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Free text for the record."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """A stored document; ``digest`` is the hex sha256 of its ``size`` bytes."""

    kind: EvidenceKind
    name: str
    media_type: str
    size: int
    digest: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The work has ended."""

    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """End it with an outcome; also finishes work that nobody finished.

    ``reason`` is needed unless it was successful; ``left`` names hosts that are neither
    changed nor restored.
    """

    outcome: Outcome
    reason: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Pay a debt that nothing else pays: paperwork that is complete, items that are done."""

    debt: DebtKind
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a standing change, told after it ended; ``began`` is what the rules look at."""

    run: str
    hosts: tuple[str, ...]
    began: datetime
    succeeded: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Its mirror in a ticket system is known."""

    system: str
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOverride:
    """May it start until ``expires`` although windows forbid it? Asking anew voids the old one."""

    reason: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveOverride:
    """Say yes to the override, with one's own name."""

    comment: str = ""


Command = (
    Approve
    | Reject
    | Cancel
    | Plan
    | Start
    | Pause
    | Resume
    | StepDone
    | StepCheck
    | Note
    | Attach
    | Finish
    | Close
    | Settle
    | Run
    | Ticket
    | AskOverride
    | ApproveOverride
)
"""Everything ``decide`` answers."""
