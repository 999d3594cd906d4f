# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rollout book keeps the same promises: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from storewarden.adapters.ledger import SqlLedger, open_ledger
from storewarden.testing.conformance_ledger import START
from storewarden.testing.conformance_rollouts import RolloutsConformance
from storewarden.testing.ledger import ManualClock, MemoryLedger
from tests.contract.ledger_places import driver
from tests.contract.ledger_postgres import postgres


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


class TestMemory(RolloutsConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock) -> MemoryLedger:
        return MemoryLedger(clock)


class TestSqlite(RolloutsConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, tmp_path: Path) -> Iterator[SqlLedger]:
        with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
            yield ledger


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """With an empty ledger, of which each test gets a copy: quicker than making it each time."""
    with postgres() as url:
        with open_ledger(url, clock=ManualClock(START)):
            pass
        yield url


@pytest.fixture
def place(server: str) -> Iterator[str]:
    """A ledger of this test alone."""
    name = f"t{uuid4().hex}"
    root = driver(server.replace("/postgres?", "/template1?"))
    engine = create_engine(root, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE postgres"))
        yield server.replace("/postgres?", f"/{name}?")
        connection.execute(text(f"DROP DATABASE {name}"))
    engine.dispose()


class TestPostgresql(RolloutsConformance):
    @pytest.fixture
    def ledger(self, clock: ManualClock, place: str) -> Iterator[SqlLedger]:
        with open_ledger(place, clock=clock) as ledger:
            yield ledger
