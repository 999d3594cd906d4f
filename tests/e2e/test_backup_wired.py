# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller does of backups beside its nights: old sets are named, extra ones ordered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.config import load_config
from storewarden.domain.backup.catalog import BackupSet, RunEnd, Target
from storewarden.domain.backup.catalog_events import CopySeen, SetFound
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.domain.change.people import CLOCKWORK
from storewarden.flows.backup_work import recover
from storewarden.wiring import Site, open_site
from storewarden.wiring.backup_duty import Nights
from storewarden.wiring.backup_guard import ExtraSets
from storewarden.wiring.backup_work import backup_site
from storewarden.wiring.estate_source import EstateSource
from storewarden.wiring.rollout_parts import kill_switch
from tests.e2e.own_place import OwnPlace, laid_out, taken_down
from tests.e2e.serve_site import until

pytestmark = [pytest.mark.slow]

RECORD = Target(host="controller", policy="record")
YEAR = timedelta(days=365)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[OwnPlace]:
    found = laid_out(tmp_path)
    yield found
    taken_down(found)


@pytest.fixture
def site(place: OwnPlace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("PATH", place.environment()["PATH"])
    with open_site(load_config(None, {"HOME": str(place.folder)}, place.folder)) as found:
        yield found


def _has(site: Site, name: str, age: timedelta) -> str:
    at = site.clock.now() - age
    ident = f"{RECORD.name}/{name}"
    found = BackupSet(
        id=ident, target=RECORD, kind=SetKind.FULL, taken=at, received=at, size=1 << 20
    )
    seen = CopySeen(set=ident, location="store", at=at, level=Level.READ)
    site.ledger.backups.record([SetFound(set=found), seen])
    return ident


def test_the_service_asks_once_a_month_whether_old_sets_may_go(site: Site) -> None:
    old = _has(site, "old", 2 * YEAR)
    _has(site, "new", timedelta(hours=1))
    nights, now = Nights(backup_site(site)), site.clock.now()
    switch = kill_switch(site)
    switch.stop("head", "an inspection")
    nights.old_sets(now)
    assert site.ledger.backups.deletions() == ()
    switch.go_on("head", "it is over")
    for after in (0, 1, 30):
        nights.old_sets(now + timedelta(hours=after))
    Nights(backup_site(site)).old_sets(now)  # another controller
    (request,) = site.ledger.backups.deletions()
    assert (request.proposed_by, request.sets) == (CLOCKWORK, (old,))


@pytest.mark.full
def test_an_extra_set_is_taken_beside_whoever_orders_it(site: Site) -> None:
    ExtraSets(site, EstateSource(site))([RECORD], "GMBG-20261123-001")
    work = backup_site(site).work(lambda _seconds: True)

    def ended() -> bool:
        recover(work)
        return any(each.end for each in work.catalog.runs())

    assert until(ended)
    (run,) = work.catalog.runs()
    assert (run.change, run.end) == ("GMBG-20261123-001", RunEnd.DONE), run
    assert [each.kind for each in work.catalog.sets()] == [SetKind.FULL]
