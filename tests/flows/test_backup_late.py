# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that stayed away longer than anybody is patient, and comes back with a report."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.domain.backup.catalog import LATE_REPORT, Run, RunEnd, Verb
from storewarden.flows.backup_late import late
from storewarden.flows.backup_work import GIVEN_UP, begin, collect
from storewarden.ports.backup_hosts import BackupOrder, JobReport, SeenSet
from storewarden.testing.backup_hosts import FakeBackupHosts
from tests.flows.backup_place import FULL, HOME, READ, START, BackupPlace
from tests.flows.test_backup_duty import Nights, first_of_month

TILL = "s000101-sv01"


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    return BackupPlace(tmp_path)


def given_up(place: BackupPlace) -> Run:
    """A set that was taken while nobody could reach its host."""
    begin(place.parts(), [place.asked()])
    host = place.hosts.host(TILL)
    host.away = -1
    place.clock.advance(timedelta(hours=9))
    (outcome,) = collect(place.parts(), place.catalog.open_runs())
    assert outcome.run.end is RunEnd.INTERRUPTED
    host.away = 0
    return outcome.run


def test_what_a_given_up_job_left_is_recorded_and_the_run_stays_a_failure(
    place: BackupPlace,
) -> None:
    run = given_up(place)
    assert place.catalog.sets() == ()
    place.clock.advance(timedelta(days=2))
    late(place.parts(), [TILL])
    found = place.set()
    assert START <= found.taken <= place.clock.now()
    assert found.received == place.clock.now()  # retention goes by what the catalog heard
    (copy,) = found.copies
    assert (copy.location, copy.made) == (HOME, START + timedelta(minutes=5))
    after = place.catalog.run(run.id)
    assert after is not None
    assert (after.end, after.ended, after.set) == (RunEnd.INTERRUPTED, run.ended, "")
    assert after.reason.startswith(GIVEN_UP)
    assert place.hosts.jobs() == ()  # the host forgets it
    assert place.ledger.verify().problems == ()


def test_a_late_set_is_as_old_as_it_is(place: BackupPlace) -> None:
    place.hosts = FakeBackupHosts(place.clock, told_of)
    given_up(place)
    place.clock.advance(timedelta(days=2))
    late(place.parts(), [TILL])
    found = place.set()
    assert found.received - found.taken > LATE_REPORT
    assert found.fresh == found.taken == START


def told_of(order: BackupOrder) -> JobReport:
    seen = SeenSet(
        id=f"{order.target.name}/late", kind=FULL, parent="", taken=START, size=1, level=READ
    )
    return JobReport(run=order.run, end=RunEnd.DONE, sets=(seen,), seconds=60.0)


def test_a_host_that_is_still_away_keeps_what_it_has(place: BackupPlace) -> None:
    given_up(place)
    place.hosts.host(TILL).away = -1
    late(place.parts(), [TILL])
    assert place.catalog.sets() == ()
    assert len(place.hosts.jobs()) == 1
    place.hosts.host(TILL).away = 0
    late(place.parts(), [TILL])
    late(place.parts(), [TILL])  # once more changes nothing
    assert len(place.catalog.sets()) == 1


def test_only_given_up_jobs_are_asked_about(place: BackupPlace) -> None:
    (begun,) = begin(place.parts(), [place.asked()])
    place.hosts.host(TILL).loses = 0
    place.clock.advance(timedelta(hours=1))
    assert late(place.parts(), [TILL]) == ()  # open: others see to it
    collect(place.parts(), [begun.run])
    assert late(place.parts(), [TILL]) == ()


def test_the_duty_asks_when_the_host_answers_again(tmp_path: Path) -> None:
    nights = Nights(tmp_path, stores=1)
    host, until = nights.hosts.host(TILL), first_of_month(nights)
    while not nights.catalog.open_runs():
        nights.live(nights.clock.now() + timedelta(minutes=1), timedelta(minutes=1))
    host.away = -1
    nights.live(until + timedelta(hours=4), timedelta(minutes=20))
    (lost,) = nights.catalog.runs(verb=Verb.TAKE)
    assert lost.end is RunEnd.INTERRUPTED
    assert nights.catalog.sets() == ()
    nights.begin_anew()  # another controller, which knows nothing of it
    host.away = 0
    nights.clock.advance(timedelta(days=4, hours=12))  # Sunday evening: its next turn
    nights.live(nights.clock.now() + timedelta(hours=9), timedelta(minutes=20))
    assert nights.hosts.asked["begin", TILL] > 1
    assert lost.id not in nights.hosts.jobs()
    made = [copy.made for each in nights.catalog.sets() for copy in each.copies]
    assert lost.ended is not None and min(made) < lost.ended
    again = nights.catalog.run(lost.id)
    assert again is not None and again.end is RunEnd.INTERRUPTED
