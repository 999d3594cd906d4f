# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows for an incident from its alerts and repairs: told once, whoever asks again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.healing.incident import (
    Answered,
    Clock,
    Closed,
    Disputed,
    Happening,
    Incident,
    IncidentEvent,
    IncidentState,
    Joined,
    Needs,
    Noted,
    Opened,
    Solved,
    Warned,
    fold,
)
from storewarden.domain.healing.incident_follow import Course, Seen, follow_up, needs_reason
from storewarden.domain.healing.incident_open import Fault, incidents_for
from storewarden.domain.healing.problem import Problem
from storewarden.domain.healing.problem_ticket import (
    ProblemClosed,
    ProblemEvent,
    ProblemTicket,
    fold_problem,
    told_of_problem,
)
from storewarden.domain.healing.record import End, HostEnd, Reason, Repair, RepairState, Stage
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.domain.healing.sla import IncidentPolicy
from tests.unit.healing.scenes import NOON, minutes
from tests.unit.healing.test_incidents import after

POLICY = IncidentPolicy()


def incident(*keys: str, needs: Needs = Needs.NOBODY) -> Incident:
    what = Opened(
        number="I-1",
        name="rule:pos-down@pos-001-1",
        rule="pos-down",
        kind=Kind.DOWN,
        priority=Impact.HIGH,
        began_at=NOON,
        occurrences=keys or ("k1",),
        needs=needs,
    )
    return fold(None, IncidentEvent(number="I-1", at=NOON, what=what))


def repair(**more: object) -> Repair:
    made = Repair(
        id="C-H1",
        change="C",
        action="service",
        rule="pos-down",
        hosts=("pos-001-1",),
        occurrences=("k1",),
        opened_at=NOON,
        begun_at=NOON + minutes(1),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def stand(**stages: Stage) -> dict[str, Course]:
    return {key: Course(stage=stage) for key, stage in stages.items()}


def followed(
    there: Incident,
    courses: Mapping[str, Course],
    *repairs: Repair,
    at: float = 2,
    why: Reason | None = None,
) -> tuple[Incident, list[Happening]]:
    """The incident after what follows, which is told once."""
    seen = Seen(courses=courses, repairs=repairs, why=why)
    events = follow_up(there, seen, POLICY, NOON + minutes(at))
    for event in events:
        there = fold(there, event)
    assert follow_up(there, seen, POLICY, NOON + minutes(at)) == ()
    return there, [each.what for each in events]


def test_a_repair_that_began_answers_it_at_its_own_time() -> None:
    there, said = followed(incident(), stand(k1=Stage.ACTING), repair(), at=5)
    assert said == [Answered(repair="C-H1")]
    assert there.answered_at == NOON + minutes(1) and there.repairs == ("C-H1",)
    assert followed(incident(), stand(k1=Stage.ACTING), repair(begun_at=None))[1] == []


def test_it_says_how_a_repair_came_out_and_what_proves_it() -> None:
    ends = (
        HostEnd(host="pos-001-1", end=End.FAILED, reason="no such unit", reason_zh="无此服务"),
        HostEnd(host="pos-002-1", end=End.REPAIRED),
    )
    over = repair(state=RepairState.ENDED, ends=ends)
    _there, said = followed(incident(), stand(k1=Stage.ESCALATED), over)
    (note,) = (each for each in said if isinstance(each, Noted) and each.evidence)
    assert note.en == ("repair C-H1 (service): 1 failed, 1 repaired; pos-001-1: no such unit")
    assert "失败 1 台，已修复 1 台；pos-001-1：无此服务" in note.zh
    assert note.evidence == ("C-H1",)


def test_it_is_verified_only_when_every_alert_was_healed() -> None:
    keys = ("k1", "k2")
    assert followed(incident(*keys), stand(k1=Stage.HEALED, k2=Stage.VERIFYING))[1] == []
    _there, (solved,) = followed(incident(*keys), stand(k1=Stage.HEALED, k2=Stage.HEALED))
    assert isinstance(solved, Solved) and solved.verified
    _there, (solved,) = followed(incident(*keys), stand(k1=Stage.HEALED, k2=Stage.GONE))
    assert isinstance(solved, Solved) and not solved.verified
    assert solved.how == "1 healed and verified, 1 over without a repair of ours"


def test_an_alert_that_a_person_has_is_done_when_its_sender_says_so() -> None:
    courses = {"k1": Course(stage=Stage.ESCALATED)}
    there, said = followed(incident(needs=Needs.PERSON), courses)
    assert said == []
    assert followed(there, {"k1": Course(stage=Stage.ASKING, resolved=True)})[0].state is not (
        IncidentState.SOLVED
    )
    there, said = followed(there, {"k1": Course(stage=Stage.ESCALATED, resolved=True)})
    assert [type(each) for each in said] == [Solved] and not there.verified


def test_an_alert_that_nobody_knows_solves_nothing() -> None:
    assert followed(incident("k1", "k2"), stand(k1=Stage.HEALED))[1] == []


def test_people_are_called_once_for_a_storm_and_again_when_it_comes_back() -> None:
    keys = tuple(f"k{n}" for n in range(300))
    asking = {key: Course(stage=Stage.ASKING) for key in keys}
    there, said = followed(incident(*keys), asking)
    (asked,) = said
    assert isinstance(asked, Noted) and asked.needs is Needs.ANSWER
    assert asked.en == "300 alerts wait for a person's yes"
    why = Reason(guard="expiry", en="nobody said yes", zh="无人批准")
    called = {key: Course(stage=Stage.ESCALATED) for key in keys}
    there, said = followed(there, {**asking, "k0": called["k0"]}, why=why)
    assert [each.needs for each in said if isinstance(each, Noted)] == [Needs.PERSON]
    assert "a person has to act on 1 alert: nobody said yes" in there.timeline[-1].en
    there, said = followed(there, called, why=why)
    assert said == [] and there.needs is Needs.PERSON
    resolved = {key: replace(each, resolved=True) for key, each in called.items()}
    there, _said = followed(there, resolved)
    assert there.state is IncidentState.SOLVED
    there = after(there, (3, Joined(occurrences=("k300",))))
    _there, said = followed(there, {**resolved, "k300": Course(stage=Stage.ESCALATED)}, at=4)
    assert [each.needs for each in said if isinstance(each, Noted)] == [Needs.PERSON]


def test_who_was_called_when_it_was_opened_is_not_called_twice() -> None:
    there = incident(needs=Needs.PERSON)
    assert needs_reason(there, stand(k1=Stage.ESCALATED)) == ""
    assert needs_reason(incident(), stand(k1=Stage.ESCALATED)) == "k1"
    assert followed(there, stand(k1=Stage.ESCALATED))[1] == []


def test_a_dispute_is_not_answered_by_the_same_alerts() -> None:
    there, _said = followed(incident(), stand(k1=Stage.HEALED))
    there = after(there, (3, Disputed(why="it prints nothing")))
    there, said = followed(there, stand(k1=Stage.HEALED), at=4)
    assert said == [] and there.state is IncidentState.ANSWERED
    there = after(there, (5, Joined(occurrences=("k2",))))
    there, said = followed(there, stand(k1=Stage.HEALED, k2=Stage.HEALED), at=6)
    assert [type(each) for each in said] == [Solved]


def test_an_alert_that_fires_again_opens_it_again() -> None:
    """Of the same occurrence, which the incident has already."""
    there, _said = followed(incident(), stand(k1=Stage.HEALED))
    fault = Fault(
        name=there.name, rule="pos-down", kind=Kind.DOWN, priority=Impact.HIGH, began_at=NOON,
        hosts=("pos-001-1",), items=(), occurrences=("k1",), summary=None,
    )  # fmt: skip
    plan = incidents_for([fault], {there.name: there}, lambda: "I-2")
    there = after(there, (3, plan.joined["I-1"]))
    assert there.state is IncidentState.ANSWERED and there.occurrences == ("k1",)
    there, said = followed(there, stand(k1=Stage.ACTING), at=4)
    assert said == []
    assert [type(each) for each in followed(there, stand(k1=Stage.HEALED), at=5)[1]] == [Solved]


def test_an_alert_that_a_person_has_opens_it_again_when_it_fires_again() -> None:
    """Nothing is decided about it any more: only what follows can say it."""
    quiet = {"k1": Course(stage=Stage.ESCALATED, resolved=True), "k2": Course(stage=Stage.GONE)}
    there, _said = followed(incident("k1", "k2", needs=Needs.PERSON), quiet)
    assert there.state is IncidentState.SOLVED
    fires = {**quiet, "k1": Course(stage=Stage.ESCALATED)}
    why = Reason(guard="repair", en="not well", zh="异常")
    assert needs_reason(there, fires) == "k1" and needs_reason(there, quiet) == ""
    there, said = followed(there, fires, at=5, why=why)
    assert said[0] == Joined(occurrences=("k1",))
    assert [each.needs for each in there_notes(said)] == [Needs.PERSON]
    assert "a person has to act on 1 alert: not well" in there.timeline[-1].en
    assert there.state is IncidentState.ANSWERED and there.disputes == 1
    there, said = followed(there, quiet, at=6)
    assert [type(each) for each in said] == [Solved]


def test_what_a_person_has_solved_is_not_opened_by_an_alert_that_fires_on() -> None:
    solved = after(incident(needs=Needs.PERSON), (2, Solved(verified=False, how="new cable")))
    there, said = followed(solved, stand(k1=Stage.ESCALATED), at=3)
    assert said == [] and there.state is IncidentState.SOLVED


def test_clocks_run_on_what_was_told_in_the_same_moment() -> None:
    there, said = followed(incident(), stand(k1=Stage.ESCALATED), at=9)
    assert Warned(clock=Clock.ANSWER) in said
    there, said = followed(incident(), stand(k1=Stage.HEALED), at=9)
    assert not [each for each in said if isinstance(each, Warned)]  # it was solved in time
    there, said = followed(there, stand(k1=Stage.HEALED), at=9 + 120)
    assert said == [Closed(silent=True)] and there.over
    assert followed(there, stand(k1=Stage.ESCALATED), at=999)[1] == []


_STAGES = st.sampled_from(sorted(Stage))
_COURSES = st.builds(Course, stage=_STAGES, resolved=st.booleans())
_STEP = st.tuples(
    st.dictionaries(st.sampled_from(["k1", "k2", "k3"]), _COURSES),
    st.integers(0, 200),
    st.sampled_from(["", "join", "dispute"]),
    st.booleans(),
)


@settings(max_examples=150)
@given(st.lists(_STEP, max_size=8), st.sampled_from(Needs))
def test_whatever_comes_is_told_once_and_in_order(
    steps: list[tuple[dict[str, Course], int, str, bool]], needs: Needs
) -> None:
    """Any course of alerts, time and people: nothing that cannot happen is told, nothing twice,
    and what is solved or over says so by its own state."""
    there, now = incident("k1", "k2", needs=needs), 0.0
    for courses, passed, person, ran in steps:
        now += passed
        if person == "join" and not there.over:
            there = after(there, (now, Joined(occurrences=("k3",))))
        elif person == "dispute" and there.state is IncidentState.SOLVED:
            there = after(there, (now, Disputed(why="no")))
        repairs = (repair(state=RepairState.ENDED),) if ran else ()
        there, said = followed(there, courses, *repairs, at=now)
        solved = [each for each in said if isinstance(each, Solved)]
        assert len(solved) <= 1
        if solved:
            assert all(courses[key].done for key in there.occurrences)
            assert solved[0].verified == all(
                courses[key].stage is Stage.HEALED for key in there.occurrences
            )
        calls = [each.about for each in there_notes(said)]
        assert len(calls) == len(set(calls))
    assert there.over == (there.state is IncidentState.CLOSED)


def there_notes(said: list[Happening]) -> list[Noted]:
    return [each for each in said if isinstance(each, Noted)]


# Problem tickets.


def _ticket(problem: Problem) -> ProblemTicket:
    event = told_of_problem(problem, None, "PRB-20260601-120000", NOON)
    assert event is not None
    return fold_problem(None, event)


def test_a_problem_grows_with_each_incident_and_may_become_major() -> None:
    problem = Problem(name="storm:a", incidents=("I-1", "I-2", "I-3"), times=3)
    ticket = _ticket(problem)
    assert told_of_problem(problem, ticket, "X", NOON) is None
    later = NOON + timedelta(days=1)
    # The first one is older than the span by now; the ticket keeps it.
    grown = Problem(name="storm:a", incidents=("I-2", "I-3", "I-4"), times=3, major=True)
    event = told_of_problem(grown, ticket, "X", later)
    assert event is not None and event.number == ticket.number
    ticket = fold_problem(ticket, event)
    assert ticket.incidents == ("I-1", "I-2", "I-3", "I-4") and ticket.times == 4
    assert ticket.major and ticket.came_at == later
    assert told_of_problem(grown, ticket, "X", later) is None


def test_a_closed_problem_is_another_ticket_the_next_time() -> None:
    problem = Problem(name="storm:a", incidents=("I-1", "I-2", "I-3"), times=3)
    ticket = _ticket(problem)
    over = ProblemEvent(number=ticket.number, at=NOON, what=ProblemClosed(since=NOON))
    ticket = fold_problem(ticket, over)
    assert ticket.over
    event = told_of_problem(problem, ticket, "PRB-20260701-120000", NOON)
    assert event is not None and event.number == "PRB-20260701-120000"
