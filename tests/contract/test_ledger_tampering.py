# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is done to the file behind the ledger's back, ``verify`` finds and names it."""

# ruff: noqa: S608 - the statements are made of our own table names

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.ledger import open_ledger
from storewarden.domain.baseline.finding import AuditState, HostAudit, Verdict
from storewarden.ports.journal import Sealed, seal
from storewarden.ports.ledger import Problem, Verification
from storewarden.testing.conformance_ledger import START, audited
from storewarden.testing.ledger import ManualClock

_TABLES = (
    "journal",
    "journal_head",
    "audit",
    "host_result",
    "control_state",
    "drift_event",
    "host_count",
)
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # hundreds of short-lived files
_OFTEN = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


def _history(file: Path) -> None:
    """Three audits of three hosts with drift, a lost host, counts and plain notes."""
    hosts = ["pos1", "pos2", "srv1"]
    with open_ledger(file, clock=ManualClock(START)) as ledger:
        ledger.append("note", {"text": "开始"}, run="notes", step="1")
        for n in range(3):
            at = START + timedelta(days=n)
            ledger.remember_host_count("lab", 3 + n, at)
            ledger.begin_audit(f"a{n}", at, hosts, ["A01", "D04"], "content", scope="lab")
            counted = {"counters": {"ssh": 100 * n}}
            ledger.record_host(
                f"a{n}", audited("pos1", A01=(Verdict.PASS, 8 + n), D04=(Verdict.PASS, counted)), at
            )
            lost = HostAudit(host="pos2", state=AuditState.UNREACHABLE, message="timed out")
            found = audited("pos2", A01=(Verdict.FAIL if n else Verdict.PASS, [n > 0, "x"]))
            ledger.record_host(f"a{n}", lost if n == 1 else found, at)
            ledger.append("note", {"n": n}, run="notes", step=f"in {n}")
            ledger.record_host(f"a{n}", audited("srv1", A01=Verdict.ERROR), at)
            ledger.end_audit(f"a{n}", at, "completed")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("original") / "ledger.sqlite"
    _history(file)
    raw = sqlite.connect(str(file))
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    return file


@contextmanager
def _behind_its_back(file: Path) -> Iterator[Any]:
    """A plain connection with the journal's guards taken away, and put back afterwards."""
    raw = sqlite.connect(str(file))
    guards = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards:
        raw.execute(f"DROP TRIGGER {name}")
    yield raw
    for _, sql in guards:
        raw.execute(sql)
    raw.commit()
    raw.close()


def _verified(
    original: Path, tamper: Callable[[Any], None], known: dict[int, str] | None = None
) -> Verification:
    """What verify says about a copy that was tampered with."""
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        file = Path(folder) / "ledger.sqlite"
        shutil.copyfile(original, file)
        with _behind_its_back(file) as raw:
            tamper(raw)
        with open_ledger(file, clock=ManualClock(START)) as ledger:
            return ledger.verify(known=known)


def _entries(raw: Any) -> list[tuple[Sealed, str]]:
    names = ", ".join(Sealed.__slots__)
    rows = raw.execute(f"SELECT {names}, hash FROM journal ORDER BY sequence").fetchall()
    return [(Sealed(**dict(zip(Sealed.__slots__, row[:-1], strict=True))), row[-1]) for row in rows]


def _write(raw: Any, entries: list[tuple[Sealed, str]], *, head: bool) -> None:
    """Replace the whole journal, and on demand the head with it."""
    raw.execute("DELETE FROM journal")
    names = [*Sealed.__slots__, "hash"]
    marks = ", ".join("?" * len(names))
    for sealed, stored in entries:
        values = [*(getattr(sealed, name) for name in Sealed.__slots__), stored]
        raw.execute(f"INSERT INTO journal ({', '.join(names)}) VALUES ({marks})", values)
    if head:
        last = entries[-1]
        raw.execute("UPDATE journal_head SET sequence = ?, hash = ?", (last[0].sequence, last[1]))


def _chained(bodies: list[Sealed]) -> list[tuple[Sealed, str]]:
    """A chain of these that is perfect in itself."""
    chain: list[tuple[Sealed, str]] = []
    for number, entry in enumerate(bodies, 1):
        previous = chain[-1][1] if chain else "0" * 64
        sealed = replace(entry, sequence=number, previous=previous)
        chain.append((sealed, seal(sealed)))
    return chain


def _forged(number: int, previous: str) -> Sealed:
    body = b'{"text":"forged"}'
    at = "2026-03-01T08:00:00.000000Z"
    return Sealed(
        sequence=number, at=at, kind="note", run="x", step="x", body=body, previous=previous
    )


def test_the_original_is_fine(original: Path) -> None:
    verified = _verified(original, lambda _raw: None)
    assert (verified.entries, verified.problems) == (22, ())


# --- one way of each kind, with the words an auditor reads ---


def _altered(raw: Any) -> None:
    raw.execute("UPDATE journal SET body = CAST('{\"n\":7}' AS BLOB) WHERE sequence = 6")


def _deleted(raw: Any) -> None:
    raw.execute("DELETE FROM journal WHERE sequence = 6")


def _deleted_and_renumbered(raw: Any) -> None:
    kept = [pair for pair in _entries(raw) if pair[0].sequence != 6]
    _write(raw, [(replace(s, sequence=n), h) for n, (s, h) in enumerate(kept, 1)], head=True)


def _cut_off(raw: Any) -> None:
    raw.execute("DELETE FROM journal WHERE sequence > 19")


def _inserted_and_renumbered(raw: Any) -> None:
    chain = _entries(raw)
    forged = _forged(6, chain[4][1])
    behind = [(replace(s, sequence=s.sequence + 1), h) for s, h in chain[5:]]
    _write(raw, [*chain[:5], (forged, seal(forged)), *behind], head=True)


def _inserted_behind_the_head(raw: Any) -> None:
    chain = _entries(raw)
    forged = _forged(23, chain[-1][1])
    _write(raw, [*chain, (forged, seal(forged))], head=False)


def _exchanged(raw: Any) -> None:
    chain = _entries(raw)
    a, b = chain[5], chain[8]
    chain[5] = (replace(b[0], sequence=6), b[1])
    chain[8] = (replace(a[0], sequence=9), a[1])
    _write(raw, chain, head=False)


def _neighbours_exchanged(raw: Any) -> None:
    chain = _entries(raw)
    a, b = chain[5], chain[6]
    chain[5] = (replace(b[0], sequence=6), b[1])
    chain[6] = (replace(a[0], sequence=7), a[1])
    _write(raw, chain, head=False)


def _head_edited(raw: Any) -> None:
    raw.execute(f"UPDATE journal_head SET hash = '{'a' * 64}'")


def _head_lost(raw: Any) -> None:
    raw.execute("DELETE FROM journal_head")


def _replaced(raw: Any) -> None:
    chain = _entries(raw)
    other = replace(chain[5][0], body=b'{"n":7}')
    chain[5] = (other, seal(other))
    _write(raw, chain, head=False)


@pytest.mark.parametrize(
    ("tamper", "where", "what"),
    [
        (_altered, "entry 6", "altered: its hash does not fit its content"),
        (_deleted, "entry 6", "deleted"),
        (_deleted_and_renumbered, "entry 6", "deleted: what stands there was written as entry 7"),
        (_cut_off, "entries 20-22", "cut off"),
        (
            _inserted_and_renumbered,
            "entry 6",
            "inserted: the entries behind it were renumbered",
        ),
        (_inserted_behind_the_head, "entry 23", "inserted behind the head"),
        (_exchanged, "entry 6", "re-ordered: it was written as entry 9"),
        (_neighbours_exchanged, "entry 6", "re-ordered: it was written as entry 7"),
        (_replaced, "entry 7", "inserted, or entry 6 was replaced: they are not linked"),
        (_head_edited, "journal head", "altered: not the hash of entry 22"),
        (_head_lost, "journal head", "0 rows instead of one"),
    ],
)
def test_what_was_done_to_the_journal_is_named(
    original: Path, tamper: Callable[[Any], None], where: str, what: str
) -> None:
    assert _verified(original, tamper).problems[0] == Problem(where=where, what=what)


def test_one_cause_is_not_told_for_every_entry_behind_it(original: Path) -> None:
    for tamper in (_altered, _deleted, _cut_off):
        journal = [p for p in _verified(original, tamper).problems if p.where.startswith("entr")]
        assert len(journal) == 1


@pytest.mark.parametrize(
    ("statement", "where", "what"),
    [
        (
            "UPDATE control_state SET verdict = 'pass' WHERE host = 'pos2'",
            "control_state row (host pos2, control A01)",
            "altered: not what the journal records (verdict)",
        ),
        (
            "INSERT INTO control_state VALUES ('pos9', 'A01', 'pass', 'null', 'a0')",
            "control_state row (host pos9, control A01)",
            "inserted: no journal entry explains it",
        ),
        (
            "DELETE FROM control_state WHERE host = 'srv1'",
            "control_state row (host srv1, control A01)",
            "deleted: the journal records it",
        ),
        (
            "UPDATE host_result SET state = 'audited' WHERE host = 'pos2'",
            "host_result row (host pos2, audit a1)",
            "altered: not what the journal records (state)",
        ),
        (
            "UPDATE host_result SET evidence = zeroblob(9) WHERE host = 'pos1' AND audit = 'a2'",
            "host_result row (host pos1, audit a2)",
            "altered: not what the journal records (evidence)",
        ),
        (
            "UPDATE drift_event SET value_to = '8' WHERE host = 'pos1' AND audit = 'a2'",
            "drift_event row (host pos1, control A01, audit a2)",
            "altered: not what the journal records (value_to)",
        ),
        (
            "UPDATE audit SET outcome = 'interrupted' WHERE id = 'a1'",
            "audit row (id a1)",
            "altered: not what the journal records (outcome)",
        ),
        (
            "UPDATE audit SET hosts = '[\"pos1\"]' WHERE id = 'a1'",
            "audit row (id a1)",
            "altered: not what the journal records (hosts)",
        ),
        (
            "UPDATE host_count SET count = 1",
            "host_count row (scope lab)",
            "altered: not what the journal records (count)",
        ),
    ],
)
def test_state_rows_the_journal_does_not_explain_are_named(
    original: Path, statement: str, where: str, what: str
) -> None:
    problems = _verified(original, lambda raw: raw.execute(statement)).problems
    assert Problem(where=where, what=what) in problems


def test_a_removed_guard_is_named(original: Path, tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    shutil.copyfile(original, file)
    raw = sqlite.connect(str(file))
    raw.execute("DROP TRIGGER journal_no_delete")
    raw.close()
    with open_ledger(file, clock=ManualClock(START)) as ledger:
        (problem,) = ledger.verify().problems
    assert problem.where == "trigger journal_no_delete"


def test_a_rewritten_chain_is_found_by_a_remembered_hash(original: Path) -> None:
    """And by the state tables, where the rewritten entry speaks of them."""
    known: dict[int, str] = {}

    def rewrite_note(raw: Any) -> None:
        chain = _entries(raw)
        known[22] = chain[-1][1]
        bodies = [sealed for sealed, _ in chain]
        bodies[0] = replace(bodies[0], body=b'{"text":"another beginning"}')
        _write(raw, _chained(bodies), head=True)

    def rewrite_result(raw: Any) -> None:
        bodies = [sealed for sealed, _ in _entries(raw)]
        place = next(n for n, s in enumerate(bodies) if b'"fail":1' in s.body)
        clean = bodies[place].body.replace(b'"fail":1', b'"fail":0')
        bodies[place] = replace(bodies[place], body=clean)
        _write(raw, _chained(bodies), head=True)

    assert _verified(original, rewrite_note).problems == ()
    (problem,) = _verified(original, rewrite_note, known).problems
    assert problem == Problem(
        where="entry 22", what="altered: its hash is not the one remembered elsewhere"
    )
    (problem,) = _verified(original, rewrite_result).problems
    assert problem.where == "host_result row (host pos2, audit a2)"


# --- any way at all ---


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

    problems = _verified(original, tamper).problems
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

    problems = _verified(original, tamper).problems
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

    assert _verified(original, tamper).problems


@_OFTEN
@given(data=st.data())
def test_no_order_but_the_first_is_fine(original: Path, data: st.DataObject) -> None:
    """Entries in any other order, numbered anew or not, with or without a fitting head."""

    def tamper(raw: Any) -> None:
        chain = _entries(raw)
        order = data.draw(st.permutations(range(len(chain))))
        assume(order != list(range(len(chain))))
        moved = [chain[n] for n in order]
        numbered = [(replace(s, sequence=n), h) for n, (s, h) in enumerate(moved, 1)]
        if data.draw(st.booleans()):
            numbered = [(s, seal(s)) for s, _ in numbered]
        _write(raw, numbered, head=data.draw(st.booleans()))

    assert _verified(original, tamper).problems[0].where.startswith("entr")


@_OFTEN
@given(keep=st.integers(1, 21), head=st.booleans())
def test_no_tail_is_cut_unseen(original: Path, keep: int, head: bool) -> None:
    """Also when the head is cut back with it: the state tables still speak of the tail."""
    problems = _verified(
        original, lambda raw: _write(raw, _entries(raw)[:keep], head=head)
    ).problems
    assert problems
    if not head:
        tail = f"entries {keep + 1}-22" if keep < 21 else "entry 22"
        assert problems[0] == Problem(where=tail, what="cut off")


@_OFTEN
@given(place=st.integers(1, 22), rechain=st.booleans(), head=st.booleans())
def test_no_entry_is_put_between_unseen(
    original: Path, place: int, rechain: bool, head: bool
) -> None:
    """With the chain made whole behind it, the remembered hash of the head still shows it."""
    known: dict[int, str] = {}

    def tamper(raw: Any) -> None:
        chain = _entries(raw)
        known[22] = chain[-1][1]
        previous = chain[place - 2][1] if place > 1 else "0" * 64
        bodies = [s for s, _ in chain]
        bodies.insert(place - 1, _forged(place, previous))
        numbered = [replace(s, sequence=n) for n, s in enumerate(bodies, 1)]
        hashes = [h for _, h in chain]
        hashes.insert(place - 1, seal(numbered[place - 1]))
        made = _chained(bodies) if rechain else list(zip(numbered, hashes, strict=True))
        _write(raw, made, head=head)

    verified = _verified(original, tamper, known if rechain else None)
    assert verified.problems
    if not rechain:
        assert verified.problems[0].where == f"entry {place}"
