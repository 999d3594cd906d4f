# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever people do in whatever order: the promises hold."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storewarden.domain.change.approvals import missing, open_roles, required
from storewarden.domain.change.commands import (
    Approve,
    ApproveOverride,
    AskOverride,
    Attach,
    Cancel,
    Circumstances,
    Close,
    Command,
    Finish,
    Note,
    Pause,
    Plan,
    Reject,
    Resume,
    Run,
    Settle,
    Start,
    StepCheck,
    StepDone,
    Ticket,
)
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.machine import replay
from storewarden.domain.change.overriding import in_force
from storewarden.domain.change.people import CLOCK
from storewarden.domain.change.plain import body_of, entry_kind, event_of, plain, typed
from storewarden.domain.change.record import (
    Change,
    DebtKind,
    Draft,
    EvidenceKind,
    KeyStep,
    Kind,
    Outcome,
    Risk,
    RollbackPlan,
    Standing,
    State,
)
from tests.amount import examples
from tests.unit.change.story import BACK, EVERYBODY, NIGHT, NUMBER, Story, draft

_STEPS = (KeyStep(name="dump", two_person=True), KeyStep(name="copy"))
_STANDING = Standing(action="heal_printing", until=NIGHT + timedelta(days=20))
_FINAL = ("outcome", "reason", "closed_at", "steps", "standing", "started_at", "ended_at")

people = st.sampled_from((*EVERYBODY, CLOCK))
names = st.sampled_from(("dump", "copy", "pray"))
words = st.sampled_from(("", "because"))
standing = st.builds(
    lambda risk: draft(Kind.STANDARD, risk, standing=_STANDING), st.sampled_from(Risk)
)
drafts: st.SearchStrategy[Draft] = standing | st.builds(
    draft,
    st.sampled_from(Kind),
    st.sampled_from(Risk),
    steps=st.sampled_from(((), _STEPS)),
    rollback=st.sampled_from((BACK, RollbackPlan())),
    owner=st.sampled_from(("li", "ops", "head")),
)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(Approve),
    st.builds(Reject, reason=words),
    st.builds(Cancel),
    st.builds(Plan, plan=st.just("new"), rollback=st.sampled_from((None, BACK))),
    st.builds(
        Start,
        circumstances=st.sampled_from((Circumstances(), Circumstances(trading=("000101",)))),
    ),
    st.builds(Pause, reason=words),
    st.builds(Resume),
    st.builds(StepDone, step=names),
    st.builds(StepCheck, step=names),
    st.builds(Note, text=words),
    st.builds(
        Attach,
        kind=st.sampled_from(EvidenceKind),
        name=st.just("a"),
        media_type=st.just("text/plain"),
        size=st.just(1),
        digest=st.just("ab" * 32),
    ),
    st.builds(Finish),
    st.builds(
        Close,
        outcome=st.sampled_from(Outcome),
        reason=words,
        left=st.sampled_from(((), ("pos-1",))),
    ),
    st.builds(Settle, debt=st.sampled_from(DebtKind), what=words),
    st.builds(Ticket, system=st.just("rt"), ticket=st.just("7")),
    st.builds(
        AskOverride,
        reason=words,
        expires=st.integers(-1, 200).map(lambda hours: NIGHT + timedelta(hours=hours)),
    ),
    st.builds(ApproveOverride),
)


class AnyStory(RuleBasedStateMachine):
    """Random people ask random things of one change while time goes by."""

    story: Story
    final: Change | None = None

    @initialize(asked=drafts)
    def open(self, asked: Draft) -> None:
        self.story = Story(asked)

    @rule(person=people, command=commands)
    def anything(self, person: object, command: Command) -> None:
        before = self.story.change
        decision = self.story.ask(person, command)  # type: ignore[arg-type]
        after = self.story.change
        if decision.refusal:
            self._unmoved(before, after)
            assert [event.kind for event in decision.events] == [EventKind.REFUSED]
        elif isinstance(command, Start):
            self._started(before)
        elif isinstance(command, Close) and command.outcome is Outcome.SUCCESSFUL:
            assert all(s.done_by and (s.checked_by or not s.two_person) for s in after.steps)

    @precondition(lambda self: self.story.state in (State.REQUESTED, State.IN_PROGRESS))
    @rule(data=st.data())
    def the_right_people_approve(self, data: st.DataObject) -> None:
        """Chance alone would hardly ever collect four signatures."""
        for person in data.draw(st.permutations(EVERYBODY)):
            self.anything(person, Approve())

    @precondition(lambda self: self.story.change.standing is not None)
    @rule(ago=st.integers(0, 60), hosts=st.sampled_from((("pos-1",), ("pos-9",), ())))
    def run(self, ago: int, hosts: tuple[str, ...]) -> None:
        before = self.story.change
        began = self.story.now - timedelta(minutes=ago)
        command = Run(run="r", hosts=hosts, began=began, succeeded=bool(ago % 2))
        decision = self.story.ask(CLOCK, command)
        if decision.refusal:
            self._unmoved(before, self.story.change)
            return
        assert before.standing is not None
        assert before.state is State.APPROVED
        assert missing(before, self.story.rules, began) == ()
        assert began < before.standing.until
        assert hosts == ("pos-1",)

    @rule(hours=st.sampled_from((0, 1, 5, 30, 100, 200, 500)))
    def time(self, hours: int) -> None:
        self.story.passes(timedelta(hours=hours))

    @invariant()
    def the_record_is_what_its_events_add_up_to(self) -> None:
        change, events = self.story.change, self.story.events
        assert replay(events) == change
        assert change.version == len(events)
        stored = [json.loads(json.dumps(body_of(event))) for event in events]
        kinds = [entry_kind(event.kind) for event in events]
        back = [event_of(NUMBER, k, NIGHT, b) for k, b in zip(kinds, stored, strict=True)]
        assert replay(back) == change
        assert typed(json.loads(json.dumps(plain(change)))) == change

    @invariant()
    def nobody_approved_their_own(self) -> None:
        change = self.story.change
        own = {change.requester, change.owner, CLOCK.id}
        assert own.isdisjoint(each.person for each in change.approvals)
        late = [a for a in change.approvals if change.started_at and a.at > change.started_at]
        assert {change.started_by}.isdisjoint(each.person for each in late)

    @invariant()
    def approved_means_that_everybody_said_yes(self) -> None:
        change = self.story.change
        if change.state is State.APPROVED:
            given = [each for each in change.approvals if not each.expired]
            assert open_roles(required(change, self.story.rules), given) == ()
            assert len({each.person for each in given}) == len(given)

    @invariant()
    def an_override_in_force_has_two_others_behind_it(self) -> None:
        change, now = self.story.change, self.story.now
        found = in_force(change, now)
        if found is not None and change.override is not None:
            own = {change.requester, change.owner, change.override.asked_by, CLOCK.id}
            assert len(set(found.people) - own) == len(found.people) == 2
            assert change.override.reason.strip()
            assert now < change.override.expires <= change.override.asked_at + timedelta(days=7)

    @invariant()
    def closed_is_final_but_for_debts(self) -> None:
        change = self.story.change
        if change.state is not State.CLOSED:
            return
        if self.final is None:
            self.final = change
        for name in _FINAL:
            assert getattr(change, name) == getattr(self.final, name)
        assert len(change.debts) == len(self.final.debts)

    @invariant()
    def whoever_checked_a_step_had_not_done_it(self) -> None:
        for step in self.story.change.steps:
            assert not step.checked_by or step.checked_by not in ("", step.done_by, CLOCK.id)

    def _started(self, before: Change) -> None:
        after, rules = self.story.change, self.story.rules
        assert after.state is State.IN_PROGRESS
        owed = {debt.kind for debt in after.debts}
        if after.draft.kind is not Kind.EMERGENCY:
            assert missing(after, rules, self.story.now) == ()
            assert after.draft.rollback == BACK
            assert owed == set()
        elif missing(before, rules, self.story.now):
            assert {DebtKind.APPROVAL, DebtKind.PAPERWORK} <= owed

    @staticmethod
    def _unmoved(before: Change, after: Change) -> None:
        same = plain(before) | {"version": after.version, "updated_at": plain(after)["updated_at"]}
        assert plain(after) == same
        assert after.version == before.version + 1


AnyStory.TestCase.settings = settings(
    max_examples=examples(60), stateful_step_count=30, deadline=None
)
TestAnyStory = AnyStory.TestCase
