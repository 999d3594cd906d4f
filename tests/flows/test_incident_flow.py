# SPDX-License-Identifier: GPL-3.0-or-later
"""From an alert to a closed incident: one per fault, its clocks, its ticket, who is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ledger import open_ledger
from storewarden.adapters.ledger.alerts import SqlAlerts
from storewarden.domain.change.people import Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.domain.healing.events import AlertEvent, Decided
from storewarden.domain.healing.incident import (
    Confirmed,
    Disputed,
    Incident,
    IncidentEvent,
    IncidentState,
    Needs,
    Solved,
)
from storewarden.domain.healing.record import Decision, Occurrence, Reason, Stage, Verdict
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.domain.healing.sla import IncidentPolicy, Promise
from storewarden.flows.heal_incidents import IncidentFacts, calling
from storewarden.flows.heal_orders import AlertOrders
from storewarden.flows.incident_duty import FollowParts, IncidentDuty
from storewarden.ports.healing import Numbers, Settled
from storewarden.ports.ledger import JournalEntry
from storewarden.testing.ledger import ManualClock
from tests.flows.heal_place import NIGHT
from tests.flows.incident_place import IncidentPlace

MINUTE = timedelta(minutes=1)
SOON = IncidentPolicy(
    promises={(Kind.DOWN, Impact.MEDIUM): Promise(answer=4 * MINUTE, solve=8 * MINUTE)},
    confirm=5 * MINUTE,
)
"""Hours of a controller's life take long to simulate."""

TILL = "pos-001-1"


@pytest.fixture
def place(tmp_path: Path) -> IncidentPlace:
    return IncidentPlace(tmp_path)


def _kinds(place: IncidentPlace, number: str) -> list[str]:
    return [
        each.kind.removeprefix("incident ")
        for each in place.ledger.incidents.history(number)
        if each.kind != "incident mirrored"
    ]


def _by(place: IncidentPlace, incident: Incident, *whats: Confirmed | Disputed | Solved) -> None:
    now = place.clock.now()
    place.person(
        incident.number,
        *(IncidentEvent(number=incident.number, at=now, what=what, by="li") for what in whats),
    )


def _healed(place: IncidentPlace, host: str = TILL) -> Incident:
    """A till broke and was repaired; its incident."""
    place.send(host)
    place.pass_time(2 * MINUTE)
    place.send(host, over=True)
    place.pass_time(3 * MINUTE)
    return place.incidents[-1]


def test_from_the_alert_to_the_closed_incident(place: IncidentPlace) -> None:
    incident = _healed(place)
    assert place.repaired == [TILL]
    assert _kinds(place, incident.number) == ["opened", "answered", "noted", "solved"]
    assert incident.state is IncidentState.SOLVED and incident.verified
    assert incident.items == ("CI-pos-001-1",) and incident.dependents == ("CI-printer-001-1",)
    (repair,) = place.ledger.alerts.repairs()
    assert incident.answered_at == repair.begun_at and incident.repairs == (repair.id,)
    _by(place, incident, Confirmed())
    place.pass_time(MINUTE)
    (over,) = place.incidents
    assert over.state is IncidentState.CLOSED and over.confirmed_by == "li"
    (ticket,) = place.tickets.tickets(incident.number)
    kept = place.tickets.kept[ticket]
    assert not kept.open and kept.resolution == "solved and confirmed"
    assert over.tickets == {"memory": ticket}
    assert place.ledger.verify().problems == ()


def test_it_is_closed_when_nobody_objects(tmp_path: Path) -> None:
    place = IncidentPlace(tmp_path, promises=SOON)
    _healed(place)
    place.pass_time(MINUTE)
    assert place.incidents[0].state is IncidentState.SOLVED
    place.pass_time(5 * MINUTE)
    assert place.incidents[0].state is IncidentState.CLOSED
    place.pass_time(MINUTE)
    (ticket,) = place.tickets.kept.values()
    assert ticket.resolution == "nobody objected" and not ticket.open


def test_the_ticket_says_what_people_need(place: IncidentPlace) -> None:
    incident = _healed(place)
    (ticket,) = place.tickets.tickets(incident.number)
    kept = place.tickets.kept[ticket]
    assert kept.fields["kind"] == "incident" and kept.fields["risk"] == "medium"
    for line in (
        "priority: medium", "kind: service down", "hosts: pos-001-1",
        "configuration items: CI-pos-001-1", "what depends on them: CI-printer-001-1",
        "to answer until: 2026-06-01 18:29 (UTC)", "to solve until: 2026-06-01 21:59 (UTC)",
    ):  # fmt: skip
        assert line in kept.body, kept.body
    notes = "\n".join(place.notes(incident.number))
    (repair,) = place.ledger.alerts.repairs()
    assert f"repair {repair.id} (service): 1 repaired" in notes
    assert f"evidence: {repair.id}" in notes and "verified; 1 alert healed and verified" in notes


def test_a_storm_of_ten_calls_people_once(place: IncidentPlace) -> None:
    """Ten stores report one broken till each: nothing is repaired, one incident, one ticket, one
    message, and one more when nobody answered."""
    place.send(*(f"pos-{store:03}-1" for store in range(1, 11)))
    place.pass_time(5 * MINUTE)
    assert place.repaired == []
    (incident,) = place.incidents
    assert incident.name == "storm:pos-down" and len(incident.occurrences) == 10
    assert incident.needs is Needs.ANSWER and incident.priority.value == "high"
    assert len(place.tickets.kept) == 1
    (told,) = place.titles
    assert told.startswith("URGENT") and incident.number in told and "waits for a yes" in told
    place.pass_time(35 * MINUTE)
    (incident,) = place.incidents
    called = [each for each in place.titles if "a person has to act" in each]
    assert len(called) == 1 and incident.needs is Needs.PERSON
    assert {each.stage for each in place.alerts()} == {Stage.ESCALATED}
    assert len(place.tickets.kept) == 1


def test_a_storm_is_over_when_its_senders_say_so(place: IncidentPlace) -> None:
    hosts = [f"pos-{store:03}-1" for store in range(1, 11)]
    place.send(*hosts)
    place.pass_time(35 * MINUTE)
    place.send(*hosts[:9], over=True)
    place.pass_time(MINUTE)
    assert place.incidents[0].state is IncidentState.OPEN
    place.send(hosts[9], over=True)
    place.pass_time(MINUTE)
    (incident,) = place.incidents
    assert incident.state is IncidentState.SOLVED and not incident.verified


def test_promises_are_warned_of_and_broken_once(tmp_path: Path) -> None:
    place = IncidentPlace(tmp_path, promises=SOON)
    place.against[TILL] = "none of its configuration items"
    place.send(TILL)
    place.pass_time(15 * MINUTE)
    (incident,) = place.incidents
    kinds = _kinds(place, incident.number)
    assert kinds == ["opened", "warned", "breached", "warned", "breached"]
    assert incident.needs is Needs.PERSON
    told = place.heard
    assert "time is running out: time to answer" in told and "not in time: time to solve" in told


def test_a_failed_repair_calls_a_person_with_the_reason(place: IncidentPlace) -> None:
    place.ends[TILL] = "failed"
    place.send(TILL)
    place.pass_time(10 * MINUTE)
    (incident,) = place.incidents
    assert incident.state is IncidentState.ANSWERED and incident.needs is Needs.PERSON
    assert any(
        "a person has to act on 1 alert: the repair failed: pos-001-1 failed" in each
        for each in place.titles
    )


def test_whoever_takes_an_alert_over_has_an_incident(place: IncidentPlace) -> None:
    """Nothing was decided about it yet."""
    (key,) = place.send(TILL)
    person = Person(id="wang", name="W", roles=frozenset())
    orders = AlertOrders(place.ledger.alerts, ApprovalRules(), place.clock, person)
    orders.deny(key, "I am standing in front of it")
    (incident,) = place.incidents
    assert incident.occurrences == (key,) and incident.needs is Needs.PERSON
    assert "wang: I am standing in front of it" in incident.timeline[0].en


def test_a_dispute_keeps_it_open_until_a_person_has_solved_it(tmp_path: Path) -> None:
    place = IncidentPlace(tmp_path, promises=SOON)
    incident = _healed(place)
    _by(place, incident, Disputed(why="it prints nothing"))
    place.pass_time(10 * MINUTE)
    (there,) = place.incidents
    assert there.state is IncidentState.ANSWERED and there.disputes == 1
    assert "not solved: it prints nothing" in place.heard
    _by(place, there, Solved(verified=False, how="new cable"))
    place.pass_time(6 * MINUTE)
    assert place.incidents[0].state is IncidentState.CLOSED


def test_the_third_time_opens_a_problem_that_is_a_ticket_of_its_own(tmp_path: Path) -> None:
    span = timedelta(minutes=20)
    promises = replace(SOON, same_span=span, confirm=2 * MINUTE)
    place = IncidentPlace(tmp_path, promises=promises)
    place.against[TILL] = "not covered"
    for _time in range(4):
        alert = replace(place.alert(TILL), starts_at=place.clock.now())
        place.ledger.alerts.receive(Delivery(source="shop", alerts=(alert,)), place.clock.now())
        place.pass_time(MINUTE * 2)
        _by(place, place.incidents[-1], Solved(verified=False, how="restarted"))
        place.pass_time(3 * MINUTE)
        assert place.incidents[-1].state is IncidentState.CLOSED
    assert len(place.incidents) == 4
    (problem,) = place.ledger.incidents.problems()
    assert problem.times == 4 and problem.incidents == tuple(e.number for e in place.incidents)
    assert {each.problem for each in place.incidents} == {problem.number}
    assert "it came again" in place.notes(problem.number)[-1]
    assert place.heard.count(f"{problem.number}: problem: ") == 1
    place.pass_time(span + MINUTE)
    (problem,) = place.ledger.incidents.problems()
    assert problem.over
    place.pass_time(MINUTE)
    (ticket,) = place.tickets.tickets(problem.number)
    assert not place.tickets.kept[ticket].open
    assert place.ledger.verify().problems == ()


def test_a_controller_that_is_killed_between_tells_nothing_twice(place: IncidentPlace) -> None:
    """Also when the ticket system is away meanwhile."""
    place.ends[TILL] = "failed"
    with place.tickets.faults.down():
        place.send(TILL)
        for _kill in range(3):
            place.pass_time(40 * timedelta(seconds=1))
            place.restart()
    place.pass_time(20 * MINUTE)
    (incident,) = place.incidents
    kinds = _kinds(place, incident.number)
    assert kinds == ["opened", "answered", "noted", "noted"]
    assert len(place.notes(incident.number)) == len(kinds)
    assert place.ledger.verify().problems == ()


def test_incidents_speak_chinese(tmp_path: Path) -> None:
    place = IncidentPlace(tmp_path, language="zh")
    place.ends[TILL] = "failed"
    place.send(TILL)
    place.pass_time(10 * MINUTE)
    (incident,) = place.incidents
    (ticket,) = place.tickets.tickets(incident.number)
    kept = place.tickets.kept[ticket]
    assert "优先级: 中" in kept.body and "受影响的配置项: CI-printer-001-1" in kept.body
    assert any("须人员处理" in each and "1 条告警须由人员处理" in each for each in place.titles)


class _Asked(SqlAlerts):
    """The book of alerts, which counts what it is asked about single ones."""

    asked = 0

    def history(self, run: str) -> tuple[JournalEntry, ...]:
        self.asked += 1
        return SqlAlerts.history(self, run)

    def occurrence(self, key: str) -> Occurrence | None:
        self.asked += 1
        return SqlAlerts.occurrence(self, key)


def test_a_storm_of_hundreds_is_not_asked_about_one_by_one(tmp_path: Path) -> None:
    clock = ManualClock(NIGHT)
    with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
        book = _Asked(ledger.transactions, clock)
        alerts = tuple(
            Alert(
                source="shop", fingerprint=str(n), starts_at=NIGHT, signal=Signal.FIRING, name="x"
            )
            for n in range(600)
        )
        keys = book.receive(Delivery(source="shop", alerts=alerts), NIGHT).new
        book.amend(keys, calling(_calls, IncidentFacts()))
        duty = IncidentDuty(FollowParts(incidents=ledger.incidents, book=book, clock=clock))
        assert duty.tick(NIGHT) is not None
        clock.advance(MINUTE)
        duty.tick(clock.now())
        (incident,) = ledger.incidents.open_ones()
        assert len(incident.occurrences) == 600 and book.asked <= 1
        before = len(ledger.incidents.history(incident.number))
        clock.advance(MINUTE)
        duty.tick(clock.now())
        assert len(ledger.incidents.history(incident.number)) == before


def _calls(there: Mapping[str, Occurrence], _numbers: Numbers) -> Settled:
    """A storm of which nobody is repaired."""
    reason = Reason(guard="storm", en="too many", zh="过多")
    decision = Decision(
        verdict=Verdict.ESCALATE, at=NIGHT, rule="x", reasons=(reason,), incident="storm:x"
    )
    what = Decided(decision=decision)
    return Settled(events=tuple(AlertEvent(key=key, at=NIGHT, what=what) for key in there))
