# SPDX-License-Identifier: GPL-3.0-or-later
"""(o) The duty's look at what is due for 3,000 targets with 30 sets in three places each.

The first look has to read every set, in parts (``flows.backup_known.MOST`` targets at a time); all
others read only those that something happened to, here none. Timed is asking and deciding; making
the ledger is not in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import insert

from storewarden.adapters.ledger import backup_rows, open_ledger
from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.adapters.ledger.tables import BACKUP_COPY, BACKUP_RUN, BACKUP_SET
from storewarden.domain.backup.catalog import BackupSet, Catalog, Run, RunEnd, Target, Verb
from storewarden.domain.backup.catalog_events import CopySeen, SetFound
from storewarden.domain.backup.catalog_fold import fold_set
from storewarden.domain.backup.due import due_of
from storewarden.domain.backup.due_facts import Facts
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.flows.backup_duty import split
from storewarden.flows.backup_known import KnownTargets
from storewarden.testing.ledger import ManualClock
from tests.bench.timing import Series, Timed
from tests.flows.backup_place import policy

TARGETS, NIGHTS = 3000, 30
_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_PLACES = ("store", "hub", "away")
_AT_ONCE = 100  # targets of one transaction

type Rows = dict[str, list[dict[str, Any]]]


def measure(
    folder: Path, rounds: int, targets: int = TARGETS
) -> tuple[tuple[Series, Series], float]:
    """Looks that read, each with the part that it bears, and looks that remember; and how many MB
    what is remembered takes."""
    with open_ledger(folder / "look.sqlite", clock=ManualClock(_NOW)) as ledger:
        _fill(ledger, targets)
        known, wanted = KnownTargets(ledger.backups, split), _wanted(targets)
        memory = psutil.Process().memory_info().rss
        first = list(_until_all(known, wanted))
        grown = psutil.Process().memory_info().rss - memory
        later = [_look(known, wanted)[0] for _round in range(rounds)]
    return (
        Series(name="a look that reads 300 of them", runs=tuple(first)),
        Series(name=f"a look at {targets:,} that are remembered", runs=tuple(later)),
    ), grown / 1e6


def _until_all(known: KnownTargets, wanted: Mapping[Target, Facts]) -> Iterator[Timed]:
    left = dict(wanted)
    while left:
        timed, seen = _look(known, left)
        left = {each: facts for each, facts in left.items() if each not in seen}
        yield timed


def _look(known: KnownTargets, wanted: Mapping[Target, Facts]) -> tuple[Timed, set[Target]]:
    wall, cpu = time.perf_counter(), time.process_time()
    there = known.of(wanted, _NOW)
    for target, brief in there.items():
        due_of(replace(wanted[target], catalog=brief.catalog, sizes=brief.sizes), _NOW)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"  {len(there)} targets: {wall:.2f} s", flush=True)
    return Timed(wall=wall, cpu=cpu, memory=0, tree=0), set(there)


def _wanted(targets: int) -> dict[Target, Facts]:
    rules = policy()
    return {
        each: Facts(
            target=each, policy=rules, catalog=Catalog(), home="store", places=("hub", "away")
        )
        for each in (Target(host=_name(number), policy=rules.id) for number in range(targets))
    }


def _fill(ledger: SqlLedger, targets: int) -> None:
    """Rows without their entries in the journal: nobody verifies this ledger."""
    pattern = _rows(Target(host=_name(0), policy="files"))
    for start in range(0, targets, _AT_ONCE):
        with ledger.transactions.engine.begin() as connection:
            for table in (BACKUP_RUN, BACKUP_SET, BACKUP_COPY):
                rows = pattern[table.name]
                numbers = range(start, min(start + _AT_ONCE, targets))
                connection.execute(
                    insert(table), [_of(row, number) for number in numbers for row in rows]
                )


def _name(number: int) -> str:
    return f"s{number:06d}-sv01"


def _of(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The same row of another host."""
    return {
        key: value.replace(_name(0), _name(number))
        if isinstance(value, str)
        else value + number * 1000 * (key in {"opening", "sequence"})
        for key, value in row.items()
    }


def _rows(target: Target) -> Rows:
    found: Rows = {"backup_run": [], "backup_set": [], "backup_copy": []}
    for night in range(NIGHTS):
        backup, sequence = _set(target, night), 1 + night * 10
        found["backup_set"].append(backup_rows.set_row(backup, sequence, sequence))
        for place, copy in enumerate(backup.copies, 1):
            number = sequence + place
            run = _run(backup, copy.location)
            found["backup_copy"].append(backup_rows.copy_row(copy, number))
            found["backup_run"].append(backup_rows.run_row(run, number, number))
    return found


def _set(target: Target, night: int) -> BackupSet:
    """A full one a week, increments between; all places were read once a week."""
    at, full = _NOW - timedelta(days=NIGHTS - night, hours=10), night % 7 == 0
    found = BackupSet(
        id=_id(target, at), target=target, taken=at, received=at + timedelta(minutes=5),
        kind=SetKind.FULL if full else SetKind.INCREMENTAL, size=40 << 20, manifest="0" * 64,
        parent="" if full else _id(target, at - timedelta(days=1)),
    )  # fmt: skip
    whole = fold_set(None, SetFound(set=found))
    level = Level.READ if night % 7 == 3 else Level.PRESENT
    for place in _PLACES:
        seen = CopySeen(set=found.id, location=place, at=found.received, level=level)
        whole = fold_set(whole, seen)
    return whole


def _id(target: Target, at: datetime) -> str:
    return f"{target.name}/{at:%Y%m%dT%H%M%SZ}"


def _run(backup: BackupSet, place: str) -> Run:
    home = place == _PLACES[0]
    return Run(
        id=f"{backup.taken:%Y%m%dT%H%M%SZ}-{backup.target.host}-{place}", target=backup.target,
        kind=backup.kind, began=backup.taken, verb=Verb.TAKE if home else Verb.COPY,
        location=place, sets=() if home else (backup.id,), ended=backup.received, end=RunEnd.DONE,
        set=backup.id if home else "",
    )  # fmt: skip
