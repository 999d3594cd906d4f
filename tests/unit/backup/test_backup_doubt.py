# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies that nobody could look at: what they count for, and what an operator sees of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from storewarden.domain.backup.catalog import BackupSet, Catalog, Doubt, chain_of
from storewarden.domain.backup.drill import Source, source_of
from storewarden.domain.backup.freshness import Coverage, standing_of
from storewarden.domain.backup.policy import Level
from storewarden.domain.backup.proof import proof_of
from storewarden.domain.backup.readiness import unready
from tests.unit.backup.test_backup_catalog import CORE, NOW, PLACES, TARGET, backup, standing

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WHY = "the password was refused"


def doubted(backup: BackupSet, *places: str) -> BackupSet:
    """The set with copies of which the last look, an hour ago, failed."""
    copies = tuple(
        replace(each, doubts={"2": Doubt(since=NOW - HOUR, why=WHY)})
        if each.location in places
        else each
        for each in backup.copies
    )
    return replace(backup, copies=copies)


def test_a_place_that_could_not_be_looked_at_is_a_gap_that_names_it() -> None:
    found = standing(doubted(backup("F", 3), "hub"))
    assert found.coverage is Coverage.UNVERIFIED
    assert found.en == f"copies in hub are in doubt since 2026-11-22 07:00: {WHY}"
    assert "hub 的副本自" in found.zh and WHY in found.zh
    assert found.level is Level.STARTED, "the other places are as they were"


def test_each_place_is_named_even_when_only_old_sets_are_in_doubt() -> None:
    old, new = doubted(backup("E", 30), "hub", "away"), backup("F", 3)
    assert "copies in away" in standing(old, new).en
    assert standing(new).coverage is Coverage.OK


def test_places_that_left_the_policy_are_nobodys_business() -> None:
    less = replace(CORE, copies=tuple(each for each in CORE.copies if each.location != "hub"))
    known = Catalog(sets=(doubted(backup("F", 3), "hub"),), locations=PLACES)
    assert "hub" not in standing_of(TARGET, less, known, NOW).en


def test_copies_in_doubt_prove_nothing() -> None:
    where = doubted(backup("F", 3), "away")
    proof = proof_of(where, PLACES, NOW, within=30 * DAY)
    assert not proof.holds and proof.left_out["away"] == f"in doubt: {WHY}"
    everywhere = doubted(where, *PLACES)
    chain = chain_of(everywhere, {"F": everywhere})
    assert chain.complete and chain.level is Level.CLAIMED
    assert standing(everywhere).level is Level.CLAIMED
    assert unready(CORE, Catalog(sets=(everywhere,)), NOW) is not None
    assert unready(CORE, Catalog(sets=(where,)), NOW) is None


def test_a_rehearsal_takes_another_place_first() -> None:
    for place in PLACES:
        source = source_of(Catalog(sets=(doubted(backup("F", 3), place),)))
        assert isinstance(source, Source)
        assert source.places[-1] == place


def test_a_place_at_which_nobody_looks_any_more_is_not_covered_by_the_others() -> None:
    """Looks at the store say nothing of the hub."""
    made = backup("F", 3)
    late = NOW - 40 * DAY
    copies = tuple(
        replace(each, looks={"3": late, "1": NOW - HOUR}, made=late) if each.location == "hub"
        else each
        for each in made.copies
    )  # fmt: skip
    found = standing(replace(made, copies=copies))
    assert found.coverage is Coverage.UNVERIFIED
    assert found.en == "level 2 was last seen in hub 40 days ago"
    assert found.zh == "hub 的 2 级验证距今 40 天"
