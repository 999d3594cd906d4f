# SPDX-License-Identifier: GPL-3.0-or-later
"""Tampering that nobody thought of: any byte, any row, any order."""

# ruff: noqa: S608 - the statements are made of our own table names

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pysqlite3 import dbapi2 as sqlite

from storewarden.ports.journal import seal
from storewarden.ports.ledger import Problem
from tests.contract.ledger_tampering import (
    LAST,
    forged_entry,
    history,
    read_journal,
    rechained,
    verify_tampered,
    write_journal,
)

_TABLES = (
    "journal",
    "journal_head",
    "audit",
    "host_result",
    "control_state",
    "drift_event",
    "host_count",
    "change",
    "change_host",
    "change_series",
    "channel",
)
_OFTEN = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("original") / "ledger.sqlite"
    history(file)
    raw = sqlite.connect(str(file))
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    return file


def _columns(raw: Any, table: str) -> list[str]:
    return [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]


def _changed(value: Any, data: st.DataObject) -> Any:
    """Another value of the same type: one byte flipped, or another number."""
    if isinstance(value, int):
        return value + data.draw(st.integers(-30, 30).filter(bool))
    stored = bytearray(value.encode() if isinstance(value, str) else value)
    if not stored:
        return "x"
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] ^= data.draw(
        st.integers(1, 127) if isinstance(value, str) else st.integers(1, 255)
    )
    if not isinstance(value, str):
        return bytes(stored)
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return assume(False)


@_OFTEN
@given(data=st.data())
def test_no_byte_of_any_column_changes_unseen(original: Path, data: st.DataObject) -> None:
    touched: list[str] = []

    def tamper(raw: Any) -> None:
        table = data.draw(st.sampled_from(_TABLES))
        column = data.draw(st.sampled_from(_columns(raw, table)))
        rows = raw.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
        rowid, value = data.draw(st.sampled_from(rows))
        new = _changed(value, data)
        if table == "journal" and column != "sequence":
            touched.append(f"entry {rowid}")  # the sequence is the row's number
        try:
            raw.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, rowid))
        except sqlite.IntegrityError:  # a number that is taken, the head's check
            assume(False)

    problems = verify_tampered(original, tamper).problems
    assert problems
    if touched:
        assert problems[0].where == touched[0]


@_OFTEN
@given(data=st.data())
def test_no_text_becomes_bytes_that_are_none(original: Path, data: st.DataObject) -> None:
    """Bytes that are no UTF-8 in a text column are found, not stumbled over."""

    def tamper(raw: Any) -> None:
        table, column = data.draw(
            st.sampled_from([("journal", "run"), ("audit", "content"), ("control_state", "value")])
        )
        rowids = [row[0] for row in raw.execute(f"SELECT rowid FROM {table}")]
        rowid = data.draw(st.sampled_from(rowids))
        raw.execute(
            f"UPDATE {table} SET {column} = CAST(x'ff80' || {column} AS TEXT) WHERE rowid = ?",
            (rowid,),
        )

    problems = verify_tampered(original, tamper).problems
    assert problems
    assert "".join(p.where + p.what for p in problems).encode()


@_OFTEN
@given(data=st.data())
def test_no_row_goes_unseen(original: Path, data: st.DataObject) -> None:
    def tamper(raw: Any) -> None:
        table = data.draw(st.sampled_from(_TABLES))
        rowids = [row[0] for row in raw.execute(f"SELECT rowid FROM {table}")]
        gone = data.draw(st.lists(st.sampled_from(rowids), min_size=1, max_size=3, unique=True))
        for rowid in gone:
            raw.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))

    assert verify_tampered(original, tamper).problems


@_OFTEN
@given(data=st.data())
def test_no_order_but_the_first_is_fine(original: Path, data: st.DataObject) -> None:
    """Entries in any other order, numbered anew or not, with or without a fitting head."""

    def tamper(raw: Any) -> None:
        chain = read_journal(raw)
        order = data.draw(st.permutations(range(len(chain))))
        assume(order != list(range(len(chain))))
        moved = [chain[n] for n in order]
        numbered = [(replace(s, sequence=n), h) for n, (s, h) in enumerate(moved, 1)]
        if data.draw(st.booleans()):
            numbered = [(s, seal(s)) for s, _ in numbered]
        write_journal(raw, numbered, head=data.draw(st.booleans()))

    assert verify_tampered(original, tamper).problems[0].where.startswith("entr")


@_OFTEN
@given(keep=st.integers(1, LAST - 1), head=st.booleans())
def test_no_tail_is_cut_unseen(original: Path, keep: int, head: bool) -> None:
    """Also when the head is cut back with it: the state tables still speak of the tail."""
    problems = verify_tampered(
        original, lambda raw: write_journal(raw, read_journal(raw)[:keep], head=head)
    ).problems
    assert problems
    if not head:
        tail = f"entries {keep + 1}-{LAST}" if keep < LAST - 1 else f"entry {LAST}"
        assert problems[0] == Problem(where=tail, what="cut off")


@_OFTEN
@given(place=st.integers(1, LAST), rechain=st.booleans(), head=st.booleans())
def test_no_entry_is_put_between_unseen(
    original: Path, place: int, rechain: bool, head: bool
) -> None:
    """With the chain made whole behind it, the remembered hash of the head still shows it."""
    known: dict[int, str] = {}

    def tamper(raw: Any) -> None:
        chain = read_journal(raw)
        known[LAST] = chain[-1][1]
        previous = chain[place - 2][1] if place > 1 else "0" * 64
        bodies = [s for s, _ in chain]
        bodies.insert(place - 1, forged_entry(place, previous))
        numbered = [replace(s, sequence=n) for n, s in enumerate(bodies, 1)]
        hashes = [h for _, h in chain]
        hashes.insert(place - 1, seal(numbered[place - 1]))
        made = rechained(bodies) if rechain else list(zip(numbered, hashes, strict=True))
        write_journal(raw, made, head=head)

    verified = verify_tampered(original, tamper, known if rechain else None)
    assert verified.problems
    if not rechain:
        assert verified.problems[0].where == f"entry {place}"
