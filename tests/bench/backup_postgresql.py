# SPDX-License-Identifier: GPL-3.0-or-later
"""(o) A database of 1 GB: a full backup, a drill to level 4, and how much of the time is ours.

PostgreSQL 15 with pgBackRest on this machine, through the engine that runs on hosts. Ours is what
is left of a job's time without the programs that it started; and the statements of the manifest,
which are psql's time but only there because of us. The scratch place is kept and removed here by
the engine's own means: how long the kernel needs to remove a gigabyte is told by itself, and
counts as ours all the same.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.backup.clearing import cleared
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import Report
from tests.contract.postgresql_backups import Jobs, archiving

_ROW = 1000  # bytes of a row, roughly: four of ten compress to a third, as text of a till does
_GIGABYTE = 1_000_000
_FILL = (
    "CREATE TABLE bulk (id int PRIMARY KEY, at timestamptz NOT NULL, text text NOT NULL);"
    " ALTER TABLE bulk ALTER text SET STORAGE EXTERNAL;"
    " INSERT INTO bulk SELECT i, now(), repeat(md5(i::text), 12) || md5(random()::text)"
    " || repeat(md5((i * 7)::text), 16) FROM generate_series(1, {0}) i; CHECKPOINT;"
)
_BEHIND = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"


class Figures(NamedTuple):
    """Bytes of the database, both jobs' reports, and the seconds of the manifest alone and of
    removing the drill's scratch place."""

    size: int
    taken: Report
    drilled: Report
    manifest: float
    removal: float


def measure(rows: int = _GIGABYTE) -> Figures:
    """One backup and one drill."""
    with archiving() as jobs:
        _done(jobs, "take", kind="full")  # makes the stanza: nothing is archived before
        jobs.shop.sql(_FILL.format(rows), "shop")
        while jobs.shop.sql(_BEHIND) != "0":  # the WAL of the filling is no part of the figures
            time.sleep(1)
        size = int(jobs.shop.sql("SELECT pg_database_size('shop')"))
        print(f"  {size / 1e9:.2f} GB", flush=True)
        taken = _done(jobs, "take", kind="full")
        manifest = _manifest(jobs)
        drilled = _done(jobs, "drill", level=4, keep=True)
        return Figures(size, taken, drilled, manifest, _removal(drilled))


def told(found: Figures) -> list[str]:
    """The table."""
    drill = found.drilled.drill
    assert drill is not None
    phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in drill.phases.items())
    lines = [
        "| job | wall s | in tools, s | ours | with the manifest's statements |",
        "|---|---|---|---|---|",
    ]
    lines += [
        _row("full backup", found.taken, 0.0, found.manifest),
        _row("drill, level 4", found.drilled, found.removal, found.manifest),
    ]
    stored = found.taken.bytes / 1e6
    return [
        *lines,
        "",
        f"Database {found.size / 1e9:.2f} GB, {stored:.0f} MB in the repository (zstd, AES-256).",
        f"RTO of the drill {drill.rto:.1f} s ({phases}), RPO {drill.rpo:.1f} s,"
        f" level {drill.level}. Removing its scratch place took {found.removal:.1f} s of ours.",
        "The goal is at most 10 % of our own.",
        "",
    ]


def _row(name: str, report: Report, removal: float, manifest: float) -> str:
    wall = report.seconds + removal
    ours = wall - report.tool_seconds
    return (
        f"| {name} | {wall:.1f} | {report.tool_seconds:.1f} |"
        f" {ours / wall:.1%} | {(ours + manifest) / wall:.1%} |"
    )


def _removal(drilled: Report) -> float:
    """Seconds of what the engine does to a scratch place that nobody keeps."""
    assert drilled.drill is not None
    began = time.monotonic()
    cleared(drilled.drill.kept)
    return time.monotonic() - began


def _done(jobs: Jobs, verb: str, **words: object) -> Report:
    report = jobs.done(verb, **words)
    print(f"  {verb}: {report.seconds:.1f} s, {report.end} {report.reason['en']}", flush=True)
    if report.end != "done" or (report.drill and not report.drill.passed):
        raise RuntimeError(f"{verb}: {report.reason} {report.drill}")
    return report


def _manifest(jobs: Jobs) -> float:
    """Seconds of all statements of a manifest, by themselves."""
    from ansible_collections.storewarden.ops.plugins.module_utils.backup import (
        postgresql_manifest,
        postgresql_source,
    )

    work = jobs.work("take")
    asked = postgresql_source.Asked(work, postgresql_source.cluster_of(work))
    postgresql_manifest.written(asked, {}, work.order.run)
    return work.tool_seconds
