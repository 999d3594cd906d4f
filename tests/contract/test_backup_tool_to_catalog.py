# SPDX-License-Identifier: GPL-3.0-or-later
"""From the real tool to the catalog: what restic and rclone met on the host is what the coverage
of the target says afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.s3_requests import Bucket, Key
from storewarden.domain.backup.catalog import Catalog, Location, RunEnd, Target, Verb
from storewarden.domain.backup.freshness import Coverage, Standing, standing_of
from storewarden.domain.backup.policy import BackupTier, CopyWanted, Level, Policy
from storewarden.domain.backup.retention import expired
from storewarden.flows.backup_words import report_of
from storewarden.flows.backup_work import ordered
from storewarden.ports.backup_hosts import BackupOrder, JobReport
from storewarden.testing.backup_hosts import FakeBackupHosts
from tests.contract.restic_bench import SECRET, Bench
from tests.flows.backup_place import AWAY, HOME, BackupPlace, policy
from tests.servers.backup_tools import search_path
from tests.servers.seaweedfs import ADMIN, STORE, ObjectStore, object_store, weed
from tests.servers.thin_line import ThinLine

pytestmark = [pytest.mark.slow, pytest.mark.full]
TARGET = Target(host="s000101-sv01", policy="files")
_PLACES = {
    HOME: Location(name=HOME, medium="disk", credentials="home", point=(31.23, 121.47)),
    AWAY: Location(name=AWAY, medium="object", credentials="away", point=(39.90, 116.40)),
}
_YEAR = 365 * 86400.0


class Site:
    """A host with the real tools, and a catalog that hears of its jobs."""

    def __init__(self, folder: Path) -> None:
        (folder / "host").mkdir()
        (folder / "controller").mkdir()
        self.bench = Bench(folder / "host")
        self.bench.path = search_path(["restic", "rclone"]) or ""
        if not self.bench.path:
            pytest.skip("restic and rclone cannot be had here")
        self.bench.fill(prices=b"apple 2.50\n" * 500)
        copies = tuple(CopyWanted(location=each) for each in _PLACES)
        self.policy: Policy = policy("files", BackupTier.ORDINARY, copies=copies)
        self.place = BackupPlace(folder / "controller", policies={"files": self.policy})
        self.place.hosts = FakeBackupHosts(self.place.clock, self._carried_out)
        self.secrets = {"repository": self.secret("repository", SECRET)}
        self.away: dict[str, Any] = {}
        self.skew = 0.0

    def secret(self, name: str, text: str) -> str:
        path = self.bench.root.parent / name
        path.write_text(text)
        return str(path)

    def _carried_out(self, order: BackupOrder) -> JobReport:
        words: dict[str, Any] = {"run": order.run, "level": int(order.level)}
        words |= {"host": TARGET.host, "policy": TARGET.policy, "secrets": self.secrets}
        words["sets"] = [each.rpartition("/")[2] for each in order.sets]
        if order.location == AWAY:
            words["place"] = self.away
        return report_of(order, self.bench.run(order.verb.value, **words), self.skew)

    def did(self, verb: Verb, **more: Any) -> Any:
        self.place.clock.advance(timedelta(minutes=1))
        return ordered(self.place.parts(), [self.place.asked(verb=verb, **more)])[0].run

    def standing(self) -> Standing:
        told = self.place.catalog
        known = Catalog(
            sets=told.sets(host=TARGET.host), runs=told.runs(host=TARGET.host), drills=(),
            locations=_PLACES,
        )  # fmt: skip
        return standing_of(TARGET, self.policy, known, self.place.clock.now())

    def coverage(self) -> set[Coverage]:
        found = self.standing()
        return {found.coverage, *found.also}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.place.ledger.close()


def test_an_outage_of_the_object_store_is_a_missing_copy_until_it_is_made_good(
    site: Site, tmp_path: Path
) -> None:
    if weed() is None:
        pytest.skip("SeaweedFS cannot be had here")
    (tmp_path / "s3").mkdir()
    with object_store(tmp_path / "s3") as store, ThinLine(store.port) as line:
        words = {"endpoint": f"https://127.0.0.1:{line.port}", "bucket": "backups"}
        site.away = {"name": "away", "kind": "s3", "words": words}
        site.secrets |= {
            "away_ca": str(store.ca),
            "away_key_id": site.secret("id", STORE[0]),
            "away_secret_key": site.secret("key", STORE[1]),
        }
        _bucket_made(store)
        line.cut()
        made = site.did(Verb.TAKE).set
        lost = site.did(Verb.COPY, location=AWAY, sets=(made,))
        assert lost.end is RunEnd.FAILED
        site.place.clock.advance(timedelta(days=8))  # copies have until the next set is due
        assert Coverage.COPY_SHORT in site.coverage()
        assert site.did(Verb.VERIFY, level=Level.READ, sets=(made,)).end is RunEnd.DONE
        line.mend()
        assert site.did(Verb.COPY, location=AWAY, sets=(made,)).end is RunEnd.DONE
        assert Coverage.COPY_SHORT not in site.coverage()


def _bucket_made(store: ObjectStore) -> None:
    Bucket(store.endpoint, "backups", Key(*ADMIN), ca=str(store.ca)).must("PUT")


def test_a_pack_that_is_gone_breaks_the_chain_and_the_next_full_set_says_so(site: Site) -> None:
    site.bench.fill(sales=os.urandom(50_000))
    made = site.did(Verb.TAKE).set
    site.bench.packs()[0].unlink()
    site.did(Verb.VERIFY, level=Level.PRESENT, sets=(made,))
    assert Coverage.CHAIN_BROKEN in site.coverage()
    assert site.did(Verb.TAKE).end is RunEnd.FAILED
    assert {Coverage.CHAIN_BROKEN, Coverage.FAILED} & site.coverage()


def test_a_repository_that_cannot_be_opened_puts_its_copies_in_doubt(site: Site) -> None:
    """A password that is wrong, then no repository at all: nobody names a set of it."""
    made = site.did(Verb.TAKE).set
    assert site.did(Verb.VERIFY, level=Level.READ).end is RunEnd.DONE
    assert Coverage.UNVERIFIED not in site.coverage()
    right = site.secrets["repository"]
    site.secrets["repository"] = site.secret("wrong", "another-password-4711")
    assert site.did(Verb.VERIFY, level=Level.READ).end is RunEnd.AUTH
    assert _doubt(site, HOME) and site.standing().level is Level.CLAIMED
    site.secrets["repository"] = right
    assert site.did(Verb.VERIFY, level=Level.PRESENT).end is RunEnd.DONE
    assert _doubt(site, HOME), "a listing says nothing of the bytes that could not be read"
    assert site.did(Verb.VERIFY, level=Level.READ).end is RunEnd.DONE
    assert not _doubt(site, HOME)
    away = site.bench.repository.rename(site.bench.repository.with_name("gone"))
    assert site.did(Verb.VERIFY, level=Level.READ).end is RunEnd.FAILED
    assert _doubt(site, HOME)
    assert Coverage.UNVERIFIED in site.coverage()
    away.rename(site.bench.repository)
    assert site.did(Verb.VERIFY, level=Level.READ, sets=(made,)).end is RunEnd.DONE
    assert not _doubt(site, HOME)


def _doubt(site: Site, place: str) -> str:
    """Why the copies of a place are in doubt, "" when they are not; coverage says the same."""
    copies = [each for one in site.place.catalog.sets(host=TARGET.host) for each in one.copies]
    found = next((each.doubt.why for each in copies if each.location == place and each.doubt), "")
    assert (f"copies in {place} are in doubt" in site.standing().en) == bool(found)
    return found


def test_a_bucket_that_is_gone_puts_its_copies_in_doubt(site: Site, tmp_path: Path) -> None:
    if weed() is None:
        pytest.skip("SeaweedFS cannot be had here")
    (tmp_path / "s3").mkdir()
    with object_store(tmp_path / "s3") as store:
        there = {"endpoint": store.endpoint, "bucket": "backups"}
        site.away = {"name": "away", "kind": "s3", "words": there}
        site.secrets |= {
            "away_ca": str(store.ca),
            "away_key_id": site.secret("id", STORE[0]),
            "away_secret_key": site.secret("key", STORE[1]),
        }
        _bucket_made(store)
        made = site.did(Verb.TAKE).set
        assert site.did(Verb.COPY, location=AWAY, sets=(made,)).end is RunEnd.DONE
        assert not _doubt(site, AWAY)
        site.away = {**site.away, "words": {**there, "bucket": "backups-gone"}}
        lost = site.did(Verb.VERIFY, location=AWAY, level=Level.READ)
        assert lost.end in (RunEnd.FAILED, RunEnd.AUTH), lost
        assert _doubt(site, AWAY) and not _doubt(site, HOME)
        site.away = {**site.away, "words": there}
        assert site.did(Verb.VERIFY, location=AWAY, level=Level.READ).end is RunEnd.DONE
        assert not _doubt(site, AWAY)


def test_a_clock_that_runs_a_year_ahead_is_told_and_pushes_nothing_out(site: Site) -> None:
    real = site.did(Verb.TAKE).set
    honest, site.skew = site.bench.path, _YEAR
    site.bench.path = _ahead(site.bench)
    fake = site.did(Verb.TAKE)
    site.bench.path, site.skew = honest, 0.0
    assert fake.end is RunEnd.DONE and "525600 min ahead" in fake.reason
    last = site.did(Verb.TAKE).set
    kept = {each.id: each for each in site.place.catalog.sets(host=TARGET.host)}
    assert (kept[fake.set].taken - kept[fake.set].received).days > 300
    now = site.place.clock.now()
    assert expired(tuple(kept.values()), {"files": site.policy}, now).sets == ()
    assert site.did(Verb.PRUNE, sets=(fake.set,)).end is RunEnd.DONE
    read = site.did(Verb.VERIFY, level=Level.READ, sets=(real, last))
    assert read.end is RunEnd.DONE
    whole = {each.id: each.copies[0].level for each in site.place.catalog.sets(host=TARGET.host)}
    assert whole[real] == whole[last] == Level.READ


def _ahead(bench: Bench) -> str:
    """A path with a restic whose sets are of next year."""
    tools = bench.root.parent / "ahead"
    tools.mkdir()
    found = shutil.which("restic", path=bench.path)
    then = "$(date -u -d '+365 days' '+%Y-%m-%d %H:%M:%S')"
    text = f'case " $* " in *" backup "*) exec {found} "$@" --time "{then}";; esac'
    (tools / "restic").write_text(f'#!/bin/sh\n{text}\nexec {found} "$@"\n')
    (tools / "restic").chmod(0o755)
    return f"{tools}:{bench.path}"
