# SPDX-License-Identifier: GPL-3.0-or-later
"""Every outbox keeps the same promises: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from storewarden.adapters.ledger import SqlLedger, open_ledger
from storewarden.testing.conformance_changes import DAY, PREFIX, opening
from storewarden.testing.conformance_ledger import START
from storewarden.testing.conformance_outbox import TICKETS, OutboxConformance
from storewarden.testing.ledger import ManualClock, MemoryLedger
from tests.contract.ledger_places import emptied
from tests.contract.ledger_postgres import postgres


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


class TestMemory(OutboxConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock) -> MemoryLedger:
        return MemoryLedger(clock)


class TestSqlite(OutboxConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, tmp_path: Path) -> Iterator[SqlLedger]:
        with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
            yield ledger

    def test_asking_what_is_due_reads_no_journal(self, ledger: SqlLedger) -> None:
        """However long it is: an index of cursors and the head row tell."""
        ledger.outbox.subscribe("ticket:itsm")
        ledger.outbox.subscribe("notify:ops")
        for count in range(20):
            ledger.changes.open_change(f"k{count}", PREFIX, DAY, opening("pos1"))
        engine, statements = ledger.transactions.engine, []

        def listen(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
            statements.append(statement)

        event.listen(engine, "before_cursor_execute", listen)
        assert len(ledger.outbox.due("ticket:itsm", START)) == 20
        assert len(ledger.outbox.due("notify:ops", START)) == 1
        assert ledger.outbox.next_due("ticket:itsm") is None
        event.remove(engine, "before_cursor_execute", listen)
        asked = [each for each in statements if each.startswith("SELECT")]
        assert len(asked) >= 6
        assert not [each for each in asked if "journal." in each]
        with ledger.transactions.reading() as connection:
            values = (TICKETS,) * asked[1].count("?")
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[1]}", values)
            assert "delivery_waiting" in str(plan.fetchall())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


class TestPostgresql(OutboxConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, server: str) -> Iterator[SqlLedger]:
        with open_ledger(emptied(server), clock=clock) as ledger:
            yield ledger
