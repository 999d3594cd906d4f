# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL by pg_basebackup: full sets and increments of 18, full ones alone of 15."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import Rejected
from ansible_collections.storewarden.ops.plugins.module_utils.backup.method import Restored
from ansible_collections.storewarden.ops.plugins.module_utils.backup.pg_basebackup import (
    PgBaseBackup,
    joined,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.postgresql_source import (
    cluster_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import SetFacts
from tests.contract.postgresql_backups import DAYS, Jobs, flipped, plain
from tests.servers.postgresql_clusters import debian, newest

pytestmark = [pytest.mark.slow, pytest.mark.full]


class Chain:
    """A full set and an increment of PostgreSQL 18."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.sets: list[SetFacts] = []
        for number, kind in enumerate(("full", "incremental")):
            jobs.shop.sql(DAYS.format(30000 + number * 10, 30005 + number * 10), "shop")
            report = jobs.done("take", kind=kind)
            assert report.end == "done", report.reason
            self.sets += report.sets


@pytest.fixture(scope="module")
def path() -> Iterator[None]:
    before = os.environ["PATH"]
    yield
    os.environ["PATH"] = before


@pytest.fixture(scope="module")
def chain(path: None) -> Iterator[Chain]:
    with plain(newest(), summarize_wal="on") as jobs:
        yield Chain(jobs)


def test_an_increment_stands_on_the_full_set(chain: Chain) -> None:
    full, increment = chain.sets
    assert (full.kind, full.parent) == ("full", "")
    assert (increment.kind, increment.parent) == ("incremental", full.id)
    assert all(each.level == 1 and each.manifest for each in chain.sets)
    assert increment.size < full.size / 2


def test_a_drill_joins_the_chain_and_proves_what_is_in_it(chain: Chain) -> None:
    report = chain.jobs.done("drill", level=4)
    assert report.end == "done", report.reason
    assert report.drill is not None
    assert report.drill.passed, report.drill.differences
    assert report.drill.level == 4
    assert 0 < report.drill.rpo < 120
    assert report.drill.rto == pytest.approx(sum(report.drill.phases.values()), abs=0.01)
    assert report.tool_seconds <= report.seconds
    assert list((chain.jobs.shop.folder / "stores/scratch").iterdir()) == []


def test_a_full_set_that_was_damaged_is_found_before_it_is_joined(chain: Chain) -> None:
    """pg_combinebackup ends with 0 over it."""
    method = PgBaseBackup()
    scratch = chain.jobs.scratch()
    work = chain.jobs.work("drill", sets=(chain.sets[1].id,))
    restored = method.restored(work, str(scratch))
    table = chain.jobs.shop.sql("SELECT pg_relation_filepath('sale')", "shop")
    flipped(Path(restored.folders[0]) / "data" / table)
    (wrong,) = method.examined(work, restored.folders)
    assert "00-full" in wrong
    assert "pg_verifybackup" in wrong
    assert joined(work, cluster_of(work), restored, str(scratch))  # the trap
    shutil.rmtree(scratch)


def test_a_chain_without_its_full_set_is_refused(chain: Chain) -> None:
    method = PgBaseBackup()
    scratch = chain.jobs.scratch()
    work = chain.jobs.work("drill", sets=(chain.sets[1].id,))
    restored = method.restored(work, str(scratch))
    alone = Restored(restored.folders[1:] * 2, restored.manifest)
    with pytest.raises(Rejected, match="pg_combinebackup"):
        joined(work, cluster_of(work), alone, str(scratch))
    shutil.rmtree(scratch)


def test_a_second_job_of_the_target_is_busy(chain: Chain) -> None:
    import fcntl

    lock = chain.jobs.shop.folder / "root/locks/srv--shop.lock"
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert chain.jobs.done("take", kind="full").end == "busy"


def test_a_server_before_17_says_why_the_set_is_full(path: None) -> None:
    with plain(debian()) as jobs:
        report = jobs.done("take", kind="incremental")
        assert report.end == "done", report.reason
        assert [each.kind for each in report.sets] == ["full"]
        assert any("PostgreSQL 15 makes no increments" in note["en"] for note in report.notes)
