# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the backup catalog's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, func, or_, select, tuple_

from storewarden.adapters.ledger import backup_rows
from storewarden.adapters.ledger.tables import (
    BACKUP_COPY,
    BACKUP_DELETION,
    BACKUP_DRILL,
    BACKUP_RUN,
    BACKUP_SET,
    JOURNAL,
)
from storewarden.domain.backup.catalog import (
    BackupSet,
    Catalog,
    Copy,
    DeletionRequest,
    DrillRecord,
    Run,
    Target,
)
from storewarden.ports.journal import stamp

DRILLS = timedelta(days=731)
"""How far back drills are told: the longest time between two of them is a year."""

_AT_ONCE = 500
_BUSY = '"end":"busy"'  # rows are canonical JSON: within a text the marks would be escaped


def records(
    connection: Connection, table: Table, rows: Sequence[Any]
) -> Iterator[tuple[str, object]]:
    """Key and record of rows of one of the tables; sets come with their copies."""
    if table is BACKUP_SET:
        yield from ((each.id, each) for each in with_copies(connection, rows))
        return
    read = _READERS[table.name]
    yield from ((row[0], read(row.body)) for row in rows)


_READERS: Mapping[str, Callable[[str], object]] = {
    "backup_run": backup_rows.run_of,
    "backup_drill": backup_rows.drill_of,
    "backup_deletion": backup_rows.deletion_of,
}


def with_copies(connection: Connection, rows: Sequence[Any]) -> list[BackupSet]:
    """The sets in rows, in their order."""
    copies: dict[str, list[Copy]] = {}
    for start in range(0, len(rows), _AT_ONCE):
        some = [row.id for row in rows[start : start + _AT_ONCE]]
        chosen = select(BACKUP_COPY.c.set, BACKUP_COPY.c.body)
        for row in connection.execute(chosen.where(BACKUP_COPY.c.set.in_(some))):
            copies.setdefault(row.set, []).append(backup_rows.copy_of(row.body))
    return [backup_rows.set_of(row.body, tuple(copies.get(row.id, ()))) for row in rows]


def catalogs(
    connection: Connection,
    now: datetime,
    targets: Sequence[Target] | None,
    since: datetime | None = None,
) -> dict[Target, Catalog]:
    """What is known of each target; None asks for all that anything is known of. ``since`` leaves
    out sets of before, unless a later one builds upon them."""
    if targets is None:
        return _catalogs(connection, now, None, since)
    found: dict[Target, Catalog] = {each: Catalog() for each in targets}
    for start in range(0, len(targets), _AT_ONCE):
        found |= _catalogs(connection, now, targets[start : start + _AT_ONCE], since)
    return found


def changed(connection: Connection, since: int | None) -> tuple[int, frozenset[Target]]:
    """The number of the newest entry, and the targets that entries after ``since`` tell of."""
    newest = int(connection.execute(select(func.max(JOURNAL.c.sequence))).scalar() or 0)
    if since is None or newest <= since:
        return newest, frozenset()
    later = (JOURNAL.c.sequence > since, JOURNAL.c.sequence <= newest)
    chosen = select(JOURNAL.c.run).where(*later, JOURNAL.c.kind.startswith(backup_rows.KINDS))
    subjects = list(connection.execute(chosen.distinct()).scalars())
    return newest, frozenset(
        Target(host=row.host, policy=row.policy)
        for start in range(0, len(subjects), _AT_ONCE)
        for table in (BACKUP_RUN, BACKUP_SET, BACKUP_DRILL)
        for row in connection.execute(
            select(table.c.host, table.c.policy).where(
                table.c.id.in_(subjects[start : start + _AT_ONCE])
            )
        )
    )


def hosts(connection: Connection) -> tuple[str, ...]:
    """Hosts that sets are known of which are not gone, by name."""
    chosen = select(BACKUP_SET.c.host).where(BACKUP_SET.c.gone == 0).distinct()
    return tuple(sorted(connection.execute(chosen).scalars()))


def open_runs(connection: Connection) -> tuple[Run, ...]:
    """Runs that have begun and not ended, oldest first."""
    chosen = select(BACKUP_RUN.c.body).where(BACKUP_RUN.c.ended == "")
    rows = connection.execute(chosen.order_by(BACKUP_RUN.c.opening))
    return tuple(backup_rows.run_of(row.body) for row in rows)


def known(connection: Connection, table: Table, keys: Sequence[str]) -> frozenset[str]:
    """Those of the keys that a record has."""
    key, found = next(iter(table.primary_key.columns)), set[str]()
    for start in range(0, len(keys), _AT_ONCE):
        chosen = select(key).where(key.in_(keys[start : start + _AT_ONCE]))
        found |= set(connection.execute(chosen).scalars())
    return frozenset(found)


def open_places(connection: Connection) -> set[tuple[str, str, str, str]]:
    """Host, policy, verb and place of every open run."""
    table = BACKUP_RUN.c
    chosen = select(table.host, table.policy, table.verb, table.location)
    found = connection.execute(chosen.where(table.ended == ""))
    return {(row.host, row.policy, row.verb, row.location) for row in found}


def one[T](connection: Connection, table: Table, key: str, read: Callable[[str], T]) -> T | None:
    """A record by its key."""
    chosen = select(table.c.body).where(next(iter(table.primary_key.columns)) == key)
    body = connection.execute(chosen).scalar_one_or_none()
    return read(body) if body is not None else None


def one_set(connection: Connection, set_id: str) -> BackupSet | None:
    """A set by its id."""
    rows = connection.execute(select(BACKUP_SET).where(BACKUP_SET.c.id == set_id)).all()
    return next(iter(with_copies(connection, rows)), None)


def of_target(chosen: Select[Any], table: Table, host: str, policy: str) -> Select[Any]:
    """The question for the rows of one host, one policy or both; "" asks for all."""
    if host:
        chosen = chosen.where(table.c.host == host)
    return chosen.where(table.c.policy == policy) if policy else chosen


def open_deletion(connection: Connection, digest: str) -> DeletionRequest | None:
    """The open request of this list."""
    chosen = select(BACKUP_DELETION.c.body).where(
        BACKUP_DELETION.c.digest == digest, BACKUP_DELETION.c.open == 1
    )
    body = connection.execute(chosen.limit(1)).scalar_one_or_none()
    return backup_rows.deletion_of(body) if body is not None else None


def _catalogs(
    connection: Connection,
    now: datetime,
    targets: Sequence[Target] | None,
    since: datetime | None = None,
) -> dict[Target, Catalog]:
    sets = _grouped(_sets(connection, targets, since))
    runs = _grouped(_last_runs(connection, targets))
    drills = _grouped(_drills(connection, now, targets))
    names = list(dict.fromkeys((*sets, *runs, *drills)))
    return {
        each: Catalog(
            sets=tuple(sets.get(each, ())),
            runs=tuple(runs.get(each, ())),
            drills=tuple(drills.get(each, ())),
        )
        for each in names
    }


def _sets(
    connection: Connection, targets: Sequence[Target] | None, since: datetime | None
) -> list[BackupSet]:
    there = [BACKUP_SET.c.gone == 0]
    recent = [] if since is None else [BACKUP_SET.c.received >= stamp(since)]
    chosen = _mine(select(BACKUP_SET), BACKUP_SET, targets, *there, *recent)
    found = {each.id: each for each in with_copies(connection, connection.execute(chosen).all())}
    while since is not None and (lacking := _parents(found)):
        older = _by_id(connection, lacking, there)
        if not older:
            break
        found = {each.id: each for each in older} | found
    return sorted(found.values(), key=lambda each: (each.received, each.id))


def _parents(found: Mapping[str, BackupSet]) -> list[str]:
    wanted = (each.parent for each in found.values() if each.parent)
    return list(dict.fromkeys(name for name in wanted if name not in found))


def _by_id(
    connection: Connection, names: Sequence[str], there: Sequence[ColumnElement[bool]]
) -> list[BackupSet]:
    found: list[BackupSet] = []
    for start in range(0, len(names), _AT_ONCE):
        mine = BACKUP_SET.c.id.in_(names[start : start + _AT_ONCE])
        rows = connection.execute(select(BACKUP_SET).where(mine, *there)).all()
        found += with_copies(connection, rows)
    return found


def _last_runs(connection: Connection, targets: Sequence[Target] | None) -> list[Run]:
    """Those that are open, and the last that ended of each verb, kind and place; beside one that
    was busy, which did nothing, also the last that did something."""
    table = BACKUP_RUN.c
    busy = table.body.contains(_BUSY, autoescape=True)
    groups = (table.host, table.policy, table.verb, table.kind, table.location, busy)
    order = (table.ended.desc(), table.opening.desc())
    place = func.row_number().over(partition_by=(*groups, table.ended == ""), order_by=order)
    ranked = _mine(
        select(table.body, table.ended, table.opening, place.label("place")), BACKUP_RUN, targets
    ).subquery()
    chosen = select(ranked.c.body).where(or_(ranked.c.ended == "", ranked.c.place == 1))
    rows = connection.execute(chosen.order_by(ranked.c.opening))
    return [backup_rows.run_of(row.body) for row in rows]


def _drills(
    connection: Connection, now: datetime, targets: Sequence[Target] | None
) -> list[DrillRecord]:
    recent = BACKUP_DRILL.c.began >= stamp(now - DRILLS)
    chosen = _mine(select(BACKUP_DRILL), BACKUP_DRILL, targets, recent)
    return [backup_rows.drill_of(row.body) for row in connection.execute(chosen)]


def _mine(
    chosen: Select[Any],
    table: Table,
    targets: Sequence[Target] | None,
    *conditions: ColumnElement[bool],
) -> Select[Any]:
    if targets is not None:
        both = tuple_(table.c.host, table.c.policy)
        chosen = chosen.where(both.in_([(each.host, each.policy) for each in targets]))
    chosen = chosen.where(*conditions) if conditions else chosen
    return chosen.order_by(table.c.opening)


def _grouped[T: (BackupSet, Run, DrillRecord)](found: Iterable[T]) -> dict[Target, list[T]]:
    groups: dict[Target, list[T]] = {}
    for each in found:
        groups.setdefault(each.target, []).append(each)
    return groups
