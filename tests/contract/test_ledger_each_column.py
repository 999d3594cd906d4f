# SPDX-License-Identifier: GPL-3.0-or-later
"""Every column of every row changed once, every row taken out once, every guard disarmed.

What cannot be found from the ledger alone is listed here, so that nobody believes otherwise.
"""

# ruff: noqa: S608 - the statements are made of the schema's own names

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.ledger import open_ledger
from storewarden.testing.conformance_ledger import START
from storewarden.testing.ledger import ManualClock
from tests.contract.ledger_tampering import history, verify_tampered

pytestmark = pytest.mark.slow

_UNEXPLAINED = {
    ("delivery", "attempts"),  # how often it failed, and why, is nobody's record
    ("delivery", "retry_at"),
    ("delivery", "error"),
    ("delivery", "parked"),  # the ticket shows it: entries are missing there
    ("delivery", "receipt"),  # the ticket's id stands in the change as well
}
"""Columns whose present value follows from no entry: the outbox's cursors (see
adapters/ledger/outbox.py). A cursor that was moved to another entry of its change is not
found either, when the column that waits was moved with it."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("original") / "ledger.sqlite"
    history(file)
    raw = sqlite.connect(str(file))
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    return file


def _tables(file: Path) -> dict[str, list[str]]:
    """Every table of the ledger with its columns; the version of the schema is Alembic's."""
    raw = sqlite.connect(str(file))
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
    found = {
        name: [row[1] for row in raw.execute(f"PRAGMA table_info({name})")]
        for (name,) in raw.execute(names)
    }
    raw.close()
    return found


def _rows(file: Path, table: str) -> Iterator[int]:
    raw = sqlite.connect(str(file))
    yield from [row[0] for row in raw.execute(f"SELECT rowid FROM {table}")]
    raw.close()


def _other(value: Any) -> Any:
    if isinstance(value, int):
        return value + 700
    if isinstance(value, bytes):
        return value + b" "
    return f"{value}x"


def test_every_column_of_every_row_is_named_when_it_is_changed(original: Path) -> None:
    """In each of its rows."""
    silent = set()
    for table, columns in _tables(original).items():
        for column in columns:
            for rowid in _rows(original, table):

                def tamper(raw: Any, at: tuple[str, str, int] = (table, column, rowid)) -> None:
                    name, field, row = at
                    raw.execute("PRAGMA ignore_check_constraints=ON")
                    one = f"SELECT {field} FROM {name} WHERE rowid = ?"
                    new = _other(raw.execute(one, (row,)).fetchone()[0])
                    raw.execute(f"UPDATE {name} SET {field} = ? WHERE rowid = ?", (new, row))

                if not verify_tampered(original, tamper).problems:
                    silent.add((table, column))
    assert silent == _UNEXPLAINED


def test_every_row_that_is_taken_out_is_named(original: Path) -> None:
    tables = _tables(original)
    assert {"journal", "change_series", "channel", "delivery", "change_host"} <= tables.keys()
    for table in tables:
        for rowid in _rows(original, table):

            def tamper(raw: Any, at: tuple[str, int] = (table, rowid)) -> None:
                raw.execute(f"DELETE FROM {at[0]} WHERE rowid = ?", (at[1],))

            assert verify_tampered(original, tamper).problems, (table, rowid)


def _disarm(raw: Any) -> None:
    sql = "CREATE TRIGGER journal_no_update BEFORE update ON journal BEGIN SELECT 1; END"
    raw.execute("PRAGMA writable_schema=ON")
    raw.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'journal_no_update'", (sql,))


def test_a_guard_that_guards_nothing_is_named(original: Path, tmp_path: Path) -> None:
    """Of the right name, and of another text; and one that nobody of us put there."""
    for statement, where, what in (
        (
            "CREATE TRIGGER helpful AFTER INSERT ON journal BEGIN DELETE FROM change; END",
            "trigger helpful",
            "inserted: it is none of the ledger's",
        ),
        ("DROP INDEX change_of_state", "index change_of_state", "deleted: the schema has it"),
        ("CREATE VIEW v AS SELECT 1", "view v", "inserted: it is none of the ledger's"),
    ):
        found = verify_tampered(original, lambda raw, s=statement: raw.execute(s)).problems  # type: ignore[misc]
        assert [(each.where, each.what) for each in found] == [(where, what)]
    file = tmp_path / "ledger.sqlite"
    file.write_bytes(original.read_bytes())
    raw = sqlite.connect(str(file), isolation_level=None)
    _disarm(raw)
    raw.close()
    with open_ledger(file, clock=ManualClock(START)) as ledger:
        (problem,) = ledger.verify().problems
    assert (problem.where, problem.what) == ("trigger journal_no_update", "altered")


def test_an_index_that_hides_a_row_is_named(original: Path) -> None:
    """The table is whole, so all rows are as they should be; questions by the index lie."""

    def tamper(raw: Any) -> None:
        raw.execute("PRAGMA writable_schema=ON")
        root = raw.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'change_of_state'"
        ).fetchone()[0]
        # The index of another table in its place: what is asked through it finds nothing.
        empty = raw.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'delivery_of_subject'"
        ).fetchone()[0]
        assert root != empty
        raw.execute(
            "UPDATE sqlite_master SET rootpage = ? WHERE name = 'change_of_state'", (empty,)
        )

    problems = verify_tampered(original, tamper).problems
    assert any(each.what.startswith("damaged: ") for each in problems)
