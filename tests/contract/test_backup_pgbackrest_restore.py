# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore by pgBackRest leaves: production with the old data beside it, or a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.postgresql_backups import DAYS, Jobs, archiving

pytestmark = [pytest.mark.slow, pytest.mark.full]


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    before = os.environ["PATH"]
    try:
        with archiving() as found:
            for kind in ("full", "full", "incremental"):
                report = found.done("take", kind=kind)
                assert report.end == "done", report.reason
            yield found
    finally:
        os.environ["PATH"] = before


def test_a_host_that_lost_its_cluster_can_still_be_restored_from_what_is_left(jobs: Jobs) -> None:
    kept = dict(jobs.source)
    jobs.source.update(data=str(jobs.shop.folder / "gone"))
    try:
        report = jobs.done("drill", level=4)
    finally:
        jobs.source.update(kept)
    assert report.drill is not None, report.reason
    assert report.drill.passed, report.drill.differences


def test_a_restore_into_a_folder_leaves_the_cluster_alone(jobs: Jobs) -> None:
    into = jobs.shop.folder / "into"
    newest = jobs.done("list").sets[-1].id
    report = jobs.done("restore", sets=(newest,), into=str(into))
    assert report.end == "done", report.reason
    assert (into / "data/PG_VERSION").read_text().strip() == "15"
    assert jobs.shop.sql("SELECT 1") == "1"
    assert jobs.done("restore", sets=(newest,), into=str(into)).end == "failed"


def test_a_removed_full_set_goes_with_nothing_that_is_needed(jobs: Jobs) -> None:
    first, second, increment = (each.id for each in jobs.done("list").sets)
    refused = jobs.done("prune", sets=(second,))
    assert refused.end == "failed"
    assert increment in refused.reason["en"]
    report = jobs.done("prune", sets=(first,))
    assert report.removed == (first,)
    left = jobs.done("list")
    assert [each.id for each in left.sets] == [second, increment]
    assert all(each.level == 1 for each in left.sets)
    assert not (jobs.repository / "backup/shop" / first).exists()
    assert not (jobs.repository / f"manifests/{first}.json").exists()


def test_production_gets_the_set_and_keeps_what_it_had(jobs: Jobs) -> None:
    shop = jobs.shop
    newest = jobs.done("list").sets[-1].id
    before = shop.sql("SELECT count(*) FROM sale", "shop")
    shop.sql(DAYS.format(90001, 90010) + "; SELECT pg_switch_wal()", "shop")
    shop.sql("DROP TABLE visit", "shop")
    settings = (shop.data / "postgresql.conf").read_text()
    moment = jobs.done("list").began - 3600
    too_early = jobs.done("restore", sets=(newest,), point=moment)
    assert too_early.end == "failed"
    assert shop.sql("SELECT 1") == "1"  # nothing was touched
    report = jobs.done("restore", sets=(newest,))
    assert report.end == "done", report.reason
    (aside,) = shop.folder.glob("data.before-*")
    assert (aside / "PG_VERSION").exists()
    assert (shop.data / "postgresql.conf").read_text() == settings
    assert "restore_command" not in (shop.data / "postgresql.auto.conf").read_text()
    shop.start()
    assert int(shop.sql("SELECT count(*) FROM sale", "shop")) >= int(before)
    assert shop.sql("SHOW archive_mode") == "on"
    assert jobs.done("take", kind="full").end == "done"
    assert Path(jobs.source["data"]).stat().st_mode & 0o777 == 0o700


def test_a_set_from_before_the_restore_still_comes_back(jobs: Jobs) -> None:
    """Production is on another timeline since; PostgreSQL would follow the newest one."""
    older = jobs.done("list").sets[-2]
    assert jobs.shop.sql("SELECT timeline_id > 1 FROM pg_control_checkpoint()") == "t"
    report = jobs.done("drill", sets=(older.id,), level=4)
    assert report.drill is not None, report.reason
    assert report.drill.passed, report.drill.differences


def test_a_mistake_after_a_set_does_not_come_back_with_it(jobs: Jobs) -> None:
    taken = jobs.done("take", kind="log")
    assert taken.end == "done", taken.reason
    jobs.shop.sql("DELETE FROM sale WHERE id < 15000", "shop")
    later = jobs.done("take", kind="log")
    assert later.end == "done", later.reason
    for report in (taken, later):
        drill = jobs.done("drill", sets=(report.sets[-1].id,), level=4).drill
        assert drill is not None
        assert drill.passed, drill.differences


def test_wal_of_another_timeline_follows_no_backup(jobs: Jobs) -> None:
    newest = jobs.done("list").sets[-1].id
    assert jobs.done("restore", sets=(newest,)).end == "done"
    jobs.shop.start()
    refused = jobs.done("take", kind="log")
    assert refused.end == "rejected"
    assert "take a full set" in refused.reason["en"]
