# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL by pgBackRest: real server, real tool, and what the tool does not say by its exit
status."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import (
    BadCredentials,
    Unfit,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.pgbackrest import PgBackRest
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import SetFacts
from tests.contract.postgresql_backups import DAYS, Jobs, archiving, flipped, pause
from tests.servers.postgresql_clusters import PASS

pytestmark = pytest.mark.slow  # a database server


class Chain:
    """A full, a differential and an incremental set, and WAL after them; a moment between two
    inserts that came after the last backup."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.method = PgBackRest()
        self.between = 0.0
        self.sets: list[SetFacts] = []

    def taken(self) -> Chain:
        for number, kind in enumerate(("full", "differential", "incremental")):
            self.sets.append(self.method.take(self.jobs.work("take", kind=kind)))
            self.jobs.shop.sql(DAYS.format(30000 + number * 10, 30005 + number * 10), "shop")
        self.jobs.shop.sql("INSERT INTO sale VALUES (50001, '2026-03-01', 1)", "shop")
        self.between = pause()
        self.jobs.shop.sql("INSERT INTO sale VALUES (50002, '2026-03-01', 1)", "shop")
        self.sets.append(self.method.take(self.jobs.work("take", kind="log")))
        return self

    def by_kind(self, found: list[SetFacts]) -> dict[str, SetFacts]:
        return {each.kind: each for each in found}


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with archiving() as jobs:
        yield Chain(jobs).taken()


def test_each_kind_stands_on_the_one_before(chain: Chain) -> None:
    full, differential, incremental, log = chain.sets
    assert [each.kind for each in chain.sets] == ["full", "differential", "incremental", "log"]
    assert (full.parent, differential.parent) == ("", full.id)
    assert (incremental.parent, log.parent) == (differential.id, incremental.id)
    assert all(each.level == 1 and each.manifest and not each.damaged for each in chain.sets)


def test_a_listing_and_a_reading_agree_with_what_was_taken(chain: Chain) -> None:
    work = chain.jobs.work("verify")
    listed, read = chain.method.listed(work), chain.method.read(work)
    assert listed == chain.sets
    assert [each._replace(level=1) for each in read] == chain.sets
    assert {each.level for each in read} == {2}
    assert work.notes == []


def test_a_flipped_byte_is_damage_to_all_that_stand_on_it(chain: Chain) -> None:
    repository = chain.jobs.copied()
    files = (repository / "backup/shop" / chain.sets[0].id / "pg_data/base").glob("*/*.zst")
    flipped(max(files, key=lambda path: path.stat().st_size))
    work = chain.jobs.work("verify", repository=repository)
    assert all(each.level == 1 for each in chain.method.listed(work))  # nothing to be seen yet
    found = chain.method.read(work)
    assert [each.level for each in found] == [0, 0, 0, 0]
    assert "verify" in found[0].damaged
    assert found[0].id in found[0].damaged


def test_a_member_that_is_away_is_missed_by_a_listing(chain: Chain) -> None:
    repository = chain.jobs.copied()
    shutil.rmtree(repository / "backup/shop" / chain.sets[1].id)
    found = chain.by_kind(chain.method.listed(chain.jobs.work("list", repository=repository)))
    gone = f"{chain.sets[1].id} is not there"
    assert found["full"].level == 1
    assert found["differential"].damaged == gone
    assert found["incremental"].damaged == gone
    assert found["log"].damaged == gone


def test_a_file_that_lost_bytes_is_missed_by_a_listing(chain: Chain) -> None:
    repository = chain.jobs.copied()
    file = repository / "backup/shop" / chain.sets[0].id / "pg_data/PG_VERSION.zst"
    file.write_bytes(file.read_bytes()[:-16])
    found = chain.method.listed(chain.jobs.work("list", repository=repository))
    assert "instead of" in found[0].damaged


def test_wal_that_is_away_breaks_the_chain(chain: Chain) -> None:
    """pgBackRest's own verify counts nothing missing here."""
    repository = chain.jobs.copied()
    segments = sorted((repository / "archive/shop").glob("*/*/*.zst"))
    segments[-1].unlink()
    work = chain.jobs.work("list", repository=repository)
    found = chain.by_kind(chain.method.listed(work))
    assert found["full"].level == 1
    assert "chain-broken" in found["incremental"].damaged
    assert found["log"].damaged
    assert any("chain-broken" in note["en"] for note in work.notes)


def test_another_pass_phrase_is_refused_and_makes_nothing_anew(
    chain: Chain, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("another one")
    for verb, do in (("take", chain.method.take), ("list", chain.method.listed),
                     ("verify", chain.method.read)):  # fmt: skip
        with pytest.raises(BadCredentials, match="pass phrase"):
            do(chain.jobs.work(verb, secret=wrong))
    assert chain.method.listed(chain.jobs.work("list")) == chain.sets


def test_a_moment_between_two_inserts_comes_back_as_it_was(chain: Chain) -> None:
    scratch = chain.jobs.scratch()
    work = chain.jobs.work("drill", sets=(chain.sets[-1].id,), point=chain.between)
    restored = chain.method.restored(work, str(scratch))
    with chain.method.opened(work, restored, str(scratch)) as shop:
        assert shop.structure() == []
        beat = shop.heartbeat()
        assert beat is not None
        assert 0 < chain.between - beat < 60
        rows = shop.asked.ask("SELECT count(*) FROM sale WHERE id > 50000", "shop")
        assert rows == "1"
        assert shop.asked.setting("archive_mode") == "off"
        assert shop.asked.setting("listen_addresses") == ""
    assert not (scratch / "data/postmaster.pid").exists()


def test_what_came_back_has_the_hashes_from_before(chain: Chain) -> None:
    scratch = chain.jobs.scratch()
    work = chain.jobs.work("drill", sets=(chain.sets[2].id,))
    restored = chain.method.restored(work, str(scratch))
    assert restored.manifest["tables"]["shop.public.sale"]["rows"] > 20000
    with chain.method.opened(work, restored, str(scratch)) as shop:
        assert shop.manifest() == restored.manifest
        shop.asked.ask("UPDATE sale SET amount = amount + 1 WHERE id = 7", "shop")
        assert shop.manifest() != restored.manifest


def test_the_pass_phrase_is_in_no_argument_and_no_open_file(chain: Chain) -> None:
    work = chain.jobs.work("list")
    chain.method.listed(work)
    (conf,) = Path(work.folder).glob("pgbackrest/*.conf")
    assert PASS in conf.read_text()
    assert stat.S_IMODE(conf.stat().st_mode) == 0o600
    assert PASS not in str(work.notes) + work.tool
    for log in chain.jobs.shop.folder.glob("log*"):
        assert PASS not in log.read_text()


def test_a_server_that_archives_nothing_is_told_what_to_apply(chain: Chain) -> None:
    chain.method.fits(chain.jobs.work("take"))
    chain.jobs.shop.sql("ALTER SYSTEM SET archive_command = ''; SELECT pg_reload_conf()")
    try:
        pause()
        with pytest.raises(Unfit, match="backup_postgresql"):
            chain.method.fits(chain.jobs.work("take"))
    finally:
        chain.jobs.shop.sql("ALTER SYSTEM RESET archive_command; SELECT pg_reload_conf()")
