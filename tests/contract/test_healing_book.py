# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts and repairs in the ledger: decided once, explained by the journal, tampering named."""

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
from storewarden.domain.healing.events import AlertEvent, Decided, Moved
from storewarden.domain.healing.record import (
    Decision,
    End,
    HostEnd,
    Occurrence,
    Reason,
    Repair,
    RepairState,
    Stage,
    Verdict,
)
from storewarden.ports.healing import Numbers, Settled
from storewarden.testing.conformance_alerts import InboxConformance
from storewarden.testing.ledger import ManualClock

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
CHANGE = "GMBG-20260601-001"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    with open_ledger(tmp_path / "ledger.sqlite", clock=ManualClock(NOW)) as opened:
        yield opened


class TestInbox(InboxConformance):
    @pytest.fixture
    def inbox(self, ledger: SqlLedger) -> object:
        return ledger.alerts


def _alert(name: str, **more: object) -> Alert:
    alert = Alert(
        source="shop",
        fingerprint=name,
        starts_at=NOW - timedelta(minutes=1),
        signal=Signal.FIRING,
        name="PosDown",
        labels={"host": name},
    )
    return replace(alert, **more)  # type: ignore[arg-type]


def _received(ledger: SqlLedger, *names: str) -> tuple[str, ...]:
    delivery = Delivery(source="shop", alerts=tuple(_alert(name) for name in names))
    return ledger.alerts.receive(delivery, NOW).new


def _acts(*hosts: str) -> Callable[[Mapping[str, Occurrence], Numbers], Settled]:
    """One repair for all of them, in the order in which they are given."""

    def decide(there: Mapping[str, Occurrence], numbers: Numbers) -> Settled:
        repair = Repair(
            id=numbers(CHANGE),
            change=CHANGE,
            action="service",
            rule="till",
            hosts=hosts,
            occurrences=tuple(there),
            opened_at=NOW,
        )
        made = [
            Decision(
                verdict=Verdict.ACT, at=NOW, rule="till", action="service", hosts=(host,),
                reasons=(Reason(guard="mode", en="it may", zh="允许"),), incident="storm:till",
            )
            for host in hosts
        ]  # fmt: skip
        events = tuple(
            AlertEvent(key=key, at=NOW, what=Decided(decision=each, repair=repair.id))
            for key, each in zip(there, made, strict=True)
        )
        return Settled(events=events, repairs=(repair,))

    return decide


def _moves(stage: Stage) -> Callable[[Mapping[str, Occurrence], Numbers], Settled]:
    def decide(there: Mapping[str, Occurrence], _numbers: Numbers) -> Settled:
        due = NOW if stage is Stage.VERIFYING else None
        what = Moved(stage=stage, reason="said so", due=due)
        return Settled(events=tuple(AlertEvent(key=key, at=NOW, what=what) for key in there))

    return decide


def test_a_repair_goes_from_the_decision_to_its_end_once(ledger: SqlLedger) -> None:
    book, keys = ledger.alerts, _received(ledger, "pos1", "pos2")
    (repair,) = book.amend(keys, _acts("pos1", "pos2")).repairs
    assert book.due(NOW) == () and book.next_due() is None
    assert [each.repair for each in book.occurrences()] == [repair.id, repair.id]
    assert {each.incident for each in book.recent(NOW - timedelta(hours=1))} == {"storm:till"}
    assert book.begin_repair(repair.id, "controller", NOW) is not None
    assert book.begin_repair(repair.id, "another", NOW) is None  # nobody runs it twice
    ends = [HostEnd(host=name, end=End.REPAIRED) for name in repair.hosts]
    ended = book.end_repair(repair.id, ends, NOW, _moves(Stage.VERIFYING))
    assert ended.state is RepairState.ENDED
    again = book.end_repair(repair.id, (), NOW, _moves(Stage.ESCALATED))  # late: nothing happens
    assert again == ended
    assert set(book.stages(keys).values()) == {Stage.VERIFYING}
    assert [each.number for each in book.due(NOW)] == [1, 2]
    assert book.repairs(open_only=True) == ()
    assert [each.kind for each in book.history(repair.id)] == [
        "repair opened", "repair begun", "repair ended",
    ]  # fmt: skip
    assert ledger.verify().problems == ()


def test_ids_of_repairs_are_never_given_twice(ledger: SqlLedger) -> None:
    ids = [
        ledger.alerts.amend(_received(ledger, name), _acts(name)).repairs[0].id
        for name in ("pos1", "pos2", "pos3")
    ]
    assert len(set(ids)) == 3 and all(each.startswith(f"{CHANGE}-H") for each in ids)


def test_what_the_table_does_not_allow_is_not_written(ledger: SqlLedger) -> None:
    keys = _received(ledger, "pos1")
    with pytest.raises(LedgerConflict):
        ledger.alerts.amend(keys, _moves(Stage.HEALED))  # nothing was decided
    with pytest.raises(ConfigInvalid):
        ledger.alerts.begin_repair(f"{CHANGE}-H1", "controller", NOW)
    assert [each.stage for each in ledger.alerts.occurrences()] == [Stage.RECEIVED]
    assert ledger.verify().problems == ()


def test_an_alert_is_found_by_the_beginning_of_its_key(ledger: SqlLedger) -> None:
    first, second = _received(ledger, "pos1", "pos2")
    found = ledger.alerts.occurrence(first[:12])
    assert found is not None and found.key == first
    assert ledger.alerts.occurrence("") is None
    assert ledger.alerts.occurrence("%") is None
    assert first != second


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE occurrence SET stage = 'healed'", "occurrence row"),
        ("UPDATE occurrence SET body = replace(body, 'pos1', 'pos9')", "occurrence row"),
        ("DELETE FROM occurrence WHERE number = 1", "occurrence row"),
        ("UPDATE repair SET open = 0", "repair row"),
        ("DELETE FROM repair", "repair row"),
    ],
)
def test_a_row_that_somebody_changed_is_named(
    tmp_path: Path, ledger: SqlLedger, statement: str, named: str
) -> None:
    ledger.alerts.amend(_received(ledger, "pos1"), _acts("pos1"))
    engine = create_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    problems = ledger.verify().problems
    assert any(each.where.startswith(named) for each in problems), problems


def test_how_often_an_alert_was_sent_is_no_tampering(ledger: SqlLedger) -> None:
    for _again in range(3):
        _received(ledger, "pos1")
    assert len(ledger.alerts.occurrences()) == 1
    assert ledger.verify().problems == ()
