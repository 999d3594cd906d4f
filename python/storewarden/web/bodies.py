# SPDX-License-Identifier: GPL-3.0-or-later
"""What requests about changes say, checked for form; the rules are the domain's."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from storewarden.domain.change.commands import AskOverride, Close, Plan, Run, Start
from storewarden.domain.change.record import (
    DebtKind,
    KeyStep,
    Kind,
    Outcome,
    Risk,
    RollbackPlan,
    Span,
    Standing,
)
from storewarden.flows.change_desk import ChangeRequest
from storewarden.web.texts import Line, Moment, Text

Hosts = Annotated[list[Line], Field(max_length=20_000)]


class _Body(BaseModel):
    """Unknown keys are refused: a misspelt one would silently not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RollbackBody(_Body):
    """What triggers taking it back, the steps, and who does it."""

    trigger: Text = ""
    steps: Text = ""
    owner: Line = ""

    def value(self) -> RollbackPlan:
        """As a record."""
        return RollbackPlan(trigger=self.trigger, steps=self.steps, owner=self.owner)


class WindowBody(_Body):
    """From ``starts`` to ``ends``, both with a zone."""

    starts: Moment
    ends: Moment

    def value(self) -> Span:
        """As a record."""
        return Span(starts=self.starts, ends=self.ends)


class NextWindowBody(_Body):
    """The next window in which so many minutes fit."""

    needs_minutes: Annotated[int, Field(ge=1, le=7 * 24 * 60)]


class StartBody(_Body):
    """How long the work takes, taking it back included; then it must fit before windows close."""

    needs_minutes: Annotated[int, Field(ge=1, le=7 * 24 * 60)] | None = None

    def command(self) -> Start:
        """As a command."""
        return Start(needs=timedelta(minutes=self.needs_minutes or 0))


class StepBody(_Body):
    """A key step; ``two_person`` ones are checked by somebody else."""

    name: Line
    two_person: bool = False

    def value(self) -> KeyStep:
        """As a record."""
        return KeyStep(name=self.name, two_person=self.two_person)


class StandingBody(_Body):
    """Pre-approval of one repeated small action."""

    action: Line
    until: Moment

    def value(self) -> Standing:
        """As a record."""
        return Standing(action=self.action, until=self.until)


class ChangeBody(_Body):
    """A request for a change. ``hosts`` are inventory names and Ansible patterns."""

    summary: Line
    kind: Kind
    risk: Risk
    reason: Text = ""
    hosts: Hosts = []
    plan: Text = ""
    rollback: RollbackBody = RollbackBody()
    operation: Line = ""
    window: WindowBody | NextWindowBody | None = None
    owner: Line = ""
    steps: Annotated[list[StepBody], Field(max_length=200)] = []
    standing: StandingBody | None = None

    def request(self) -> ChangeRequest:
        """As the desk takes it."""
        window, needs = self.window, None
        if isinstance(window, NextWindowBody):
            needs = timedelta(minutes=window.needs_minutes)
        return ChangeRequest(
            summary=self.summary,
            kind=self.kind,
            risk=self.risk,
            reason=self.reason,
            hosts=tuple(self.hosts),
            plan=self.plan,
            rollback=self.rollback.value(),
            operation=self.operation,
            window=window.value() if isinstance(window, WindowBody) else None,
            needs=needs,
            owner=self.owner,
            steps=tuple(step.value() for step in self.steps),
            standing=self.standing.value() if self.standing else None,
        )


class PlanBody(_Body):
    """Parts of the paperwork written anew; what is left out stays as it is."""

    reason: Text | None = None
    plan: Text | None = None
    rollback: RollbackBody | None = None
    window: WindowBody | None = None
    steps: Annotated[list[StepBody], Field(max_length=200)] | None = None

    def command(self) -> Plan:
        """As a command."""
        return Plan(
            reason=self.reason,
            plan=self.plan,
            rollback=self.rollback.value() if self.rollback else None,
            window=self.window.value() if self.window else None,
            steps=None if self.steps is None else tuple(step.value() for step in self.steps),
        )


class CommentBody(_Body):
    """A word with a yes."""

    comment: Text = ""


class OverrideBody(_Body):
    """Why it cannot wait for its window, and when the permission ends."""

    reason: Text
    expires: Moment

    def command(self) -> AskOverride:
        """As a command."""
        return AskOverride(reason=self.reason, expires=self.expires)


class ReasonBody(_Body):
    """Why."""

    reason: Text = ""


class TextBody(_Body):
    """Free text."""

    text: Text


class StepNameBody(_Body):
    """Which key step."""

    step: Line


class FinishBody(_Body):
    """A word at the end of the work."""

    note: Text = ""


class CloseBody(_Body):
    """How it ended; ``left`` are hosts that are neither changed nor restored."""

    outcome: Outcome
    reason: Text = ""
    left: Hosts = []

    def command(self) -> Close:
        """As a command."""
        return Close(outcome=self.outcome, reason=self.reason, left=tuple(self.left))


class SettleBody(_Body):
    """How a debt was paid."""

    debt: DebtKind
    what: Text = ""


class RunBody(_Body):
    """One run of a standing change, told after it ended."""

    run: Line
    hosts: Hosts
    began: Moment
    succeeded: bool
    note: Text = ""

    def command(self) -> Run:
        """As a command."""
        return Run(
            run=self.run,
            hosts=tuple(self.hosts),
            began=self.began,
            succeeded=self.succeeded,
            note=self.note,
        )
