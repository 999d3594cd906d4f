# SPDX-License-Identifier: GPL-3.0-or-later
"""One question as the deciding rooms see it: who asks what of which change, when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.people import Person
from storewarden.domain.change.plain import plain_value
from storewarden.domain.change.record import Change, Debt, DebtKind
from storewarden.domain.change.rules import ApprovalRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """``change`` is as it stands at ``now``; ``verb`` names the command in records."""

    change: Change
    person: Person
    rules: ApprovalRules
    now: datetime
    verb: str

    def event(self, kind: EventKind, **data: object) -> ChangeEvent:
        """An event by the one who asks; records, enums and moments in ``data`` become JSON."""
        return ChangeEvent(
            number=self.change.number,
            kind=kind,
            at=self.now,
            by=self.person.id,
            data={key: plain_value(value) for key, value in data.items()},
        )

    def record(self, *events: ChangeEvent) -> Decision:
        """It is done."""
        return Decision(events=events)

    def refuse(self, reason: str, hint: str = "", **data: object) -> Decision:
        """It is not done; that it was tried is recorded."""
        refused = self.event(EventKind.REFUSED, tried=self.verb, reason=reason, hint=hint, **data)
        return Decision(events=(refused,), refusal=reason, hint=hint)


def owed(change: Change, kind: DebtKind) -> Debt | None:
    """The open debt of this kind; None when nothing of it is owed."""
    return next((d for d in change.debts if d.kind is kind and d.settled_at is None), None)


def lacking(change: Change) -> tuple[str, ...]:
    """Parts of the paperwork that nobody has written yet (guide 1.3.4, 2.5.1)."""
    draft = change.draft
    parts = {"reason": draft.reason, "plan": draft.plan}
    return (*(name for name, text in parts.items() if not text.strip()), *no_way_back(change))


def no_way_back(change: Change) -> tuple[str, ...]:
    """Parts of the rollback plan that nobody has written yet."""
    plan = change.draft.rollback
    parts = {"trigger": plan.trigger, "steps": plan.steps, "owner": plan.owner}
    return tuple(f"the rollback plan's {name}" for name, text in parts.items() if not text.strip())
