# SPDX-License-Identifier: GPL-3.0-or-later
"""Every change book keeps the same promises: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.adapters.ledger import SqlLedger, open_ledger
from storewarden.testing.conformance_changes import ChangesConformance
from storewarden.testing.conformance_ledger import START
from storewarden.testing.ledger import ManualClock, MemoryLedger
from tests.contract.ledger_places import emptied
from tests.contract.ledger_postgres import postgres


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


class TestMemory(ChangesConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock) -> MemoryLedger:
        return MemoryLedger(clock)


class TestSqlite(ChangesConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, tmp_path: Path) -> Iterator[SqlLedger]:
        with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
            yield ledger


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


class TestPostgresql(ChangesConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, server: str) -> Iterator[SqlLedger]:
        with open_ledger(emptied(server), clock=clock) as ledger:
            yield ledger
