# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalog of backups in the ledger: written once, explained by the journal, safe when two write
at the same time, tampering named. The same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text

from storewarden.adapters.ledger import open_ledger
from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.domain.backup.catalog import (
    BackupSet,
    DeletionRequest,
    DeletionState,
    DrillRecord,
    Run,
    RunEnd,
    Target,
    Verb,
)
from storewarden.domain.backup.catalog_events import (
    CatalogEvent,
    CopyGone,
    CopySeen,
    DeletionDecided,
    DeletionEnded,
    Drilled,
    HoldChanged,
    RunEnded,
    SetFound,
)
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.domain.errors import ConfigInvalid, LedgerConflict
from storewarden.testing.ledger import ManualClock
from tests.contract.ledger_places import emptied
from tests.contract.ledger_postgres import postgres

NOW = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
TILL = Target(host="s000101-pos01", policy="pos-database")
OTHER = Target(host="s000102-pos01", policy="pos-database")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=(pytest.mark.slow, pytest.mark.full))]
)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlLedger]:
    if request.param == "sqlite":
        place = str(tmp_path / "ledger.sqlite")
    else:
        place = emptied(request.getfixturevalue("server"))
    with open_ledger(place, clock=ManualClock(NOW)) as opened:
        yield opened


def _run(ident: str, target: Target = TILL, **more: object) -> Run:
    run = Run(id=ident, target=target, kind=SetKind.FULL, began=NOW)
    return replace(run, **more)  # type: ignore[arg-type]


def _ended(run: str, end: RunEnd = RunEnd.DONE, at: datetime = NOW + HOUR) -> RunEnded:
    return RunEnded(run=run, at=at, end=end, reason="" if end is RunEnd.DONE else "no room")


def _set(name: str, target: Target = TILL, **more: object) -> BackupSet:
    found = BackupSet(
        id=f"{target.name}/{name}",
        target=target,
        kind=SetKind.FULL,
        taken=NOW,
        received=NOW + HOUR,
        size=2**40,
        manifest="0" * 64,
    )
    return replace(found, **more)  # type: ignore[arg-type]


def _seen(found: BackupSet, place: str, level: Level = Level.PRESENT, **more: object) -> CopySeen:
    seen = CopySeen(set=found.id, location=place, at=NOW + HOUR, level=level)
    return replace(seen, **more)  # type: ignore[arg-type]


def _night(target: Target = TILL, name: str = "a") -> tuple[Run, list[CatalogEvent]]:
    """A run, and what it left."""
    run, found = _run(f"{target.host}-{name}", target), _set(name, target)
    told: list[CatalogEvent] = [replace(_ended(run.id), set=found.id), SetFound(set=found)]
    return run, [*told, _seen(found, "host"), _seen(found, "hub", Level.READ)]


def test_a_report_that_comes_twice_is_written_once(ledger: SqlLedger) -> None:
    book = ledger.backups
    run, told = _night()
    assert book.begin([run]) == (run,)
    assert book.open_runs() == (run,)
    book.record(told)
    there = (book.run(run.id), book.set(_set("a").id), ledger.head())
    book.record(told)
    assert (book.run(run.id), book.set(_set("a").id), ledger.head()) == there
    found = book.run(run.id)
    assert found is not None and found.end is RunEnd.DONE and found.set == _set("a").id
    (kept,) = book.sets()
    assert {each.location: each.level for each in kept.copies} == {
        "host": Level.PRESENT,
        "hub": Level.READ,
    }
    assert kept.size == 2**40 and kept.received == NOW + HOUR
    assert [each.kind for each in book.history(run.id)] == ["backup run began", "backup run ended"]
    assert ledger.verify().problems == ()


def test_a_second_run_of_the_same_verb_and_place_is_not_begun(ledger: SqlLedger) -> None:
    book = ledger.backups
    first = _run("1")
    assert book.begin([first, _run("2")]) == (first,)
    assert book.begin([first]) == ()
    copying = _run("3", verb=Verb.COPY, location="hub")
    elsewhere = replace(copying, id="4", location="away")
    assert book.begin([copying, elsewhere, replace(copying, id="5")]) == (copying, elsewhere)
    assert book.begin([_run("6", OTHER)]) != ()
    book.record([_ended("1")])
    assert [each.id for each in book.begin([_run("7")])] == ["7"]
    assert [each.id for each in book.open_runs()] == ["3", "4", "6", "7"]
    assert ledger.verify().problems == ()


def test_two_who_begin_at_once_do_not_both_get_it(ledger: SqlLedger) -> None:
    def begin(number: int) -> int:
        return len(ledger.backups.begin([_run(f"r{number}")]))

    with ThreadPoolExecutor(max_workers=6) as pool:
        assert sum(pool.map(begin, range(12))) == 1


def test_what_cannot_have_happened_leaves_nothing(ledger: SqlLedger) -> None:
    run, told = _night()
    for wrong in (_seen(_set("b"), "host"), _ended("nobody")):
        with pytest.raises(LedgerConflict) as refusal:
            ledger.backups.record([*told[1:], wrong])
        assert "nothing was written" in str(refusal.value)
    assert ledger.head().sequence == 0 and ledger.backups.run(run.id) is None


def test_a_target_is_told_by_what_counts_of_it(ledger: SqlLedger) -> None:
    """Sets that are there, the last ended run of a verb and kind, open ones; asked for targets that
    nobody ever heard of, they are empty."""
    book = ledger.backups
    for number, end in enumerate((RunEnd.DONE, RunEnd.FAILED, RunEnd.NO_SPACE)):
        book.begin([_run(f"r{number}")])
        book.record([_ended(f"r{number}", end, NOW + number * HOUR)])
    book.begin([_run("v", verb=Verb.VERIFY), _run("r9")])
    gone, kept = _set("a"), _set("b", kind=SetKind.INCREMENTAL, parent=_set("a").id)
    book.record([SetFound(set=gone), _seen(gone, "host"), SetFound(set=kept), _seen(kept, "host")])
    book.record([CopyGone(set=gone.id, location="host", at=NOW + 2 * HOUR)])
    old = DrillRecord(
        id="d0", target=TILL, set=kept.id, location="hub", began=NOW - 800 * 24 * HOUR, passed=True
    )
    late = replace(old, id="d1", began=NOW, rto=timedelta(seconds=9.5), phases={"fetch": 1.5})
    book.record([Drilled(drill=old), Drilled(drill=late)])
    strange = Target(host="nobody", policy="pos-database")
    known = book.of([TILL, strange])
    assert [each.id for each in known.runs] == ["r2", "v", "r9"]
    assert [each.id for each in known.sets] == [kept.id]
    assert known.drills == (late,)
    assert book.of([strange]).sets == ()
    assert set(book.catalogs()) == {TILL} and book.of() == known
    assert [each.id for each in book.sets(gone=True)] == [kept.id, gone.id]
    assert book.set(gone.id).expired == NOW + 2 * HOUR  # type: ignore[union-attr]
    assert [each.id for each in book.drills(host=TILL.host)] == ["d1", "d0"]
    assert [each.id for each in book.drills(since=NOW)] == ["d1"]
    assert [each.id for each in book.runs(verb=Verb.TAKE, limit=2)] == ["r9", "r2"]
    assert book.runs(policy="another") == () and book.runs(since=NOW + HOUR) == ()
    assert ledger.verify().problems == ()


def test_sets_of_before_are_left_out_unless_something_builds_upon_them(ledger: SqlLedger) -> None:
    old, base = _set("old", received=NOW - 90 * 24 * HOUR), _set("base", received=NOW - 80 * HOUR)
    middle = _set("m", received=NOW - 70 * HOUR, kind=SetKind.INCREMENTAL, parent=base.id)
    late = _set("late", received=NOW, kind=SetKind.INCREMENTAL, parent=middle.id)
    ledger.backups.record([SetFound(set=each) for each in (old, base, middle, late)])
    known = ledger.backups.catalogs(since=NOW - HOUR)[TILL]
    assert [each.id for each in known.sets] == [base.id, middle.id, late.id]
    assert len(ledger.backups.catalogs()[TILL].sets) == 4


def test_the_journal_says_whose_sets_have_changed(ledger: SqlLedger) -> None:
    book = ledger.backups
    assert book.changed(None) == (0, frozenset())
    book.begin([_run("1")])
    ledger.append("audit", {}, run="another", step="1")  # not about backups
    upto, there = book.changed(0)
    assert (upto, there) == (ledger.head().sequence, {TILL})
    assert book.changed(upto) == (upto, frozenset())
    found = _set("a", OTHER)
    book.record([_ended("1"), SetFound(set=found)])
    middle, there = book.changed(upto)
    assert there == {TILL, OTHER}
    book.record([_seen(found, "hub")])  # nothing but a copy
    assert book.changed(middle) == (middle + 1, {OTHER})
    drill = DrillRecord(
        id="d", target=TILL, set="s", location="hub", began=NOW, passed=True, level=Level.PROVEN
    )
    book.record([Drilled(drill=drill)])
    book.propose([found.id], "f" * 64, "wang")
    assert book.changed(middle + 1) == (middle + 3, {TILL})
    assert book.changed(None) == (middle + 3, frozenset())


def test_hosts_are_those_with_sets_that_are_there(ledger: SqlLedger) -> None:
    book = ledger.backups
    gone, kept = _set("a"), _set("b", OTHER)
    book.record([SetFound(set=kept), _seen(kept, "host"), SetFound(set=gone), _seen(gone, "host")])
    assert book.hosts() == (TILL.host, OTHER.host)
    book.record([CopyGone(set=gone.id, location="host", at=NOW + 2 * HOUR)])
    assert book.hosts() == (OTHER.host,)


def test_a_thousand_events_are_one_batch(tmp_path: Path) -> None:
    """One transaction with a number of statements that does not grow with each of them."""
    with open_ledger(tmp_path / "ledger.sqlite", clock=ManualClock(NOW)) as ledger:
        targets = [Target(host=f"s{n:06}-pos01", policy="pos-database") for n in range(250)]
        nights = [_night(each) for each in targets]
        ledger.backups.begin([run for run, _told in nights])
        asked = _Asked(ledger)
        ledger.backups.record([each for _run, told in nights for each in told])
        assert asked.times < 60
        assert len(ledger.backups.catalogs()) == 250
        assert ledger.verify().problems == ()


class _Asked:
    """Counts the statements that reach a database."""

    def __init__(self, ledger: SqlLedger) -> None:
        self.times = 0
        event.listen(ledger.transactions.engine, "before_cursor_execute", self._count)

    def _count(self, *_statement: object) -> None:
        self.times += 1


def test_a_set_under_hold_says_who_and_why(ledger: SqlLedger) -> None:
    found = _set("a")
    hold = HoldChanged(set=found.id, at=NOW, hold=True, by="wang", reason="court 17")
    ledger.backups.record([SetFound(set=found), hold, replace(hold, by="li")])
    assert ledger.backups.set(found.id).hold  # type: ignore[union-attr]
    last = ledger.backups.history(found.id)[-1]
    assert (last.kind, last.body["by"], last.body["reason"]) == (
        "backup hold changed", "wang", "court 17",
    )  # fmt: skip


def test_a_deletion_is_proposed_once_and_goes_its_way(ledger: SqlLedger) -> None:
    book, found = ledger.backups, _set("a")
    book.record([SetFound(set=found), _seen(found, "host")])
    asked = book.propose([found.id], "f" * 64, "wang")
    assert asked.number == "DEL-20260601-083000" and asked.state is DeletionState.PROPOSED
    assert book.propose([found.id], "f" * 64, "li") == asked
    assert book.propose([found.id], "e" * 64, "li").number == "DEL-20260601-083001"
    assert book.amend_deletion(asked.number, _decides("approved")).decided_by == "li"
    with pytest.raises(LedgerConflict):
        book.amend_deletion(asked.number, _decides("refused"))
    with pytest.raises(ConfigInvalid):
        book.amend_deletion("DEL-20200101-000000", _decides("approved"))
    gone = DeletionEnded(
        number=asked.number, at=NOW, gone=(f"{found.id}@host",), left=(("x", "held"),)
    )
    book.record([gone, CopyGone(set=found.id, location="host", at=NOW + HOUR, by=asked.number)])
    book.record([gone])
    done = book.deletion(asked.number)
    assert done is not None and done.state is DeletionState.DONE and done.left == {"x": "held"}
    assert [each.number for each in book.deletions(open_only=True)] == ["DEL-20260601-083001"]
    assert len(book.deletions()) == 2
    assert book.propose([found.id], "f" * 64, "wang").number == "DEL-20260601-083002"
    assert ledger.verify().problems == ()


def _decides(state: str, by: str = "li") -> Callable[[DeletionRequest], tuple[CatalogEvent, ...]]:
    return lambda there: (
        DeletionDecided(number=there.number, at=NOW, state=state, by=by, reason="old"),
    )


def test_only_one_of_many_deciders_decides(ledger: SqlLedger) -> None:
    """Whoever comes later sees what the first made of it."""
    asked = ledger.backups.propose(["s"], "f" * 64, "wang")

    def decide(number: int) -> bool:
        def once(there: DeletionRequest) -> tuple[CatalogEvent, ...]:
            free = there.state is DeletionState.PROPOSED
            return _decides("approved", f"p{number}")(there) if free else ()

        return ledger.backups.amend_deletion(asked.number, once).decided_by == f"p{number}"

    with ThreadPoolExecutor(max_workers=6) as pool:
        assert sum(pool.map(decide, range(12))) == 1
    assert len(ledger.backups.history(asked.number)) == 2


@pytest.mark.parametrize("kind", ["backup run began", "backup copy gone", "backup anything"])
def test_nobody_writes_such_entries_past_the_catalog(ledger: SqlLedger, kind: str) -> None:
    with pytest.raises(LedgerConflict):
        ledger.append(kind, {}, run="r", step="9")


_COLUMNS = {
    "backup_run": "id opening sequence host policy verb kind location began ended body",
    "backup_set": "id opening sequence host policy received gone body",
    "backup_copy": "set location sequence body",
    "backup_drill": "id opening host policy began body",
    "backup_deletion": "number opening sequence open digest body",
}


def _one_of_each(ledger: SqlLedger) -> None:
    run, found = _run("r1"), _set("a")
    ledger.backups.begin([run])
    drill = DrillRecord(
        id="d", target=TILL, set=found.id, location="hub", began=NOW, passed=False, reason="x"
    )
    ledger.backups.record(
        [_ended(run.id), SetFound(set=found), _seen(found, "hub"), Drilled(drill=drill)]
    )
    ledger.backups.propose([found.id], "f" * 64, "wang")


def test_every_column_that_somebody_changed_is_named(tmp_path: Path) -> None:
    """And every row that was taken out, and every entry that was."""
    file = tmp_path / "ledger.sqlite"
    with open_ledger(file, clock=ManualClock(NOW)) as ledger:
        _one_of_each(ledger)
        assert ledger.verify().problems == ()
        engine = create_engine(f"sqlite:///{file}")
        for table, columns in _COLUMNS.items():
            with engine.connect() as connection:
                there = connection.execute(text(f"PRAGMA table_info({table})")).all()
            assert {each[1] for each in there} == set(columns.split())
            for column in columns.split():
                with engine.begin() as connection:
                    name = f'"{column}"'
                    kept = connection.execute(text(f"SELECT {name} FROM {table}")).scalar_one()  # noqa: S608
                    other = kept + 700 if isinstance(kept, int) else f"{kept}x"
                    change = text(f"UPDATE {table} SET {name} = :value")  # noqa: S608
                    connection.execute(change, {"value": other})
                named = [each.where for each in ledger.verify().problems]
                assert any(each.startswith(f"{table} row") for each in named), (table, column)
                with engine.begin() as connection:
                    connection.execute(change, {"value": kept})
        assert ledger.verify().problems == ()
        for table in _COLUMNS:
            with engine.begin() as connection:
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
            named = [each.where for each in ledger.verify().problems]
            assert any(each.startswith(f"{table} row") for each in named), table
        engine.dispose()


def test_a_row_that_no_entry_explains_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    with open_ledger(file, clock=ManualClock(NOW)) as ledger:
        _one_of_each(ledger)
        engine = create_engine(f"sqlite:///{file}")
        with engine.begin() as connection:
            for table in ("backup_copy", "backup_run"):
                first, more = (
                    ("'b'", "location") if table == "backup_copy" else ("'b'", "opening+9")
                )
                rest = ", ".join(_COLUMNS[table].split()[2:])
                names = ", ".join(f'"{each}"' for each in _COLUMNS[table].split())
                copy = f"INSERT INTO {table} ({names}) SELECT {first}, {more}, {rest} FROM {table}"  # noqa: S608
                connection.execute(text(copy))
        engine.dispose()
        found = {(each.where.split(" (")[0], each.what) for each in ledger.verify().problems}
        inserted = "inserted: no journal entry explains it"
        assert found == {("backup_copy row", inserted), ("backup_run row", inserted)}
