# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders to hosts that lie, and what stands in the catalog afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.domain.backup.catalog import RunEnd, Verb
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.flows.backup_work import begin, collect, ordered, recover, stop
from storewarden.ports.backup_hosts import BackupOrder, JobReport, JobState
from storewarden.testing.backup_hosts import FakeBackupHosts
from tests.flows.backup_place import HOME, HUB, BackupPlace

SERVER, OTHER = "s000101-sv01", "s000102-sv01"


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    return BackupPlace(tmp_path)


def taken(place: BackupPlace, **more: object) -> str:
    done = ordered(place.parts(), [place.asked(**more)])[0]
    assert done.run.end is RunEnd.DONE, done.en
    return done.run.set


def copy_at(place: BackupPlace, name: str, location: str):  # type: ignore[no-untyped-def]
    backup = place.catalog.set(name)
    return next((each for each in backup.copies if each.location == location), None)


def test_a_set_that_was_taken_is_in_the_catalog_with_its_first_copy(place: BackupPlace) -> None:
    name = taken(place)
    backup = place.catalog.set(name)
    assert (backup.kind, backup.size) == (SetKind.FULL, 1000)
    assert copy_at(place, name, HOME).level is Level.PRESENT
    assert place.catalog.open_runs() == ()
    assert place.hosts.jobs() == ()


def test_the_catalog_knows_of_a_run_before_its_host_does(place: BackupPlace) -> None:
    open_then: list[str] = []

    class Watching(FakeBackupHosts):
        def begin(self, orders: Sequence[BackupOrder]):  # type: ignore[no-untyped-def]
            open_then.extend(each.id for each in place.catalog.open_runs())
            return super().begin(orders)

    asked = place.asked()
    begin(place.parts(hosts=Watching(place.clock)), [asked])
    assert open_then == [asked.order.run]


def test_the_host_forgets_only_what_is_recorded(place: BackupPlace) -> None:
    recorded_then: list[bool] = []

    class Watching(FakeBackupHosts):
        def forget(self, orders: Sequence[BackupOrder]) -> None:
            recorded_then.extend(place.catalog.run(each.run).end is not None for each in orders)
            super().forget(orders)

    ordered(place.parts(hosts=Watching(place.clock)), [place.asked()])
    assert recorded_then == [True]


def test_a_controller_that_died_after_the_order_adopts_the_job(place: BackupPlace) -> None:
    begin(place.parts(), [place.asked()])
    place.restart()
    place.clock.advance(timedelta(minutes=10))
    found = recover(place.parts())
    assert [each.run.end for each in found] == [RunEnd.DONE]
    assert place.set().id == found[0].run.set


def test_a_controller_that_died_before_the_order_ends_the_run(place: BackupPlace) -> None:
    place.hosts.host(SERVER).deaf = 1
    begin(place.parts(), [place.asked()])
    place.restart()
    assert recover(place.parts())[0].run.end is None  # it may still be on its way
    place.clock.advance(timedelta(minutes=3))
    found = recover(place.parts())[0]
    assert found.run.end is RunEnd.INTERRUPTED
    assert "never heard" in found.en


def test_a_report_that_comes_twice_is_one(place: BackupPlace) -> None:
    place.hosts.host(SERVER).stubborn = True
    asked = place.asked()
    ordered(place.parts(), [asked])
    before = place.ledger.head().sequence
    run = place.catalog.run(asked.order.run)
    collect(place.parts(), [run])
    assert place.ledger.head().sequence == before


def test_a_job_that_got_lost_is_interrupted(place: BackupPlace) -> None:
    place.hosts.host(SERVER).loses = 1
    done = ordered(place.parts(), [place.asked()])[0]
    assert done.run.end is RunEnd.INTERRUPTED
    assert place.catalog.sets() == ()


def test_a_host_that_is_away_stays_open_and_holds_up_nobody(place: BackupPlace) -> None:
    place.hosts.host(OTHER).away = -1
    parts = place.parts()
    begin(parts, [place.asked(OTHER), place.asked()])
    place.clock.advance(timedelta(minutes=10))
    ends = {each.run.target.host: each.run.end for each in recover(parts)}
    assert ends == {OTHER: None, SERVER: RunEnd.DONE}
    place.clock.advance(timedelta(hours=6))
    assert recover(parts)[0].run.end is None
    place.clock.advance(timedelta(hours=1))
    found = recover(parts)[0]
    assert found.run.end is RunEnd.INTERRUPTED
    assert "nobody heard of it" in found.en


def test_a_host_that_comes_back_late_is_collected(place: BackupPlace) -> None:
    begin(place.parts(), [place.asked()])
    place.hosts.host(SERVER).away = 3
    done = []
    for _ in range(4):
        place.clock.advance(timedelta(minutes=30))
        done += [each.run.end for each in recover(place.parts())]
    assert done == [None, None, None, RunEnd.DONE]


@pytest.mark.parametrize("end", [RunEnd.AUTH, RunEnd.FAILED, RunEnd.NO_SPACE, RunEnd.BUSY])
def test_how_a_job_failed_is_kept_word_for_word(place: BackupPlace, end: RunEnd) -> None:
    host = place.hosts.host(SERVER)
    host.end, host.reason = end, "the password is wrong"
    done = ordered(place.parts(), [place.asked()])[0]
    assert (done.run.end, done.run.reason) == (end, "the password is wrong")
    assert len(place.hosts.begun) == 1  # nothing is tried again by itself


def test_a_host_that_refuses_says_why(place: BackupPlace) -> None:
    host = place.hosts.host(SERVER)
    host.refuses, host.busy = "a change is under way there", True
    done = ordered(place.parts(), [place.asked()])[0]
    assert (done.run.end, done.en) == (RunEnd.BUSY, "a change is under way there")


def test_two_at_once_are_one_run(place: BackupPlace) -> None:
    first = begin(place.parts(), [place.asked()])[0]
    place.clock.advance(timedelta(seconds=1))
    second = begin(place.parts(), [place.asked()])[0]
    assert (first.run.end, second.run.end) == (None, RunEnd.BUSY)
    assert [each.id for each in place.catalog.open_runs()] == [first.run.id]
    assert len(place.hosts.begun) == 1


def test_a_clock_that_is_wrong_is_told(place: BackupPlace) -> None:
    place.hosts.host(SERVER).skew = 86400.0
    done = ordered(place.parts(), [place.asked()])[0]
    assert "1440 min ahead" in done.run.reason
    backup = place.catalog.set(done.run.set)
    assert backup.taken - backup.received > timedelta(hours=23)  # retention goes by received


def test_a_copy_is_counted_where_it_was_seen(place: BackupPlace) -> None:
    name = taken(place)
    assert copy_at(place, name, HUB) is None
    ordered(place.parts(), [place.asked(verb=Verb.COPY, location=HUB, sets=(name,))])
    assert copy_at(place, name, HUB).level is Level.PRESENT


def test_damage_takes_down_everything_that_builds_upon_it(place: BackupPlace) -> None:
    full = taken(place)
    place.clock.advance(timedelta(hours=1))
    more = taken(place, kind=SetKind.INCREMENTAL, parent=full)
    place.hosts.host(SERVER).damaged = {full: "pack 12ab is cut off"}
    ordered(place.parts(), [place.asked(verb=Verb.VERIFY, level=Level.READ)])
    assert copy_at(place, full, HOME).damaged == "pack 12ab is cut off"
    assert full in copy_at(place, more, HOME).damaged


def test_what_is_not_listed_any_more_counts_as_damaged(place: BackupPlace) -> None:
    name = taken(place)
    place.clock.advance(timedelta(hours=1))
    place.hosts.sets.clear()
    ordered(place.parts(), [place.asked(verb=Verb.VERIFY, level=Level.PRESENT)])
    assert copy_at(place, name, HOME).damaged == "it is not there any more"


def test_a_set_whose_report_was_lost_is_found_by_the_next_look(place: BackupPlace) -> None:
    name = taken(place)
    made = place.hosts.sets[place.asked().order.target, HOME]
    place.ledger.close()
    (place.folder / "ledger.sqlite").unlink()
    fresh = BackupPlace(place.folder, clock=place.clock)
    fresh.hosts.sets[place.asked().order.target, HOME] = made
    ordered(fresh.parts(), [fresh.asked(verb=Verb.VERIFY, level=Level.PRESENT)])
    assert fresh.catalog.set(name) is not None


def test_a_place_that_is_read_in_parts_counts_when_all_were_read(place: BackupPlace) -> None:
    name = taken(place)
    levels = []
    for part in (1, 2, 3):
        place.clock.advance(timedelta(days=1))
        asked = place.asked(verb=Verb.VERIFY, level=Level.READ, part=(part, 3))
        assert f"{part}of3" in asked.order.run
        ordered(place.parts(), [asked])
        levels.append(copy_at(place, name, HOME).level)
    assert levels == [Level.PRESENT, Level.PRESENT, Level.READ]
    seen = copy_at(place, name, HOME).seen(Level.READ)
    assert timedelta(days=1.9) < place.clock.now() - seen  # the oldest of the three parts


def test_a_part_that_failed_does_not_count(place: BackupPlace) -> None:
    name = taken(place)
    for part, end in ((1, RunEnd.FAILED), (2, RunEnd.DONE)):
        place.clock.advance(timedelta(days=1))
        place.hosts.host(SERVER).end = end
        asked = place.asked(verb=Verb.VERIFY, level=Level.READ, part=(part, 2))
        ordered(place.parts(), [asked])
    assert copy_at(place, name, HOME).level is Level.PRESENT


def test_a_rehearsal_that_did_not_come_to_its_end_is_a_result(place: BackupPlace) -> None:
    name = taken(place)
    host = place.hosts.host(SERVER)
    host.end, host.reason = RunEnd.FAILED, "the instance did not start"
    asked = place.asked(verb=Verb.DRILL, sets=(name,), level=Level.PROVEN)
    ordered(place.parts(), [asked])
    drill = place.catalog.drills()[0]
    assert (drill.passed, drill.reason) == (False, "the instance did not start")
    host.end = RunEnd.DONE
    place.clock.advance(timedelta(days=1))
    ordered(place.parts(), [place.asked(verb=Verb.DRILL, sets=(name,), level=Level.PROVEN)])
    assert place.catalog.drills()[0].passed
    assert copy_at(place, name, HOME).level is Level.PROVEN


def test_a_report_that_cannot_be_true_ends_its_run_all_the_same(place: BackupPlace) -> None:
    none = ("s000101-sv01/files/none",)

    def odd(order: BackupOrder) -> JobReport:
        return JobReport(run=order.run, end=RunEnd.DONE, removed=none)

    asked = place.asked(verb=Verb.PRUNE, sets=none)
    done = ordered(place.parts(hosts=FakeBackupHosts(place.clock, odd)), [asked])[0]
    assert done.run.end is RunEnd.REJECTED
    assert place.catalog.open_runs() == ()


def test_ctrl_c_leaves_the_job_alone(place: BackupPlace) -> None:
    done = ordered(place.parts(wait=lambda _seconds: True), [place.asked()])[0]
    assert (done.run.end, done.state) == (None, JobState.RUNNING)
    place.clock.advance(timedelta(minutes=10))
    assert recover(place.parts())[0].run.end is RunEnd.DONE


def test_a_run_that_is_stopped_says_so(place: BackupPlace) -> None:
    run = begin(place.parts(), [place.asked()])[0].run
    assert stop(place.parts(), run).run.end is RunEnd.INTERRUPTED


def test_a_run_whose_policy_is_gone_does_not_stay_open_for_ever(place: BackupPlace) -> None:
    begin(place.parts(), [place.asked()])
    place.policies = {}
    assert recover(place.parts())[0].run.end is None
    place.clock.advance(timedelta(hours=8))
    assert recover(place.parts())[0].run.end is RunEnd.INTERRUPTED
