# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of a small chain, and a story: one change that things happen to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from storewarden.domain.change.commands import Approve, Command, Start
from storewarden.domain.change.decide import decide
from storewarden.domain.change.due import due
from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.machine import fold
from storewarden.domain.change.opening import open_change
from storewarden.domain.change.people import Person
from storewarden.domain.change.record import (
    Change,
    Debt,
    DebtKind,
    Draft,
    Item,
    KeyStep,
    Kind,
    Risk,
    RollbackPlan,
    Span,
    Standing,
    State,
)
from storewarden.domain.change.rules import ApprovalRules

NIGHT = datetime(2026, 6, 1, 15, tzinfo=UTC)  # 23:00 in Shanghai
NUMBER = "GMBG-20260601-001"
BACK = RollbackPlan(trigger="tills stay dark", steps="put the old packages back", owner="li")


def _person(name: str, *roles: str) -> Person:
    return Person(id=name, name=name.title(), roles=frozenset(roles))


ZHANG = _person("zhang")  # requests
LI = _person("li")  # owns
HEAD = _person("head", "department_head")
OPS = _person("ops", "operations_lead")
SEC = _person("sec", "security_lead")
BOTH = _person("both", "operations_lead", "security_lead")
BUSINESS = _person("business", "business")
IT = _person("it", "it")
KEEPER = _person("keeper", "system_owner")
EVERYBODY = (ZHANG, LI, HEAD, OPS, SEC, BOTH, BUSINESS, IT, KEEPER)


def draft(
    kind: Kind = Kind.STANDARD,
    risk: Risk = Risk.LOW,
    *,
    hosts: tuple[str, ...] = ("pos-1", "pos-2"),
    rollback: RollbackPlan = BACK,
    reason: str = "the update closes a hole",
    plan: str = "one till first",
    operation: str = "patch",
    owner: str = "li",
    window: Span | None = None,
    steps: tuple[KeyStep, ...] = (),
    standing: Standing | None = None,
) -> Draft:
    """What Zhang asks for and Li answers for."""
    return Draft(
        summary="new packages on the tills",
        kind=kind,
        risk=risk,
        reason=reason,
        items=tuple(Item(host=host, store="000101") for host in hosts),
        plan=plan,
        rollback=rollback,
        operation=operation,
        window=window,
        owner=owner,
        steps=steps,
        standing=standing,
    )


def restarting(until: timedelta = timedelta(days=90)) -> Draft:
    """A standing change: restart the till's printer service."""
    return draft(standing=Standing(action="heal_printing", until=NIGHT + until))


@dataclass(slots=True)
class Story:
    """One change and its events; ``now`` goes on by a minute with each question."""

    asked: Draft
    rules: ApprovalRules = field(default_factory=ApprovalRules)
    now: datetime = NIGHT
    by: Person = ZHANG
    events: list[ChangeEvent] = field(default_factory=list)
    opened: Decision = field(init=False)
    current: Change | None = None

    def __post_init__(self) -> None:
        self.opened = open_change(NUMBER, self.asked, self.by, self.rules, self.now)
        self._take(self.opened)

    @property
    def change(self) -> Change:
        assert self.current is not None
        return self.current

    @property
    def state(self) -> State:
        return self.change.state

    def ask(self, person: Person, command: Command) -> Decision:
        """What is decided also happens."""
        self.now += timedelta(minutes=1)
        decision = decide(self.change, command, person, self.rules, self.now)
        self._take(decision)
        return decision

    def does(self, person: Person, *commands: Command) -> Story:
        """Each of them, and none is refused."""
        for command in commands:
            decision = self.ask(person, command)
            assert decision.refusal == "", decision.refusal
        return self

    def why_not(self, person: Person, command: Command) -> str:
        """The refusal, which is recorded and changes nothing else."""
        before = self.change
        decision = self.ask(person, command)
        assert decision.refusal, f"{command} was allowed"
        assert [event.kind for event in decision.events] == [EventKind.REFUSED]
        assert self.change.version == before.version + 1
        return decision.refusal

    def passes(self, time: timedelta) -> Decision:
        """Time goes by and the clock looks at the change."""
        self.now += time
        decision = due(self.change, self.now, self.rules)
        self._take(decision)
        return decision

    def owes(self, kind: DebtKind) -> Debt | None:
        """The open debt of that kind."""
        return next((d for d in self.change.debts if d.kind is kind and not d.settled_at), None)

    def _take(self, decision: Decision) -> None:
        for event in decision.events:
            self.current = fold(self.current, event)
            self.events.append(event)


def approved(asked: Draft | None = None, *people: Person) -> Story:
    """A change that ``people`` (the department head) have approved."""
    story = Story(asked or draft())
    for person in people or (HEAD,):
        story.does(person, Approve())
    assert story.state is State.APPROVED
    return story


def begun(asked: Draft | None = None) -> Story:
    """A change that Li has started, with its approval."""
    return approved(asked).does(LI, Start())


def kinds(decision: Decision) -> list[EventKind]:
    """What happened, without the data."""
    return [event.kind for event in decision.events]
