# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not look better than it is: failures, ages, places, and sets that others need."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.backup.catalog import Catalog, RunEnd, Verb
from storewarden.domain.backup.drill import Source, source_of
from storewarden.domain.backup.freshness import Coverage, standing_of
from storewarden.domain.backup.policy import SetKind
from storewarden.domain.backup.proof import proof_of
from storewarden.domain.backup.readiness import unready
from storewarden.domain.backup.retention import expired
from tests.unit.backup.test_backup_catalog import (
    AWAY,
    CORE,
    HUB,
    NOW,
    PLACES,
    STORE,
    TARGET,
    backup,
    copy,
    run,
    standing,
)

DAY = timedelta(days=1)


@pytest.mark.parametrize("verb", [Verb.VERIFY, Verb.COPY, Verb.DRILL, Verb.CANARY])
def test_no_other_job_clears_the_failure_of_a_set(verb: Verb) -> None:
    failed, later = run(5, RunEnd.FAILED, "disk full"), run(2, RunEnd.DONE)
    told = standing(backup("F", 20), runs=(failed, replace(later, verb=verb)))
    assert told.coverage is Coverage.FAILED
    assert "disk full" in told.en


def test_a_rehearsal_that_failed_is_no_set_that_failed() -> None:
    told = standing(backup("F", 3), runs=(replace(run(2, RunEnd.FAILED, "x"), verb=Verb.DRILL),))
    assert told.coverage is Coverage.OK


def test_an_old_set_that_is_found_today_is_as_old_as_it_says() -> None:
    found = backup("F", 1, taken=NOW - 40 * DAY)
    assert standing(found).coverage is Coverage.LATE
    assert unready(CORE, Catalog(sets=(found,)), NOW) is not None
    fake = backup("G", 1, taken=NOW + 400 * DAY)
    assert fake.fresh == fake.received


def test_a_client_that_lies_about_the_year_is_not_restored_for_ever() -> None:
    fake = backup("X", 24 * 30, taken=NOW + timedelta(days=400))
    source = source_of(Catalog(sets=(backup("F", 2), fake), locations=PLACES))
    assert isinstance(source, Source)
    assert source.backup.id == "F"


def test_a_copy_in_a_place_that_left_the_settings_is_none() -> None:
    full = backup("F", 3, copies=(copy("F", "gone", NOW - timedelta(hours=3)),))
    later = backup("L", 1, SetKind.LOG, parent="F")
    known = Catalog(sets=(full, later), locations=PLACES)
    told = standing_of(TARGET, CORE, known, NOW)
    assert told.coverage is Coverage.CHAIN_BROKEN


def test_places_that_fall_together_still_lie_somewhere() -> None:
    nowhere = replace(STORE, credentials="one", point=None)
    there = replace(AWAY, credentials="One ")
    proof = proof_of(
        backup("F", 1), {each.name: each for each in (nowhere, there, HUB)}, NOW, within=9 * DAY
    )
    assert proof.counted == ("away", "hub") or set(proof.counted) == {"away", "hub"}
    assert [each.name for each in proof.failing] == ["copies"]


def test_one_medium_is_one_however_it_is_written() -> None:
    places = {
        each.name: replace(each, medium=word)
        for each, word in zip((STORE, HUB, AWAY), ("disk", "Disk", "disk "), strict=True)
    }
    failing = proof_of(backup("F", 1), places, NOW, within=9 * DAY).failing
    assert [each.name for each in failing] == ["media"]


def test_what_a_damaged_set_builds_upon_stays_while_a_young_one_needs_it() -> None:
    keep = replace(CORE, retention=replace(CORE.retention, keep=timedelta(days=30), fulls=0))
    harmed = copy("I1", "store", NOW, damaged="pack 12ab is cut off")
    sets = [
        backup("F", 24 * 60),
        backup("I1", 24 * 50, SetKind.INCREMENTAL, parent="F", copies=(harmed,)),
        backup("I2", 24, SetKind.INCREMENTAL, parent="I1"),
    ]
    assert expired(sets, {TARGET.policy: keep}, NOW).sets == ()


def test_sets_that_nobody_has_read_stay_when_they_are_all_there_is() -> None:
    only = [backup(f"F{n}", 24 * 4000 + n) for n in range(4, 0, -1)]
    found = expired(only, {TARGET.policy: CORE}, NOW, safe=lambda _each: False)
    assert found.sets == ("F4", "F3")
    harmed = [
        replace(each, copies=tuple(replace(one, damaged="cut off") for one in each.copies))
        for each in only
    ]
    gone = expired(harmed, {TARGET.policy: CORE}, NOW, safe=lambda _each: False)
    assert len(gone.sets) == 4
