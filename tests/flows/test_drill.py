# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearsals over a real ledger: whom, from where, and what is written down of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ledger import open_ledger
from storewarden.domain.backup.catalog import RunEnd, Target, Verb
from storewarden.domain.backup.policy import Drill, Level, SetKind
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.drill import DrillParts, DrillWish, run_drills
from storewarden.ports.backup_hosts import JobReport
from storewarden.testing.ledger import ManualClock
from tests.flows.proof_place import (
    AWAY,
    DAY,
    HOUR,
    NOW,
    OTHER,
    POLICY,
    TILL,
    ProofPlace,
    drilled,
    failed,
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[ProofPlace]:
    clock = ManualClock(NOW)
    with open_ledger(tmp_path / "ledger.sqlite", clock=clock) as ledger:
        yield ProofPlace(ledger=ledger, clock=clock)


def parts(place: ProofPlace, *targets: Target) -> DrillParts:
    return DrillParts(
        catalog=place.ledger.backups,
        policies={place.policy.id: place.policy},
        targets=lambda _policy: targets or (TILL,),
        carry=place.carry,
        clock=place.clock,
    )


def test_a_drill_that_keeps_the_promises_is_recorded_and_proves_its_copy(
    place: ProofPlace,
) -> None:
    newest = place.has(TILL, NOW - 5 * HOUR)
    (done,) = run_drills(parts(place), DrillWish(hosts=("pos01",)))
    assert (done.passed, done.restorable) == (True, True)
    (record,) = place.ledger.backups.drills(host="pos01")
    assert (record.set, record.location, record.passed) == (newest, "away", True)
    assert (record.rto, record.rpo) == (timedelta(minutes=2), HOUR)
    assert record.phases == {"fetch": 20.0, "restore": 60.0, "start": 10.0, "verify": 30.0}
    there = place.ledger.backups.set(newest)
    assert there is not None
    levels = {each.location: each.level for each in there.copies}
    assert levels == {"host": Level.READ, "hub": Level.READ, "away": Level.PROVEN}


def test_each_place_has_its_turn(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    for _ in range(4):
        run_drills(parts(place), DrillWish(hosts=("pos01",)))
        place.clock.advance(HOUR)
    assert [each.location for each in place.orders] == ["away", "host", "hub", "away"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (drilled(rto=timedelta(minutes=11)), "RTO 0:11:00 is over 0:10:00"),
        (drilled(rpo=timedelta(hours=26)), "RPO 1 day, 2:00:00 is over 1 day, 1:00:00"),
        (drilled(level=Level.READ), "nothing was started of it"),
    ],
)
def test_a_promise_that_was_not_kept_is_a_failure(
    place: ProofPlace, answer: JobReport, why: str
) -> None:
    place.has(TILL, NOW - 5 * HOUR, places=("hub",))
    place.answers[Verb.DRILL, "hub"] = answer
    (done,) = run_drills(parts(place), DrillWish(hosts=("pos01",)))
    (record,) = place.ledger.backups.drills()
    assert (done.passed, record.passed, record.reason) == (False, False, why)


def test_a_damaged_copy_is_a_failed_drill_and_the_next_place_is_tried(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.answers[Verb.DRILL, "away"] = failed("pack 4f1c does not match its checksum")
    (done,) = run_drills(parts(place), DrillWish(hosts=("pos01",)))
    assert (done.passed, done.restorable) == (False, True)
    told = {each.location: (each.passed, each.reason) for each in place.ledger.backups.drills()}
    assert told == {
        "away": (False, "pack 4f1c does not match its checksum"),
        "host": (True, ""),
    }


def test_other_data_than_the_manifest_says_are_a_failure_of_that_copy(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.answers[Verb.DRILL, "away"] = drilled(
        passed=False, level=Level.STARTED, differences=("sales: 800 rows are missing",)
    )
    (done,) = run_drills(parts(place), DrillWish(hosts=("pos01",)))
    assert [each.order.location for each in done.rehearsals] == ["away", "host"]
    record = next(each for each in place.ledger.backups.drills() if each.location == "away")
    assert record.differences == ("sales: 800 rows are missing",)
    there = place.ledger.backups.set(record.set)
    assert there is not None
    assert max(each.level for each in there.copies if each.location == "away") is Level.READ


def test_a_place_that_was_asked_for_is_the_only_one(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.answers[Verb.DRILL, "hub"] = failed("gone")
    (done,) = run_drills(parts(place), DrillWish(hosts=("pos01",), location="hub"))
    assert (len(done.rehearsals), done.restorable) == (1, False)


@pytest.mark.parametrize("answer", [AWAY, failed("at work", RunEnd.BUSY)])
def test_what_never_began_is_no_drill_and_no_other_place_is_asked(
    place: ProofPlace, answer: JobReport
) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.answers[Verb.DRILL, "away"] = answer
    (done,) = run_drills(parts(place), DrillWish(hosts=("pos01",)))
    assert (done.done, done.passed) == (False, False)
    assert done.rehearsals[0].reason
    assert place.ledger.backups.drills() == ()


def test_a_host_without_room_has_failed_and_another_copy_would_not_help(
    place: ProofPlace,
) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    place.answers[Verb.DRILL, "away"] = failed("3 GiB free, 4 are needed", RunEnd.NO_SPACE)
    (done,) = run_drills(parts(place), DrillWish(hosts=("pos01",)))
    assert (len(done.rehearsals), done.done, done.passed) == (1, True, False)


def test_a_host_without_a_set_is_told_and_not_skipped_silently(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR)
    one, other = run_drills(parts(place, TILL, OTHER), DrillWish(hosts=("pos01", "pos02")))
    assert one.passed
    assert other.lack is not None
    assert other.lack.en == "there is no set"


def test_a_share_of_the_hosts_each_time_until_all_had_their_turn(place: ProofPlace) -> None:
    place.policy = replace(POLICY, drill=Drill(every=92 * DAY, sample=30))
    targets = [Target(host=f"pos{number:02}", policy="tills") for number in range(10)]
    for each in targets:
        place.has(each, NOW - 5 * HOUR)
    for turn in range(1, 5):
        found = run_drills(parts(place, *targets), DrillWish())
        assert len(found) == 3
        place.clock.advance(DAY)
        seen = {each.target.host for each in place.ledger.backups.drills()}
        assert len(seen) == min(3 * turn, 10)


def test_the_moment_to_come_back_to_chooses_the_set_and_its_chain(place: ProofPlace) -> None:
    full = place.has(TILL, NOW - 30 * HOUR)
    log = place.has(TILL, NOW - 20 * HOUR, kind=SetKind.LOG, parent=full)
    place.has(TILL, NOW - 5 * HOUR)
    wish = DrillWish(hosts=("pos01",), at=NOW - 22 * HOUR, disaster=NOW - 21 * HOUR)
    run_drills(parts(place), wish)
    (order,) = place.orders
    assert (order.sets, order.point, order.disaster) == ((full, log), wish.at, wish.disaster)


def test_a_chain_that_is_broken_falls_back_to_what_is_whole(place: ProofPlace) -> None:
    full = place.has(TILL, NOW - 30 * HOUR)
    place.has(TILL, NOW - 5 * HOUR, kind=SetKind.INCREMENTAL, parent=f"{TILL.name}/gone")
    run_drills(parts(place), DrillWish(hosts=("pos01",)))
    assert place.orders[0].sets == (full,)


def test_without_a_heartbeat_the_age_of_the_set_is_the_loss(place: ProofPlace) -> None:
    place.has(TILL, NOW - 5 * HOUR, places=("hub",))
    place.answers[Verb.DRILL, "hub"] = drilled(rpo=None)
    run_drills(parts(place), DrillWish(hosts=("pos01",)))
    (record,) = place.ledger.backups.drills()
    assert record.rpo == 5 * HOUR


@pytest.mark.parametrize(
    "wish",
    [
        DrillWish(hosts=("nobody",)),
        DrillWish(policy="nothing"),
        DrillWish(set="pos01/tills/none"),
    ],
)
def test_what_is_not_there_is_one_line(place: ProofPlace, wish: DrillWish) -> None:
    with pytest.raises(ConfigInvalid):
        run_drills(parts(place), wish)
    assert place.orders == []
