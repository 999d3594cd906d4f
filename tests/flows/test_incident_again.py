# SPDX-License-Identifier: GPL-3.0-or-later
"""Which alerts open, join or reopen an incident, and what that may cost; over a real ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ledger.incidents import SqlIncidents
from storewarden.domain.estate.device import Device
from storewarden.domain.healing.events import STOREWARDEN, AlertEvent, Decided
from storewarden.domain.healing.incident import Incident, IncidentEvent, IncidentState, Solved
from storewarden.domain.healing.problem_ticket import ProblemTicket
from storewarden.domain.healing.record import Decision, Reason, RepairState, Stage, Verdict
from storewarden.flows.heal_figures import outcomes
from storewarden.flows.heal_incidents import IncidentFacts, calling
from storewarden.flows.heal_repair import run_repair
from storewarden.flows.incident_duty import FollowParts, IncidentDuty
from storewarden.ports.healing import Settled
from tests.flows.heal_place import NIGHT, HealPlace
from tests.flows.incident_place import IncidentPlace

MINUTE = timedelta(minutes=1)
TILL = "pos-001-1"


@pytest.fixture
def place(tmp_path: Path) -> IncidentPlace:
    return IncidentPlace(tmp_path)


def _solved(place: IncidentPlace, incident: Incident, by: str) -> None:
    what = Solved(verified=False, how="new switch")
    event = IncidentEvent(number=incident.number, at=place.clock.now(), what=what, by=by)
    place.person(incident.number, event)


def _decide(
    place: IncidentPlace, key: str, verdict: Verdict, incident: str = "", rule: str = ""
) -> None:
    """What the guards would say about an alert."""
    now, reason = place.clock.now(), Reason(guard="x", en="x", zh="某")
    due = now + MINUTE if verdict is Verdict.SUPPRESS else None
    decision = Decision(
        verdict=verdict, at=now, rule=rule, reasons=(reason,), due=due, incident=incident
    )
    event = AlertEvent(key=key, at=now, what=Decided(decision=decision))
    place.ledger.alerts.amend(
        (key,), calling(lambda _there, _numbers: Settled(events=(event,)), IncidentFacts())
    )


def test_what_a_person_solved_stays_solved_while_nothing_fires_anew(place: IncidentPlace) -> None:
    """The alerts of a store's fault are held back again every few minutes."""
    first, second = place.send(TILL, "pos-001-2")
    _decide(place, first, Verdict.SUPPRESS, "store:001", "pos-down")
    (incident,) = place.incidents
    _solved(place, incident, by="li")
    _decide(place, first, Verdict.SUPPRESS, "store:001", "pos-down")
    assert place.incidents[0].state is IncidentState.SOLVED
    _decide(place, second, Verdict.SUPPRESS, "store:001", "pos-down")
    (incident,) = place.incidents
    assert incident.state is IncidentState.ANSWERED and incident.disputes == 1
    assert incident.occurrences == (first, second)


def test_what_its_alerts_solved_is_open_again_when_one_is_held_back_again(
    place: IncidentPlace,
) -> None:
    (key,) = place.send(TILL)
    _decide(place, key, Verdict.SUPPRESS, "store:001", "pos-down")
    (incident,) = place.incidents
    _solved(place, incident, by=STOREWARDEN)
    _decide(place, key, Verdict.SUPPRESS, "store:001", "pos-down")
    assert place.incidents[0].state is IncidentState.ANSWERED


def test_alerts_that_nobody_can_decide_about_are_faults_of_their_own(place: IncidentPlace) -> None:
    keys = [*place.send(TILL), *place.send("pos-002-1", name="disk-full")]
    for key in keys:
        _decide(place, key, Verdict.ESCALATE)
    assert [each.name for each in place.incidents] == ["alert:pos-down", "alert:disk-full"]


def test_what_is_held_back_for_no_fault_is_nobodys_work(place: IncidentPlace) -> None:
    """A silence, or a maintenance."""
    (key,) = place.send(TILL)
    _decide(place, key, Verdict.SUPPRESS)
    assert place.incidents == ()


def test_problem_tickets_are_asked_for_once_however_many_incidents_are_new(
    tmp_path: Path,
) -> None:
    class Counting(SqlIncidents):
        asked = 0

        def problems(self, *, open_only: bool = False, limit: int = 0) -> tuple[ProblemTicket, ...]:
            self.asked += 1
            return SqlIncidents.problems(self, open_only=open_only, limit=limit)

    place = IncidentPlace(tmp_path)
    book = Counting(place.ledger.transactions, place.clock)
    for key in place.send(*(f"pos-{store:03}-1" for store in range(1, 6))):
        _decide(place, key, Verdict.ESCALATE, f"alert:{key}")
    parts = FollowParts(incidents=book, book=place.ledger.alerts, clock=place.clock)
    IncidentDuty(parts).tick(place.clock.now())
    assert len(place.incidents) == 5
    assert book.asked == 2  # for those that are new, and for those that may be closed


def test_an_inventory_is_not_read_under_the_ledgers_lock(tmp_path: Path) -> None:
    """A failed repair ends; whoever else wants the ledger meanwhile gets it."""
    place = IncidentPlace(tmp_path)
    place.ends[TILL] = "failed"
    free: list[bool] = []

    def devices() -> dict[str, Device]:
        place.ledger.alerts.amend((), lambda _there, _numbers: Settled())
        free.append(True)
        return {}

    place.send(TILL)
    place.hold_repairs()
    place.pass_time(2 * MINUTE)
    (repair,) = place.ledger.alerts.repairs()
    facts = IncidentFacts(devices=devices)
    run_repair(replace(HealPlace._repairs(place), incidents=facts), repair.id)
    (ended,) = place.ledger.alerts.repairs()
    assert ended.state is RepairState.ENDED and free == [True]
    assert place.alerts()[0].stage is Stage.ESCALATED


def test_an_alert_that_a_person_has_opens_its_incident_again(place: IncidentPlace) -> None:
    place.against[TILL] = "none of its configuration items"
    place.send(TILL)
    place.pass_time(2 * MINUTE)
    place.send(TILL, over=True)
    place.pass_time(3 * MINUTE)
    assert place.incidents[0].state is IncidentState.SOLVED
    place.send(TILL)
    place.pass_time(10 * MINUTE)
    (incident,) = place.incidents
    assert incident.state is not IncidentState.SOLVED and incident.disputes == 1
    assert place.heard.count("What: a person has to act on 1 alert") == 1
    assert place.ledger.verify().problems == ()


def test_the_time_between_two_fires_is_no_time_to_repair(place: IncidentPlace) -> None:
    for _time in range(2):
        place.send(TILL)
        place.pass_time(2 * MINUTE)
        place.send(TILL, over=True)
        place.pass_time(40 * MINUTE)
    (outcome,) = outcomes(place.ledger.alerts, NIGHT)
    assert outcome.starts_at >= NIGHT + 40 * MINUTE
    assert timedelta() < outcome.ended_at - outcome.starts_at < 10 * MINUTE
