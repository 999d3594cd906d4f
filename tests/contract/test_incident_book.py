# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents, problem tickets and pauses in the ledger: one step with the decision, explained by the
journal, mirrored by ticket channels, tampering named. The same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from storewarden.adapters.ledger import open_ledger
from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.domain.errors import ConfigInvalid, LedgerConflict
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.domain.healing.events import AlertEvent, Decided
from storewarden.domain.healing.incident import (
    Answered,
    Closed,
    Happening,
    Incident,
    IncidentEvent,
    IncidentState,
    Joined,
    Mirrored,
    Opened,
    Solved,
    Traced,
)
from storewarden.domain.healing.pause import Pause
from storewarden.domain.healing.problem import Problem
from storewarden.domain.healing.problem_ticket import ProblemClosed, ProblemEvent
from storewarden.domain.healing.record import Decision, Occurrence, Reason, Verdict
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.ports.healing import Numbers, Settled
from storewarden.testing.ledger import ManualClock
from tests.contract.ledger_places import emptied
from tests.contract.ledger_postgres import postgres

NOW = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=(pytest.mark.slow, pytest.mark.full))]
)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlLedger]:
    if request.param == "sqlite":
        place = str(tmp_path / "ledger.sqlite")
    else:
        place = emptied(request.getfixturevalue("server"))
    with open_ledger(place, clock=ManualClock(NOW)) as opened:
        yield opened


def _received(ledger: SqlLedger, *names: str) -> tuple[str, ...]:
    alerts = tuple(
        Alert(
            source="shop",
            fingerprint=name,
            starts_at=NOW - timedelta(minutes=1),
            signal=Signal.FIRING,
            name="PosDown",
            labels={"host": name},
        )
        for name in names
    )
    return ledger.alerts.receive(Delivery(source="shop", alerts=alerts), NOW).new


def _calls(
    name: str, *, broken: bool = False
) -> Callable[[Mapping[str, Occurrence], Numbers], Settled]:
    """A person is called for all of these, in one incident of that name."""

    def decide(there: Mapping[str, Occurrence], numbers: Numbers) -> Settled:
        reason = Reason(guard="mode", en="nobody may", zh="不允许")
        made = Decision(verdict=Verdict.ESCALATE, at=NOW, rule="till", reasons=(reason,))
        events = tuple(AlertEvent(key=key, at=NOW, what=Decided(decision=made)) for key in there)
        known = numbers.open_incidents().get(name)
        what: Happening
        if known is not None:
            number, what = known.number, Joined(occurrences=tuple(there))
        else:
            number = numbers.incident()
            what = Opened(
                number=number, name=name, rule="till", kind=Kind.DOWN, priority=Impact.HIGH,
                began_at=NOW - timedelta(minutes=1), occurrences=tuple(there), summary=reason,
            )  # fmt: skip
        told = [IncidentEvent(number=number, at=NOW, what=what)]
        if broken:
            told.append(IncidentEvent(number=number, at=NOW, what=Closed()))
        return Settled(events=events, incidents=tuple(told))

    return decide


def _opened(ledger: SqlLedger, name: str, *hosts: str) -> Incident:
    ledger.alerts.amend(_received(ledger, *hosts), _calls(name))
    return ledger.incidents.incidents(name=name)[0]


def _tells(*whats: Happening) -> Callable[[Incident], list[IncidentEvent]]:
    return lambda there: [
        IncidentEvent(number=there.number, at=NOW + HOUR, what=what) for what in whats
    ]


def test_an_incident_is_opened_in_the_step_that_decides(ledger: SqlLedger) -> None:
    incident = _opened(ledger, "storm:till", "pos1", "pos2")
    assert incident.number == "INC-20260601-083000" and len(incident.occurrences) == 2
    assert ledger.incidents.incident(incident.number) == incident
    joined = _opened(ledger, "storm:till", "pos3")
    assert joined.number == incident.number and len(joined.occurrences) == 3
    assert ledger.incidents.open_ones() == (joined,)
    assert [each.kind for each in ledger.incidents.history(incident.number)] == [
        "incident opened", "incident joined",
    ]  # fmt: skip
    assert ledger.verify().problems == ()


def test_what_cannot_happen_to_an_incident_undoes_the_decision(ledger: SqlLedger) -> None:
    keys = _received(ledger, "pos1")
    with pytest.raises(LedgerConflict):
        ledger.alerts.amend(keys, _calls("a", broken=True))  # closed before it was solved
    assert ledger.incidents.open_ones() == ()
    assert ledger.alerts.backlog() == 1
    assert ledger.verify().problems == ()


def test_numbers_of_one_second_are_given_once(ledger: SqlLedger) -> None:
    found = [_opened(ledger, f"rule:till@pos{n}", f"pos{n}").number for n in range(3)]
    assert found == [f"INC-20260601-08300{n}" for n in range(3)]


def test_it_is_amended_under_the_lock_and_leaves_the_open_ones_when_it_is_closed(
    ledger: SqlLedger,
) -> None:
    number = _opened(ledger, "a", "pos1").number
    book = ledger.incidents
    after = book.amend(number, _tells(Answered(repair="GMBG-1-H1"), Solved(verified=True)))
    assert after.state is IncidentState.SOLVED and after.repairs == ("GMBG-1-H1",)
    assert book.amend(number, lambda _there: []) == after
    assert book.amend(number, _tells(Closed())).state is IncidentState.CLOSED
    assert book.open_ones() == () and book.incidents()[0].number == number
    assert book.incidents(since=NOW + HOUR) == ()
    with pytest.raises(ConfigInvalid):
        book.amend("INC-20200101-000000", _tells())
    assert ledger.verify().problems == ()


def test_a_problem_is_opened_once_grows_and_is_noted_on_its_incidents(ledger: SqlLedger) -> None:
    book, numbers = ledger.incidents, []
    for n in range(4):
        number = _opened(ledger, "a", f"pos{n}").number
        numbers.append(number)
        book.amend(number, _tells(Solved(verified=True), Closed()))
    problem = Problem(name="a", incidents=tuple(numbers[:3]), times=3)
    ticket = book.trace(problem)
    assert ticket.number == "PRB-20260601-083000" and not ticket.over
    assert [book.incident(each).problem for each in numbers] == [ticket.number] * 3 + [""]  # type: ignore[union-attr]
    assert book.trace(problem) == ticket
    assert len(book.history(ticket.number)) == 1
    grown = book.trace(replace(problem, incidents=tuple(numbers), times=4, major=True))
    assert grown.number == ticket.number and grown.major and grown.times == 4
    assert book.incidents(limit=1)[0].problem == ticket.number
    over = ProblemEvent(number=ticket.number, at=NOW, what=ProblemClosed(since=NOW))
    assert book.amend_problem(ticket.number, lambda _there: [over]).over
    assert book.problems(open_only=True) == () and len(book.problems()) == 1
    assert book.trace(problem).number != ticket.number
    with pytest.raises(ConfigInvalid):
        book.amend_problem("PRB-20200101-000000", lambda _there: [])
    assert ledger.verify().problems == ()


def test_ticket_channels_have_incidents_first(ledger: SqlLedger) -> None:
    """Also one that is subscribed after an incident was opened; closed ones are left out."""
    early = _opened(ledger, "a", "pos1").number
    over = _opened(ledger, "b", "pos2").number
    ledger.incidents.amend(over, _tells(Solved(verified=False), Closed()))
    box = ledger.outbox
    box.subscribe("ticket:itsm")
    late = _opened(ledger, "c", "pos3").number
    assert [each.subject for each in box.due("ticket:itsm", NOW)] == [early, late]
    ledger.incidents.amend(early, _tells(Mirrored(system="itsm", ticket="17")))
    (delivery, _) = box.due("ticket:itsm", NOW)
    kinds = [each.kind for each in box.entries(delivery)]
    assert kinds == ["incident opened", "incident mirrored"]
    for entry in box.entries(delivery):
        delivery = box.arrived(delivery, entry.sequence)
    assert [each.subject for each in box.due("ticket:itsm", NOW)] == [late]
    ticket = ledger.incidents.trace(Problem(name="a", incidents=(early,), times=3))
    assert {each.subject for each in box.due("ticket:itsm", NOW)} == {early, late, ticket.number}
    assert ledger.incidents.incident(early).tickets == {"itsm": "17"}  # type: ignore[union-attr]
    assert ledger.verify().problems == ()


def test_pauses_are_set_replaced_and_taken_back(ledger: SqlLedger) -> None:
    book = ledger.heal_pauses
    pause = Pause(what="rule:till", by="wang", at=NOW, reason="stocktaking", until=NOW + HOUR)
    book.pause(pause)
    assert book.pauses() == (pause,)
    longer = replace(pause, until=None, reason="盘点")
    book.pause(longer)
    book.pause(replace(pause, what="action:service"))
    assert [each.what for each in book.pauses()] == ["action:service", "rule:till"]
    assert book.pauses()[1] == longer
    assert book.resume("rule:till", "li", "done") and not book.resume("rule:till", "li", "done")
    assert [each.what for each in book.pauses()] == ["action:service"]
    kinds = [each.kind for each in ledger.of_run("heal rule:till")]
    assert kinds == ["heal paused", "heal paused", "heal resumed"]
    assert ledger.verify().problems == ()


@pytest.mark.parametrize("kind", ["incident closed", "problem opened", "heal paused"])
def test_nobody_writes_such_entries_past_the_book(ledger: SqlLedger, kind: str) -> None:
    with pytest.raises(LedgerConflict):
        ledger.append(kind, {}, run="INC-20260601-083000", step="9")


_COLUMNS = [
    *(("incident", name) for name in ("number", "opening", "sequence", "name", "state")),
    *(("incident", name) for name in ("priority", "opened", "body")),
    *(("problem", name) for name in ("number", "opening", "sequence", "open", "name")),
    *(("problem", name) for name in ("opened", "body")),
    *(("heal_pause", name) for name in ("what", "sequence", "person", "since", "reason")),
    ("heal_pause", "until"),
]


def test_every_column_that_somebody_changed_is_named(tmp_path: Path) -> None:
    """And every row that was taken out."""
    file = tmp_path / "ledger.sqlite"
    with open_ledger(file, clock=ManualClock(NOW)) as ledger:
        number = _opened(ledger, "a", "pos1").number
        ledger.incidents.amend(number, _tells(Solved(verified=True)))
        ledger.incidents.trace(Problem(name="a", incidents=(number,), times=3))
        ledger.heal_pauses.pause(Pause(what="rule:till", by="wang", at=NOW, reason="x"))
        assert ledger.verify().problems == ()
        engine = create_engine(f"sqlite:///{file}")
        for table, column in _COLUMNS:
            with engine.begin() as connection:
                kept = connection.execute(text(f"SELECT {column} FROM {table}")).scalar_one()  # noqa: S608
                other = kept + 700 if isinstance(kept, int) else f"{kept}x"
                change = text(f"UPDATE {table} SET {column} = :value")  # noqa: S608
                connection.execute(change, {"value": other})
            named = [each.where for each in ledger.verify().problems]
            assert any(each.startswith(f"{table} row") for each in named), (table, column, named)
            with engine.begin() as connection:
                connection.execute(change, {"value": kept})
        assert ledger.verify().problems == ()
        for table in ("incident", "problem", "heal_pause"):
            with engine.begin() as connection:
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
            named = [each.where for each in ledger.verify().problems]
            assert any(each.startswith(f"{table} row") for each in named), table
        engine.dispose()


def test_a_problem_is_noted_on_a_closed_incident_which_stays_closed(ledger: SqlLedger) -> None:
    number = _opened(ledger, "a", "pos1").number
    ledger.incidents.amend(number, _tells(Solved(verified=False), Closed()))
    after = ledger.incidents.amend(number, _tells(Traced(problem="PRB-20260601-083000")))
    assert after.over and after.problem == "PRB-20260601-083000"
    with pytest.raises(LedgerConflict):
        ledger.incidents.amend(number, _tells(Joined(occurrences=("k",))))
