# SPDX-License-Identifier: GPL-3.0-or-later
"""Which target, which set and which place: the choices behind drills and restores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from storewarden.domain.backup.catalog import BackupSet, Catalog, Copy, DrillRecord, Target
from storewarden.domain.backup.drill import (
    Lack,
    Source,
    measured_rto,
    modelled_rto,
    sampled,
    source_of,
    verdict_of,
)
from storewarden.domain.backup.policy import Drill, Level, SetKind
from tests.flows.proof_place import DAY, HOUR, NOW, POLICY, TILL


def a_set(name: str, age: timedelta, *places: str, **more: object) -> BackupSet:
    copies = tuple(
        Copy(set=name, location=each, made=NOW - age, level=Level.READ, verified=NOW)
        for each in places
    )
    fields: dict[str, object] = {
        "id": name,
        "target": TILL,
        "kind": SetKind.FULL,
        "taken": NOW - age,
        "received": NOW - age,
        "size": 10 << 20,
        "copies": copies,
        **more,
    }
    return BackupSet(**fields)  # type: ignore[arg-type]


def a_drill(place: str, ago: timedelta, **more: object) -> DrillRecord:
    fields: dict[str, object] = {
        "id": f"{place}{ago}",
        "target": TILL,
        "set": "f",
        "location": place,
        "began": NOW - ago,
        "passed": True,
        **more,
    }
    return DrillRecord(**fields)  # type: ignore[arg-type]


def test_the_place_must_hold_all_of_the_chain() -> None:
    full = a_set("f", 2 * DAY, "host", "hub")
    last = a_set("i", DAY, "hub", "away", kind=SetKind.INCREMENTAL, parent="f")
    found = source_of(Catalog(sets=(full, last)))
    assert isinstance(found, Source)
    assert (found.backup.id, found.places) == ("i", ("hub",))
    apart = replace(last, copies=last.copies[1:])
    torn = source_of(Catalog(sets=(full, apart)), named="i")
    assert isinstance(torn, Lack) and "no single place" in torn.en


def test_a_set_that_was_heard_of_late_is_not_the_newest() -> None:
    """One that a role took comes into the catalog with its first copy, hours after it was taken."""
    late = a_set("late", 5 * HOUR, "hub", received=NOW)
    newest = a_set("newest", HOUR, "hub")
    lies = a_set("lies", -DAY, "hub", received=NOW - 2 * HOUR)
    found = source_of(Catalog(sets=(late, newest, lies)))
    assert isinstance(found, Source) and found.backup.id == "newest"


def test_a_damaged_copy_is_no_place() -> None:
    full = a_set("f", DAY, "host", "hub")
    bad = replace(full, copies=(replace(full.copies[0], damaged="torn"), full.copies[1]))
    found = source_of(Catalog(sets=(bad,)))
    assert isinstance(found, Source) and found.places == ("hub",)


def test_a_place_whose_last_drill_failed_does_not_keep_the_others_from_their_turn() -> None:
    full = a_set("f", DAY, "host", "hub")
    drills = (a_drill("host", HOUR, passed=False), a_drill("hub", 2 * HOUR))
    found = source_of(Catalog(sets=(full,), drills=drills))
    assert isinstance(found, Source) and found.places == ("hub", "host")


def test_what_the_host_calls_good_is_not_when_it_took_too_long() -> None:
    slow = a_drill("hub", HOUR, level=Level.PROVEN, rto=POLICY.rto + timedelta(seconds=1))
    judged = verdict_of(slow, POLICY)
    assert (judged.passed, judged.reason) == (False, "RTO 0:10:01 is over 0:10:00")
    told = verdict_of(replace(slow, rto=POLICY.rto, differences=("a row",)), POLICY)
    assert (told.passed, told.reason) == (False, "1 differences")


def test_the_slowest_of_the_last_three_counts_and_what_is_not_measured_is_modelled() -> None:
    minutes = (30, 5, 7, 6)
    drills = [
        a_drill("hub", (10 - number) * DAY, rto=timedelta(minutes=each))
        for number, each in enumerate(minutes)
    ]
    assert measured_rto(drills, TILL) == (timedelta(minutes=7), 3)
    assert measured_rto(drills, Target(host="new", policy="tills")) == (timedelta(minutes=7), 3)
    assert measured_rto(drills, Target(host="new", policy="other")) is None
    found = source_of(Catalog(sets=(a_set("f", DAY, "hub"),)))
    assert isinstance(found, Source)
    assert modelled_rto(found.chain, 1024) == timedelta(seconds=10)
    assert modelled_rto(found.chain, 0) is None


def test_a_sample_is_never_nobody() -> None:
    policy = replace(POLICY, drill=Drill(every=92 * DAY, sample=1))
    assert sampled([TILL], policy, ()) == (TILL,)
    assert sampled([], policy, ()) == ()
