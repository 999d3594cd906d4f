# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks on a real PostgreSQL server, among sessions that die."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from storewarden.adapters.ledger.session_locks import SessionLocks
from tests.contract.ledger_places import driver
from tests.contract.ledger_postgres import postgres

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with postgres() as url:
        made = create_engine(driver(url))
        yield made
        made.dispose()


@pytest.fixture
def locks(engine: Engine) -> Iterator[SessionLocks]:
    made = SessionLocks(engine)
    yield made
    made.close()


def _cut(engine: Engine) -> None:
    """Every other session ends, as when the server is restarted."""
    ending = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    with engine.connect() as connection:
        others = "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        connection.execute(text(f"{ending} {others}"))
    engine.dispose()


def test_a_name_belongs_to_one_session(engine: Engine, locks: SessionLocks) -> None:
    other = SessionLocks(engine)
    assert locks.take("controller") is True
    assert locks.take("controller") is False
    assert other.take("controller") is False
    assert other.take("audit-1") is True
    locks.drop("controller")
    locks.drop("controller")
    assert other.take("controller") is True
    other.close()
    assert locks.take("controller") is True


def test_a_lost_connection_is_taken_up_again(engine: Engine, locks: SessionLocks) -> None:
    assert locks.take("controller")
    assert locks.keep("controller") is True
    _cut(engine)
    assert locks.keep("controller") is True
    other = SessionLocks(engine)
    assert other.take("controller") is False
    other.close()


def test_who_was_faster_keeps_it(engine: Engine, locks: SessionLocks) -> None:
    assert locks.take("controller")
    _cut(engine)
    other = SessionLocks(engine)
    assert other.take("controller") is True
    assert locks.keep("controller") is False
    assert locks.keep("controller") is False
    other.close()
    assert locks.keep("controller") is True
