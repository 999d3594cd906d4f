# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of an occurrence's life: what it allows happens, what it does not is refused.

A machine tells any event at any time, twice and too late, and compares with the table.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from storewarden.domain.healing.events import (
    AlertEvent,
    Arrived,
    Decided,
    Denied,
    Granted,
    Happening,
    Moved,
    Refired,
    Resolved,
)
from storewarden.domain.healing.machine import NEXT, STAGE_OF, fold, replay
from storewarden.domain.healing.record import OVER, Decision, Occurrence, Stage, Verdict
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import World
from tests.amount import examples
from tests.unit.healing.scenes import (
    ACTIONS,
    NOON,
    RULES,
    TRUSTED,
    alert,
    decided,
    heard,
    minutes,
    world,
)

OPEN = (Stage.RECEIVED, Stage.WAITING, Stage.ASKING, Stage.SUPPRESSED)
WAITS = (Verdict.WAIT, Verdict.ASK)
REOPENED = (Stage.GONE, Stage.HEALED)


def event(what: Happening, at: datetime = NOON) -> AlertEvent:
    """Something that happens to the till's alert."""
    return AlertEvent(key=alert().key, at=at, what=what, by="wang")


def decision(verdict: Verdict) -> Decided:
    """A decision as the table wants it."""
    due = NOON + minutes(5) if verdict in WAITS else None
    made = Decision(verdict=verdict, at=NOON, due=due)
    return Decided(decision=made, repair="C-H1" if verdict is Verdict.ACT else "")


def moved(stage: Stage) -> Moved:
    """A move as the table wants it."""
    due = NOON + minutes(5) if stage in (Stage.WAITING, Stage.VERIFYING) else None
    return Moved(stage=stage, reason="x", due=due)


def standing(stage: Stage) -> Occurrence:
    """The till's occurrence in a stage."""
    return replace(heard(), stage=stage)


def test_the_table_knows_every_stage_and_every_verdict() -> None:
    assert NEXT.keys() == set(Stage)
    assert STAGE_OF.keys() == set(Verdict)
    assert all(not NEXT[each] for each in OVER)


@pytest.mark.parametrize(("stage", "verdict"), list(product(Stage, Verdict)))
def test_only_what_is_open_is_decided(stage: Stage, verdict: Verdict) -> None:
    if stage not in OPEN:
        with pytest.raises(ValueError, match="decided already"):
            fold(standing(stage), event(decision(verdict)))
        return
    found = fold(standing(stage), event(decision(verdict)))
    assert found.stage is STAGE_OF[verdict]
    assert found.tries == (verdict is Verdict.ACT)
    assert (found.due is not None) is (verdict in WAITS)


@pytest.mark.parametrize(("stage", "to"), list(product(Stage, Stage)))
def test_moves_follow_the_table(stage: Stage, to: Stage) -> None:
    if stage in OPEN or to not in NEXT[stage]:
        with pytest.raises(ValueError, match="cannot become"):
            fold(standing(stage), event(moved(to)))
    else:
        assert fold(standing(stage), event(moved(to))).stage is to


def test_it_arrives_once_and_as_itself() -> None:
    arrived = event(Arrived(number=1, alert=alert()))
    assert fold(None, arrived).stage is Stage.RECEIVED
    with pytest.raises(ValueError, match="arrived twice"):
        fold(fold(None, arrived), arrived)
    with pytest.raises(ValueError, match="not the key"):
        fold(None, event(Arrived(number=1, alert=alert("pos-001-2"))))
    with pytest.raises(ValueError, match="begins with"):
        fold(None, event(Resolved()))
    with pytest.raises(ValueError, match="none of"):
        fold(heard("pos-001-2"), event(Resolved()))
    with pytest.raises(ValueError, match="no events"):
        replay(())


def test_that_it_is_over_is_told_twice_and_counts_once() -> None:
    first = fold(heard(), event(Resolved(), NOON + minutes(1)))
    again = fold(first, event(Resolved(polled=True), NOON + minutes(9)))
    assert again == first
    assert first.resolved_at == NOON + minutes(1)
    assert first.due == NOON + minutes(1)


@pytest.mark.parametrize("stage", list(Stage))
def test_what_fires_after_its_end_is_over_no_more(stage: Stage) -> None:
    """What was healed, or gone, is as new; what a person has, or runs, only is not over."""
    before = replace(standing(stage), resolved_at=NOON, tries=1, granted="li", due=None)
    found = fold(before, event(Refired(), NOON + minutes(20)))
    assert found.resolved_at is None
    if stage not in REOPENED:
        assert (found.stage, found.tries) == (stage, 1)
        return
    at = NOON + minutes(20)
    assert (found.stage, found.tries, found.granted, found.due) == (Stage.RECEIVED, 0, "", at)
    assert (found.received_at, found.fresh) == (at, at), "its hold-down and its age begin anew"


def test_what_was_never_over_cannot_fire_again() -> None:
    assert fold(heard(), event(Refired(), NOON + minutes(1))) == heard()


def test_what_is_suppressed_is_fresh_when_that_is_over() -> None:
    due = NOON + minutes(40)
    made = Decision(verdict=Verdict.SUPPRESS, at=NOON, due=due)
    found = fold(heard(), event(Decided(decision=made)))
    assert (found.stage, found.due, found.fresh) == (Stage.SUPPRESSED, due, due)
    over = fold(found, event(Resolved(), NOON + minutes(2)))
    assert over.due == NOON + minutes(2), "it is looked at when its sender calls it over"


def test_what_was_suppressed_for_good_is_not_looked_at_again() -> None:
    """As ledgers of before have it: their rows must still add up."""
    found = fold(heard(), event(decision(Verdict.SUPPRESS)))
    assert (found.due, found.fresh) == (None, None)
    assert fold(found, event(Resolved())).due is None


def test_a_run_that_was_not_begun_is_no_try() -> None:
    tried = replace(standing(Stage.ACTING), tries=1)
    waiting = Moved(stage=Stage.WAITING, reason="busy", due=NOON + minutes(1), free=True)
    assert fold(tried, event(waiting)).tries == 0


def test_a_yes_needs_a_question() -> None:
    yes = Granted(until=NOON + minutes(30))
    with pytest.raises(ValueError, match="nobody is asked"):
        fold(heard(), event(yes))
    found = fold(standing(Stage.ASKING), event(yes))
    assert (found.granted, found.granted_until) == ("wang", NOON + minutes(30))


class AnyLife(RuleBasedStateMachine):
    """Events and decisions in any order; refused ones change nothing."""

    @initialize(resolved=st.booleans())
    def arrive(self, resolved: bool) -> None:
        self.now = NOON
        self.told = [event(Arrived(number=1, alert=alert(), resolved=resolved))]
        self.occurrence = replay(self.told)
        self.mode = Mode.AUTO
        self.acts = 0

    def tell(self, what: Happening) -> None:
        """One event, allowed or not."""
        made = event(what, self.now)
        try:
            self.occurrence = fold(self.occurrence, made)
        except ValueError:
            return
        self.told.append(made)
        if isinstance(what, Decided) and what.decision.verdict is Verdict.ACT:
            self.acts += 1

    def there(self) -> World:
        """A world in which the action has the mode of the moment."""
        return world(standings=dict.fromkeys(ACTIONS, replace(TRUSTED, mode=self.mode)))

    @rule(seconds=st.sampled_from((1, 61, 600, 1801)))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(mode=st.sampled_from(tuple(Mode)))
    def mode_is_set(self, mode: Mode) -> None:
        self.mode = mode

    @rule()
    def decide(self) -> None:
        found = decided(self.occurrence, there=self.there(), now=self.now, rules=RULES)
        if self.occurrence.stage not in OPEN:
            assert not found.decisions, "what is over, or at work, is not decided"
            return
        made = found.decisions[self.occurrence.key]
        before = len(self.told)
        self.tell(Decided(decision=made, repair="C-H1" if found.repairs else ""))
        assert len(self.told) == before + 1, "every decision is one that the table allows"
        assert self.occurrence.resolved_at is None or made.verdict is Verdict.DROP

    @rule(polled=st.booleans())
    def refire(self, polled: bool) -> None:
        before = self.occurrence
        self.tell(Refired(polled=polled))
        assert self.occurrence.resolved_at is None
        if before.resolved_at is not None and before.stage in REOPENED:
            assert self.occurrence.stage is Stage.RECEIVED, "it is decided about again"
            self.acts = 0
        else:
            assert self.occurrence.stage is before.stage, "who has it keeps it"

    @rule(polled=st.booleans())
    def resolve(self, polled: bool) -> None:
        self.tell(Resolved(polled=polled))

    @rule()
    def grant(self) -> None:
        self.tell(Granted(until=self.now + minutes(30)))

    @rule()
    def deny(self) -> None:
        self.tell(Denied(reason="mine"))

    @rule(stage=st.sampled_from(tuple(Stage)), waits=st.booleans())
    def move(self, stage: Stage, waits: bool) -> None:
        due = self.now + minutes(1) if waits else None
        self.tell(Moved(stage=stage, reason="x", due=due))

    @rule(verdict=st.sampled_from(tuple(Verdict)))
    def decide_late(self, verdict: Verdict) -> None:
        before = self.occurrence
        if before.stage not in OPEN:
            self.tell(decision(verdict))
            assert self.occurrence == before

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "told"):
            return
        assert replay(self.told) == self.occurrence
        assert (
            self.occurrence.stage not in OVER
            or self.occurrence.due is None
            or (self.occurrence.resolved_at is not None)
        )
        assert self.occurrence.tries == self.acts <= 2


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=examples(60), stateful_step_count=20)
