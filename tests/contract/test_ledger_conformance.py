# SPDX-License-Identifier: GPL-3.0-or-later
"""Every ledger keeps the same promises: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from storewarden.adapters.ledger import SqlLedger, open_ledger
from storewarden.testing.conformance_ledger import START, LedgerConformance
from storewarden.testing.ledger import ManualClock, MemoryLedger
from tests.contract.ledger_places import driver, emptied
from tests.contract.ledger_postgres import postgres


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


class TestMemory(LedgerConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock) -> MemoryLedger:
        return MemoryLedger(clock)


class TestSqlite(LedgerConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, tmp_path: Path) -> Iterator[SqlLedger]:
        with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
            yield ledger


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


class TestPostgresql(LedgerConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, server: str) -> Iterator[SqlLedger]:
        with open_ledger(emptied(server), clock=clock) as ledger:
            yield ledger

    def test_entries_cannot_be_changed_by_accident(self, ledger: SqlLedger, server: str) -> None:
        ledger.append("note", {}, run="r", step="s")
        engine = create_engine(driver(server))
        for statement in (
            "UPDATE journal SET kind = 'x'",
            "DELETE FROM journal",
            "TRUNCATE journal",
        ):
            with (
                pytest.raises(Exception, match="append-only"),
                engine.begin() as connection,
            ):
                connection.execute(text(statement))
        engine.dispose()
        assert ledger.verify().problems == ()

    def test_tampering_is_named(self, ledger: SqlLedger, server: str) -> None:
        for n in range(5):
            ledger.append("note", {"n": n}, run="r", step=str(n))
        engine = create_engine(driver(server))
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE journal DISABLE TRIGGER journal_no_update"))
            connection.execute(text("UPDATE journal SET run = 'x' WHERE sequence = 3"))
        engine.dispose()
        problems = {
            (problem.where, problem.what.split(":")[0]) for problem in ledger.verify().problems
        }
        assert problems == {("entry 3", "altered"), ("trigger journal_no_update", "deleted")}
