# SPDX-License-Identifier: GPL-3.0-or-later
"""Every ledger keeps the same promises of drift tickets and months: in memory, SQLite, PostgreSQL.

What is recorded of them is also verified: each row follows from the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.adapters.ledger import SqlLedger, open_ledger
from storewarden.testing.conformance_drift import (
    TICKETS,
    DriftConformance,
    drift_ticket,
    ended,
    fleet,
)
from storewarden.testing.conformance_ledger import START
from storewarden.testing.ledger import ManualClock, MemoryLedger
from tests.contract.ledger_places import emptied
from tests.contract.ledger_postgres import postgres
from tests.contract.ledger_tampering import behind_its_back


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


class TestMemory(DriftConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock) -> MemoryLedger:
        return MemoryLedger(clock)


class TestSqlite(DriftConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, tmp_path: Path) -> Iterator[SqlLedger]:
        with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
            yield ledger

    def test_verify_explains_every_row_from_the_journal(
        self, ledger: SqlLedger, tmp_path: Path
    ) -> None:
        first, second = drift_ticket("pos1"), drift_ticket("pos2")
        ledger.outbox.subscribe(TICKETS)
        ledger.drift_tickets.settle([first, second], [])
        ledger.drift_tickets.settle([], [ended(second)])
        ledger.compliance.close_month(fleet("pos1", "pos2", bad=["pos2"]))
        assert ledger.verify().problems == ()
        with behind_its_back(tmp_path / "ledger.sqlite") as raw:
            raw.execute("UPDATE drift_ticket SET closed = '' WHERE host = 'pos2'")
            raw.execute("UPDATE device_month SET standing = 'ok' WHERE host = 'pos2'")
            raw.execute("DELETE FROM drift_ticket WHERE host = 'pos1'")
        found = {each.where: each.what for each in ledger.verify().problems}
        assert found == {
            f"drift_ticket row (number {second.number})": (
                "altered: not what the journal records (closed)"
            ),
            f"drift_ticket row (number {first.number})": "deleted: the journal records it",
            "device_month row (month 2026-02, host pos2)": (
                "altered: not what the journal records (standing)"
            ),
        }


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


class TestPostgresql(DriftConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, server: str) -> Iterator[SqlLedger]:
        with open_ledger(emptied(server), clock=clock) as ledger:
            yield ledger
