# SPDX-License-Identifier: GPL-3.0-or-later
"""Pauses, figures and incidents over a real ledger, with a clock that is moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ledger import open_ledger
from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.domain.change.people import Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.domain.healing.record import End, Stage
from storewarden.domain.healing.rule import Impact
from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.domain.healing.statistics import Proposal
from storewarden.flows.heal_figures import figures, figures_data
from storewarden.flows.heal_pause import PauseOrders, Resumed, holding
from storewarden.flows.incident_orders import IncidentOrders, IncidentParts
from storewarden.flows.incident_view import Mark, by_urgency, look_at
from storewarden.testing.ledger import ManualClock
from tests.web.incident_scenes import RULE, incident, repaired

NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WANG = Person(id="wang", name="Wang")
POLICY = IncidentPolicy()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def ledger(tmp_path: Path, clock: ManualClock) -> Iterator[SqlLedger]:
    with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as opened:
        yield opened


def pauses(ledger: SqlLedger, clock: ManualClock, rules: set[str] | None = None) -> PauseOrders:
    named = {"pos-down", "disk-full"} if rules is None else rules
    known = {"rule": lambda: named, "action": lambda: {"service"}, "source": lambda: {"shop"}}
    return PauseOrders(ledger.heal_pauses, known, clock, WANG)


def test_a_pause_is_over_when_its_time_is(ledger: SqlLedger, clock: ManualClock) -> None:
    pauses(ledger, clock).pause("pos-down", "new software", NOON + HOUR)
    assert [each.what for each in holding(ledger.heal_pauses, NOON + 59 * MINUTE)] == [
        "rule:pos-down"
    ]
    assert holding(ledger.heal_pauses, NOON + HOUR) == ()


def test_a_pause_may_be_made_longer_and_its_reason_another(
    ledger: SqlLedger, clock: ManualClock
) -> None:
    orders = pauses(ledger, clock)
    orders.pause("shop", "noise", NOON + HOUR)
    orders.pause("shop", "noise", NOON + 2 * HOUR)
    (found,) = holding(ledger.heal_pauses, NOON + HOUR)
    assert (found.what, found.until) == ("source:shop", NOON + 2 * HOUR)


def test_a_rule_that_was_paused_and_is_gone_can_be_resumed(
    ledger: SqlLedger, clock: ManualClock
) -> None:
    pauses(ledger, clock).pause("pos-down", "new software")
    after = pauses(ledger, clock, rules={"disk-full"})
    with pytest.raises(ConfigInvalid, match="is no rule"):
        after.pause("pos-down", "again")
    gone = Resumed(what="rule:pos-down", was=True, over=False)
    assert after.resume("pos-down", "it is gone") == gone


def test_of_two_of_one_name_the_one_that_is_paused_is_resumed(
    ledger: SqlLedger, clock: ManualClock
) -> None:
    orders = pauses(ledger, clock, rules={"service"})
    with pytest.raises(ConfigInvalid, match="several"):
        orders.pause("service", "x")
    orders.pause("action:service", "x")
    gone = Resumed(what="action:service", was=True, over=False)
    assert orders.resume("service", "x") == gone


def test_who_resumes_what_has_run_out_hears_that_it_has(
    ledger: SqlLedger, clock: ManualClock
) -> None:
    orders = pauses(ledger, clock)
    orders.pause("shop", "noise", NOON + HOUR)
    clock.advance(HOUR)
    found = [orders.resume("source:shop", "done") for _time in range(2)]
    assert [(each.was, each.over) for each in found] == [(True, True), (False, False)]


# --- figures ----------------------------------------------------------------------------------


def test_figures_count_what_ended_and_nothing_that_was_never_ours(
    ledger: SqlLedger, clock: ManualClock
) -> None:
    repaired(
        ledger,
        "pos-1",
        NOON,
        (End.REPAIRED, Stage.HEALED),
        (End.REPAIRED, Stage.HEALED),
        (End.HEALTHY, Stage.HEALED),
        (End.NOT_WELL, Stage.ESCALATED),
        (End.UNREACHABLE, Stage.ESCALATED),
    )
    earned = (Proposal(action="service", runs=20, verified=20),)
    found = figures(ledger.alerts, NOON, NOON + HOUR, earned)
    (rule,) = found.rules
    assert (rule.name, rule.total, rule.acted, rule.healed, rule.escalated) == (RULE, 4, 3, 2, 2)
    assert rule.mttr == 2 * MINUTE
    data = figures_data(found)
    assert data["all"] == {
        "name": "*",
        "alerts": 4,
        "repaired": 3,
        "healed": 2,
        "escalated": 2,
        "mttr_seconds": 120,
        "success_percent": 66.7,
        "escalation_percent": 50.0,
        "reached": {"mttr": True, "success": False, "escalation": False},
    }
    assert data["earned_auto"] == [{"action": "service", "runs": 20, "verified": 20}]


def test_figures_of_a_time_in_which_nothing_ended_are_empty(ledger: SqlLedger) -> None:
    repaired(ledger, "pos-1", NOON, (End.REPAIRED, Stage.HEALED))
    found = figures(ledger.alerts, NOON + HOUR, NOON + 2 * HOUR)
    assert (found.rules, found.actions, found.whole.total) == ((), (), 0)
    assert found.whole.mttr is None


# --- incidents --------------------------------------------------------------------------------


def marks(ledger: SqlLedger, number: str, at: datetime) -> list[Mark]:
    found = ledger.incidents.incident(number)
    assert found is not None
    return [each.mark for each in look_at(found, POLICY, at).clocks]


def test_the_clocks_of_an_incident_as_time_passes(ledger: SqlLedger, clock: ManualClock) -> None:
    number = incident(ledger, NOON)  # down, high: answer in 10 min, solve in 2 h (guide 2.3.1)
    assert marks(ledger, number, NOON + 7 * MINUTE) == [Mark.RUNNING, Mark.RUNNING]
    assert marks(ledger, number, NOON + 8 * MINUTE) == [Mark.WARNED, Mark.RUNNING]
    assert marks(ledger, number, NOON + 10 * MINUTE) == [Mark.BREACHED, Mark.RUNNING]
    clock.advance(11 * MINUTE)
    orders = IncidentOrders(_parts(ledger, clock), WANG)
    orders.take(number)
    assert marks(ledger, number, NOON + 96 * MINUTE) == [Mark.LATE, Mark.WARNED]
    clock.advance(90 * MINUTE)
    orders.solve(number, "restarted it")
    assert marks(ledger, number, NOON + 5 * HOUR) == [Mark.LATE, Mark.KEPT]
    with pytest.raises(Refused, match="wang said that it is solved"):
        orders.take(number)


def test_urgent_is_what_runs_out_next(ledger: SqlLedger) -> None:
    low = incident(ledger, NOON, name="rule:a@x", priority=Impact.LOW)
    high = incident(ledger, NOON + MINUTE, name="rule:b@x")
    solved = incident(ledger, NOON - HOUR, name="rule:c@x")
    IncidentOrders(_parts(ledger, ManualClock(NOON)), WANG).solve(solved, "done")
    looks = [look_at(each, POLICY, NOON + MINUTE) for each in ledger.incidents.open_ones()]
    assert [each.incident.number for each in by_urgency(looks)] == [high, low, solved]


def test_a_refusal_is_in_the_language_of_the_site(ledger: SqlLedger, clock: ManualClock) -> None:
    number = incident(ledger, NOON)
    with pytest.raises(Refused, match="尚未报告解决"):
        IncidentOrders(_parts(ledger, clock, "zh"), WANG).confirm(number)


def _parts(ledger: SqlLedger, clock: ManualClock, language: str = "en") -> IncidentParts:
    return IncidentParts(
        book=ledger.incidents,
        clock=clock,
        rules=ApprovalRules(),
        policy=POLICY,
        language=language,
    )
