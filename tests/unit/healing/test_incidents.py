# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents: their clocks, their end, what they lead to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from storewarden.domain.healing.incident import (
    Answered,
    Breached,
    Clock,
    Closed,
    Confirmed,
    Disputed,
    Happening,
    Incident,
    IncidentEvent,
    IncidentState,
    Joined,
    Noted,
    Opened,
    Solved,
    Traced,
    Warned,
    dependents_of,
    fold,
    replay,
)
from storewarden.domain.healing.incident_clock import follow, next_look, promised, upcoming
from storewarden.domain.healing.incident_open import Fault, faults_of, incident_name, incidents_for
from storewarden.domain.healing.problem import problem_behind
from storewarden.domain.healing.record import Decision, Reason, Verdict
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.domain.healing.sla import IncidentPolicy, Promise
from tests.unit.healing.scenes import NOON, RULES, decided, heard, minutes, world

POLICY = IncidentPolicy()


def opened(
    number: str = "I-1",
    at: datetime = NOON,
    priority: Impact = Impact.HIGH,
    name: str = "rule:pos-down@pos-001-1",
) -> Incident:
    """One that was opened when its alert began."""
    what = Opened(
        number=number,
        name=name,
        rule="pos-down",
        kind=Kind.DOWN,
        priority=priority,
        began_at=at,
        hosts=("pos-001-1",),
        occurrences=("k1",),
    )
    return fold(None, IncidentEvent(number=number, at=at, what=what))


def after(incident: Incident, *told: tuple[float, Happening], by: str = "wang") -> Incident:
    """The incident after what happened so many minutes after noon."""
    for when, what in told:
        event = IncidentEvent(number=incident.number, at=NOON + minutes(when), what=what, by=by)
        incident = fold(incident, event)
    return incident


def told_by(incident: Incident, when: float) -> tuple[Incident, list[Happening]]:
    """What time has told of it, so many minutes after noon."""
    events = follow(incident, POLICY, NOON + minutes(when))
    for event in events:
        incident = fold(incident, event)
    return incident, [each.what for each in events]


# Clocks.


@pytest.mark.parametrize(
    ("kind", "priority", "answer", "solve"),
    [
        (Kind.DOWN, Impact.HIGH, 10, 2),
        (Kind.DOWN, Impact.MEDIUM, 30, 4),
        (Kind.DOWN, Impact.LOW, 120, 8),
        (Kind.DEGRADED, Impact.HIGH, 15, 3),
        (Kind.DEGRADED, Impact.MEDIUM, 60, 8),
        (Kind.DEGRADED, Impact.LOW, 240, 24),
        (Kind.SECURITY, Impact.HIGH, 5, 1),
        (Kind.SECURITY, Impact.MEDIUM, 30, 4),
        (Kind.SECURITY, Impact.LOW, 120, 8),
    ],
)
def test_the_guides_table(kind: Kind, priority: Impact, answer: int, solve: int) -> None:
    incident = replace(opened(), kind=kind, priority=priority)
    assert promised(incident, POLICY) == {
        Clock.ANSWER: NOON + minutes(answer),
        Clock.SOLVE: NOON + timedelta(hours=solve),
    }


def test_a_site_may_promise_otherwise() -> None:
    own = Promise(answer=minutes(1), solve=minutes(2))
    policy = IncidentPolicy(promises={(Kind.DOWN, Impact.HIGH): own})
    assert promised(opened(), policy)[Clock.SOLVE] == NOON + minutes(2)
    assert promised(replace(opened(), kind=Kind.SECURITY), policy)[Clock.ANSWER] == NOON + minutes(
        5
    )


def test_a_promise_is_warned_of_and_then_broken_each_once() -> None:
    incident = opened()
    assert next_look(incident, POLICY) == NOON + minutes(8)
    assert told_by(incident, 7.9)[1] == []
    incident, said = told_by(incident, 8)
    assert said == [Warned(clock=Clock.ANSWER)]
    assert told_by(incident, 8)[1] == []
    incident, said = told_by(incident, 10)
    assert said == [Breached(clock=Clock.ANSWER)]
    incident, said = told_by(incident, 119)
    assert said == [Warned(clock=Clock.SOLVE)]
    incident, said = told_by(incident, 120)
    assert said == [Breached(clock=Clock.SOLVE)]
    assert next_look(incident, POLICY) is None


def test_after_a_long_pause_everything_is_told_at_once_and_only_once() -> None:
    incident, said = told_by(opened(), 24 * 60)
    assert said[-1] == Breached(clock=Clock.SOLVE)
    assert told_by(incident, 24 * 60)[1] == []
    assert set(incident.breached) == set(Clock)


def test_who_answers_stops_one_clock_and_who_solves_the_other() -> None:
    incident = after(opened(), (5, Answered()))
    assert [each.what for each in upcoming(incident, POLICY)] == [
        Warned(clock=Clock.SOLVE),
        Breached(clock=Clock.SOLVE),
    ]
    incident = after(incident, (20, Solved(verified=True)))
    assert [each.what for each in upcoming(incident, POLICY)] == [Closed(silent=True)]


def test_the_clocks_run_from_the_beginning_of_the_fault() -> None:
    what = replace(_opening(), began_at=NOON - minutes(9))
    incident = fold(None, IncidentEvent(number="I-1", at=NOON, what=what))
    assert told_by(incident, 0)[1] == [Warned(clock=Clock.ANSWER)]


def _opening() -> Opened:
    return Opened(
        number="I-1",
        name="x",
        rule="pos-down",
        kind=Kind.DOWN,
        priority=Impact.HIGH,
        began_at=NOON,
    )


# Its end.


def test_a_confirmed_and_verified_incident_closes_at_once() -> None:
    incident = after(opened(), (5, Solved(verified=True)), (30, Confirmed()))
    incident, said = told_by(incident, 30)
    assert said == [Closed(silent=False)]
    assert incident.state is IncidentState.CLOSED
    assert incident.confirmed_by == "wang"


@pytest.mark.parametrize(("when", "closed"), [(124.9, False), (125, True)])
def test_silence_of_two_hours_is_a_yes(when: float, closed: bool) -> None:
    incident, _said = told_by(after(opened(), (5, Solved(verified=True))), when)
    assert incident.over is closed
    if closed:
        assert incident.confirmed_by == ""
        assert incident.timeline[-1].en == "closed: nobody objected"


def test_who_disputes_opens_it_again_and_its_clock_never_stopped() -> None:
    incident = after(opened(), (5, Solved(verified=True)), (90, Disputed(why="no receipts")))
    assert incident.state is IncidentState.ANSWERED
    assert incident.disputes == 1
    incident, said = told_by(incident, 120)
    assert Breached(clock=Clock.SOLVE) in said


def test_the_same_fault_again_before_it_is_closed_opens_it_again() -> None:
    incident = after(opened(), (5, Solved(verified=True)), (20, Joined(occurrences=("k2",))))
    assert incident.state is IncidentState.ANSWERED
    assert incident.occurrences == ("k1", "k2")
    assert incident.solved_at is None


@pytest.mark.parametrize("what", [Confirmed(), Disputed(why="x"), Closed()])
def test_what_is_not_solved_is_neither_confirmed_nor_closed(what: Happening) -> None:
    with pytest.raises(ValueError, match="not solved"):
        after(opened(), (1, what))


@pytest.mark.parametrize("what", [Answered(), Solved(verified=True), Joined(occurrences=("k",))])
def test_nothing_happens_to_a_closed_one(what: Happening) -> None:
    closed = after(opened(), (1, Solved(verified=True)), (2, Closed(silent=True)))
    with pytest.raises(ValueError, match="comes too late"):
        after(closed, (3, what))
    assert after(closed, (3, Traced(problem="P-1"))).problem == "P-1"


def test_events_of_another_or_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="begins with"):
        fold(None, IncidentEvent(number="I-1", at=NOON, what=Answered()))
    with pytest.raises(ValueError, match="none of"):
        fold(opened(), IncidentEvent(number="I-2", at=NOON, what=Answered()))
    with pytest.raises(ValueError, match="opened twice"):
        after(opened(), (1, _opening()))
    with pytest.raises(ValueError, match="no events"):
        replay(())


def test_its_story_is_told_in_two_languages() -> None:
    events: list[Happening] = [
        Answered(repair="C-H1"),
        Noted(en="restarted", zh="已重启", evidence=("journal",)),
        Warned(clock=Clock.SOLVE),
        Breached(clock=Clock.SOLVE),
        Solved(verified=True, how="restart"),
        Disputed(why="no receipts"),
        Joined(occurrences=("k2",)),
        Solved(verified=False),
        Confirmed(),
        Traced(problem="P-1"),
        Closed(),
    ]
    incident = after(opened(), *((place, each) for place, each in enumerate(events)))
    assert len(incident.timeline) == len(events) + 1
    for entry in incident.timeline:
        assert entry.en
        assert any("\u4e00" <= sign <= "\u9fff" for sign in entry.zh), entry
    assert incident.timeline[2].evidence == ("journal",)


# From decisions.


def fault(name: str = "rule:pos-down@pos-001-1", occurrences: tuple[str, ...] = ("k1",)) -> Fault:
    """A fault of one till."""
    return Fault(
        name=name,
        rule="pos-down",
        kind=Kind.DOWN,
        priority=Impact.HIGH,
        began_at=NOON,
        hosts=("pos-001-1",),
        items=("CI-pos-001-1",),
        occurrences=occurrences,
        summary=Reason(guard="rule", en="x", zh="某"),
    )


def test_a_fault_that_is_known_is_joined_and_not_opened_again() -> None:
    known = {"rule:pos-down@pos-001-1": opened()}
    plan = incidents_for((fault(occurrences=("k1", "k2")),), known, lambda: "I-2")
    assert plan.opened == ()
    assert plan.joined["I-1"].occurrences == ("k2",)
    again = incidents_for((fault(),), known, lambda: "I-2")
    assert (again.opened, again.joined) == ((), {})


def test_a_fault_whose_incident_is_closed_opens_a_new_one_with_what_depends_on_it() -> None:
    closed = after(opened(), (1, Solved(verified=True)), (2, Closed()))
    depends = {"CI-pos-001-1": ["sales-001"], "sales-001": ["ledger"]}
    plan = incidents_for(
        (fault(),),
        {closed.name: closed},
        lambda: "I-2",
        lambda items: dependents_of(items, depends),
    )
    assert plan.opened[0].number == "I-2"
    assert plan.opened[0].items == ("CI-pos-001-1",)
    assert plan.opened[0].dependents == ("sales-001", "ledger")


def test_what_depends_is_found_through_circles() -> None:
    depends = {"a": ["b"], "b": ["c", "a"], "c": ["a"]}
    assert dependents_of(("a",), depends) == ("b", "c")
    assert dependents_of(("x",), depends) == ()


@pytest.mark.parametrize(
    ("verdict", "opens"),
    [
        (Verdict.ACT, True),
        (Verdict.ASK, True),
        (Verdict.ESCALATE, True),
        (Verdict.WAIT, False),
        (Verdict.OBSERVE, False),
        (Verdict.SUPPRESS, False),
        (Verdict.REFUSE, False),
        (Verdict.DROP, False),
    ],
)
def test_what_is_nobodys_work_opens_nothing(verdict: Verdict, opens: bool) -> None:
    decision = Decision(verdict=verdict, at=NOON, rule="pos-down", hosts=("pos-001-1",))
    assert bool(incident_name(decision)) is opens


def test_a_repair_has_an_incident_with_its_item_and_its_priority() -> None:
    occurrence = heard()
    found = decided(occurrence).decisions
    (only,) = faults_of([(occurrence, found[occurrence.key])], RULES, world().devices)
    assert only.name == "rule:pos-down@pos-001-1"
    assert only.items == ("CI-pos-001-1",)
    assert only.priority is Impact.MEDIUM
    assert only.began_at == NOON


def test_of_an_alert_that_fires_again_the_clocks_run_from_then() -> None:
    again = heard(fresh=NOON + minutes(90))
    found = decided(replace(again, fresh=None)).decisions
    (only,) = faults_of([(again, found[again.key])], RULES, world().devices)
    assert only.began_at == NOON + minutes(90)


# Problems.


def days(count: float) -> datetime:
    """So many days after noon."""
    return NOON + timedelta(days=count)


def test_the_third_time_is_a_problem() -> None:
    first, second = opened("I-1"), opened("I-2", days(10))
    third = opened("I-3", days(20))
    assert problem_behind(second, [first], POLICY) is None
    found = problem_behind(third, [first, second], POLICY)
    assert found is not None
    assert found.incidents == ("I-1", "I-2", "I-3")
    assert found.major
    assert "3 times" in found.said()
    assert found.said("zh").startswith("重大问题")


def test_low_incidents_make_no_major_problem() -> None:
    known = [opened(f"I-{each}", days(each), Impact.LOW) for each in range(1, 4)]
    found = problem_behind(known[2], known[:2], POLICY)
    assert found is not None
    assert not found.major


@pytest.mark.parametrize(("first", "counts"), [(0, True), (-0.1, False)])
def test_only_a_month_counts(first: float, counts: bool) -> None:
    known = [opened("I-1", days(first)), opened("I-2", days(5))]
    assert (problem_behind(opened("I-3", days(30)), known, POLICY) is not None) is counts


def test_other_faults_do_not_count() -> None:
    known = [opened("I-1", name="rule:pos-down@pos-001-2"), opened("I-2")]
    assert problem_behind(opened("I-3"), known, POLICY) is None


def test_coming_back_counts_as_coming() -> None:
    twice = after(opened(), (5, Solved(verified=True)), (9, Disputed(why="x")))
    found = problem_behind(opened("I-2", days(1)), [twice], POLICY)
    assert found is not None
    assert found.times == 3
