# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts and ``ledger verify``: every column of every row, every row, a restored backup."""

# ruff: noqa: S608 - the statements are made of the schema's own names

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.ledger import open_ledger
from storewarden.adapters.ledger.copies import backup
from storewarden.adapters.ledger.restore import Restore, restore
from storewarden.domain.rollout.events import Report
from storewarden.domain.rollout.record import Phase
from storewarden.testing.conformance_ledger import START
from storewarden.testing.ledger import ManualClock
from storewarden.testing.rollout_scenes import (
    begin,
    dispatch,
    ended,
    open_rollout,
    planned,
)
from tests.contract.ledger_tampering import verify_tampered

pytestmark = pytest.mark.slow

_TABLES = ("rollout", "rollout_host", "rollout_job")
_UNEXPLAINED = {
    ("rollout", "look_at"),  # a time that is lost is found again by whoever looks
    ("rollout", "looks"),
    ("rollout_job", "worker"),  # who works on what is nobody's record
    ("rollout_job", "taken"),
    ("rollout_job", "begun"),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rollout with a dispatch that ended and one under way, told to a ticket channel."""
    file = tmp_path_factory.mktemp("original") / "ledger.sqlite"
    with open_ledger(file, clock=ManualClock(START)) as ledger:
        ledger.outbox.subscribe("ticket:itsm")
        number = open_rollout(ledger)
        begin(ledger, number)
        book = ledger.rollouts
        book.amend(number, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1", "pos2"))
        book.amend(number, "e1", ended("d1", Phase.PREFLIGHT, Report.READY, "pos1", "pos2"))
        book.amend(number, "d2", dispatch("d2", Phase.APPLY, "pos1"))
        assert ledger.verify().problems == ()
    raw = sqlite.connect(str(file))
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    return file


def _columns(file: Path, table: str) -> list[str]:
    raw = sqlite.connect(str(file))
    names = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
    raw.close()
    return names


def _rows(file: Path, table: str) -> list[int]:
    raw = sqlite.connect(str(file))
    found = [row[0] for row in raw.execute(f"SELECT rowid FROM {table}")]
    raw.close()
    return found


def test_every_column_that_is_changed_and_every_row_that_is_gone_is_named(original: Path) -> None:
    silent = set()
    for table in _TABLES:
        for rowid in _rows(original, table):
            gone = f"DELETE FROM {table} WHERE rowid = {rowid}"
            assert verify_tampered(original, lambda raw, s=gone: raw.execute(s)).problems, gone  # type: ignore[misc]
        for column in _columns(original, table):
            (rowid, *_others) = _rows(original, table)

            def tamper(raw: Any, at: tuple[str, str, int] = (table, column, rowid)) -> None:
                name, field, row = at
                value = raw.execute(f"SELECT {field} FROM {name} WHERE rowid = ?", (row,))
                before = value.fetchone()[0]
                new = before + 700 if isinstance(before, int) else f"{before}x"
                raw.execute(f"UPDATE {name} SET {field} = ? WHERE rowid = ?", (new, row))

            if not verify_tampered(original, tamper).problems:
                silent.add((table, column))
    assert silent == _UNEXPLAINED


def test_rows_that_nothing_explains_and_moved_cursors_are_named(original: Path) -> None:
    for statement, where in (
        (
            "INSERT INTO rollout_host (rollout, host, place, sequence, state, body)"
            " SELECT rollout, 'pos7', 3, 7, state, body FROM rollout_host WHERE host = 'pos1'",
            "rollout_host row (rollout GMBG-20260301-001-R1, host pos7)",
        ),
        (
            "INSERT INTO rollout_job (dispatch, rollout, sequence, epoch, ended,"
            " worker, taken, begun) SELECT 'x-d9', rollout, 900, 1, '', '', '', ''"
            " FROM rollout_job WHERE ended = ''",
            "rollout_job row (dispatch x-d9)",
        ),
        (
            "UPDATE change_series SET last = 7 WHERE series = 'GMBG-20260301-001-R'",
            "change_series row (series GMBG-20260301-001-R)",
        ),
        (
            "UPDATE delivery SET latest = 2, waiting = 0 WHERE subject = 'GMBG-20260301-001'",
            "delivery row (channel ticket:itsm, subject GMBG-20260301-001)",
        ),
    ):
        found = verify_tampered(original, lambda raw, s=statement: raw.execute(s)).problems  # type: ignore[misc]
        assert [each.where for each in found] == [where]


def test_numbers_of_a_ledger_that_was_given_up_are_not_given_out_again(tmp_path: Path) -> None:
    """Hosts hold restore points under them."""
    clock, file, copy = ManualClock(START), tmp_path / "ledger.sqlite", tmp_path / "copy.sqlite"
    with open_ledger(file, clock=clock) as ledger:
        first = open_rollout(ledger)
        change = first.removesuffix("-R1")
        backup(ledger, copy, clock)
        for key in ("k2", "k3"):
            ledger.rollouts.open_rollout(key, change, planned(change))
    clock.advance(timedelta(hours=1))
    asked = Restore(ledger=file, backup=copy, by="li", replace=True, accept_loss=True)
    assert restore(asked, clock).given_up == 2
    with open_ledger(file, clock=clock) as ledger:
        assert [line.number for line in ledger.rollouts.lines()] == [first]
        fresh = ledger.rollouts.open_rollout("k4", change, planned(change))
        assert fresh.rollout.number == f"{change}-R4"
        assert ledger.verify().problems == ()
