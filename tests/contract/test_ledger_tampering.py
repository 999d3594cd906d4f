# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is done to the file behind the ledger's back, ``verify`` finds and names it."""

# ruff: noqa: S608 - the statements are made of our own table names

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.ledger import open_ledger
from storewarden.ports.journal import seal
from storewarden.ports.ledger import Problem
from storewarden.testing.conformance_ledger import START
from storewarden.testing.ledger import ManualClock
from tests.contract.ledger_tampering import (
    LAST,
    forged_entry,
    history,
    read_journal,
    rechained,
    verify_tampered,
    write_journal,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("original") / "ledger.sqlite"
    history(file)
    raw = sqlite.connect(str(file))
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    return file


def test_the_original_is_fine(original: Path) -> None:
    verified = verify_tampered(original, lambda _raw: None)
    assert (verified.entries, verified.problems) == (LAST, ())


# --- one way of each kind, with the words an auditor reads ---


def _altered(raw: Any) -> None:
    raw.execute("UPDATE journal SET body = CAST('{\"n\":7}' AS BLOB) WHERE sequence = 6")


def _deleted(raw: Any) -> None:
    raw.execute("DELETE FROM journal WHERE sequence = 6")


def _deleted_and_renumbered(raw: Any) -> None:
    kept = [pair for pair in read_journal(raw) if pair[0].sequence != 6]
    write_journal(raw, [(replace(s, sequence=n), h) for n, (s, h) in enumerate(kept, 1)], head=True)


def _cut_off(raw: Any) -> None:
    raw.execute("DELETE FROM journal WHERE sequence > 19")


def _inserted_and_renumbered(raw: Any) -> None:
    chain = read_journal(raw)
    forged = forged_entry(6, chain[4][1])
    behind = [(replace(s, sequence=s.sequence + 1), h) for s, h in chain[5:]]
    write_journal(raw, [*chain[:5], (forged, seal(forged)), *behind], head=True)


def _inserted_behind_the_head(raw: Any) -> None:
    chain = read_journal(raw)
    forged = forged_entry(LAST + 1, chain[-1][1])
    write_journal(raw, [*chain, (forged, seal(forged))], head=False)


def _exchanged(raw: Any) -> None:
    chain = read_journal(raw)
    a, b = chain[5], chain[8]
    chain[5] = (replace(b[0], sequence=6), b[1])
    chain[8] = (replace(a[0], sequence=9), a[1])
    write_journal(raw, chain, head=False)


def _neighbours_exchanged(raw: Any) -> None:
    chain = read_journal(raw)
    a, b = chain[5], chain[6]
    chain[5] = (replace(b[0], sequence=6), b[1])
    chain[6] = (replace(a[0], sequence=7), a[1])
    write_journal(raw, chain, head=False)


def _head_edited(raw: Any) -> None:
    raw.execute(f"UPDATE journal_head SET hash = '{'a' * 64}'")


def _head_lost(raw: Any) -> None:
    raw.execute("DELETE FROM journal_head")


def _replaced(raw: Any) -> None:
    chain = read_journal(raw)
    other = replace(chain[5][0], body=b'{"n":7}')
    chain[5] = (other, seal(other))
    write_journal(raw, chain, head=False)


@pytest.mark.parametrize(
    ("tamper", "where", "what"),
    [
        (_altered, "entry 6", "altered: its hash does not fit its content"),
        (_deleted, "entry 6", "deleted"),
        (_deleted_and_renumbered, "entry 6", "deleted: what stands there was written as entry 7"),
        (_cut_off, "entries 20-35", "cut off"),
        (
            _inserted_and_renumbered,
            "entry 6",
            "inserted: the entries behind it were renumbered",
        ),
        (_inserted_behind_the_head, "entry 36", "inserted behind the head"),
        (_exchanged, "entry 6", "re-ordered: it was written as entry 9"),
        (_neighbours_exchanged, "entry 6", "re-ordered: it was written as entry 7"),
        (_replaced, "entry 7", "inserted, or entry 6 was replaced: they are not linked"),
        (_head_edited, "journal head", "altered: not the hash of entry 35"),
        (_head_lost, "journal head", "0 rows instead of one"),
    ],
)
def test_what_was_done_to_the_journal_is_named(
    original: Path, tamper: Callable[[Any], None], where: str, what: str
) -> None:
    assert verify_tampered(original, tamper).problems[0] == Problem(where=where, what=what)


def test_one_cause_is_not_told_for_every_entry_behind_it(original: Path) -> None:
    for tamper in (_altered, _deleted, _cut_off):
        journal = [
            p for p in verify_tampered(original, tamper).problems if p.where.startswith("entr")
        ]
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
        (
            "UPDATE host_result SET evidence = zeroblob(0) WHERE host = 'pos1' AND audit = 'a0'",
            "host_result row (host pos1, audit a0)",
            "deleted: its evidence is gone, and no approved deletion says so",
        ),
        (
            "UPDATE change SET state = 'approved' WHERE number = 'GMBG-20260301-002'",
            "change row (number GMBG-20260301-002)",
            "altered: not what the journal records (state)",
        ),
        (
            "UPDATE change SET body = replace(body, 'lead', 'boss')",
            "change row (number GMBG-20260301-001)",
            "altered: not what the journal records (body)",
        ),
        (
            "DELETE FROM change WHERE number = 'GMBG-20260301-001'",
            "change row (number GMBG-20260301-001)",
            "deleted: the journal records it",
        ),
        (
            "INSERT INTO change (number, opening, key, sequence, state, kind, risk, opened,"
            " updated, body) SELECT 'GMBG-20260301-003', 99, 'k3', sequence, state, kind, risk,"
            " opened, updated, body FROM change WHERE number = 'GMBG-20260301-002'",
            "change row (number GMBG-20260301-003)",
            "inserted: no journal entry explains it",
        ),
        (
            "DELETE FROM change_host WHERE host = 'pos2'",
            "change_host row (host pos2, number GMBG-20260301-001)",
            "deleted: the journal records it",
        ),
        (
            "UPDATE change_series SET last = 1",
            "change_series row (series GMBG-20260301)",
            "altered: not what the journal records (last)",
        ),
        (
            "DELETE FROM channel WHERE name = 'notify:ops'",
            "channel row (name notify:ops)",
            "deleted: the journal records it",
        ),
        (
            "DELETE FROM delivery WHERE subject = 'GMBG-20260301-002'",
            "delivery row (channel ticket:itsm, subject GMBG-20260301-002)",
            "deleted: the journal records it",
        ),
        (
            "INSERT INTO delivery SELECT 'ticket:other', subject, through, latest, waiting,"
            " attempts, parked, retry_at, error, receipt FROM delivery WHERE subject != ''"
            " LIMIT 1",
            "delivery row (channel ticket:other, subject GMBG-20260301-001)",
            "inserted: no journal entry explains it",
        ),
        (
            "UPDATE delivery SET through = 31, waiting = 0 WHERE subject = 'GMBG-20260301-002'",
            "delivery row (channel ticket:itsm, subject GMBG-20260301-002)",
            "altered: entry 31 cannot have arrived, the last one is 30",
        ),
        (
            "UPDATE delivery SET through = 99 WHERE channel = 'notify:ops'",
            "delivery row (channel notify:ops, subject )",
            "altered: entry 99 cannot have arrived, the last one is 35",
        ),
        (
            "UPDATE delivery SET waiting = 0 WHERE subject = 'GMBG-20260301-001'",
            "delivery row (channel ticket:itsm, subject GMBG-20260301-001)",
            "altered: not what the journal records (waiting)",
        ),
        (
            "UPDATE delivery SET latest = 25, waiting = 0 WHERE subject = 'GMBG-20260301-001'",
            "delivery row (channel ticket:itsm, subject GMBG-20260301-001)",
            "altered: not what the journal records (latest, waiting)",
        ),
    ],
)
def test_state_rows_the_journal_does_not_explain_are_named(
    original: Path, statement: str, where: str, what: str
) -> None:
    problems = verify_tampered(original, lambda raw: raw.execute(statement)).problems
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
        chain = read_journal(raw)
        known[LAST] = chain[-1][1]
        bodies = [sealed for sealed, _ in chain]
        bodies[0] = replace(bodies[0], body=b'{"text":"another beginning"}')
        write_journal(raw, rechained(bodies), head=True)

    def rewrite_result(raw: Any) -> None:
        bodies = [sealed for sealed, _ in read_journal(raw)]
        place = next(n for n, s in enumerate(bodies) if b'"fail":1' in s.body)
        clean = bodies[place].body.replace(b'"fail":1', b'"fail":0')
        bodies[place] = replace(bodies[place], body=clean)
        write_journal(raw, rechained(bodies), head=True)

    assert verify_tampered(original, rewrite_note).problems == ()
    (problem,) = verify_tampered(original, rewrite_note, known).problems
    assert problem == Problem(
        where=f"entry {LAST}", what="altered: its hash is not the one remembered elsewhere"
    )
    (problem,) = verify_tampered(original, rewrite_result).problems
    assert problem.where == "host_result row (host pos2, audit a2)"
