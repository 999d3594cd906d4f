# SPDX-License-Identifier: GPL-3.0-or-later
"""The duty reads of the catalog what has changed, and no more than it can bear at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from storewarden.domain.backup.catalog import BackupSet, Catalog, Target
from storewarden.domain.backup.catalog_events import CopySeen, SetFound
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.flows import backup_known
from storewarden.flows.backup_duty import BackupDuty, split
from storewarden.flows.backup_known import KnownTargets
from tests.flows.backup_place import HOME, BackupPlace
from tests.flows.test_backup_duty import Nights


class Counted:
    """The catalog, and whom somebody read of it."""

    def __init__(self, catalog: Any) -> None:
        self._catalog = catalog
        self.read: list[Target] = []

    def of(self, targets: Sequence[Target]) -> Catalog:
        self.read += targets
        return self._catalog.of(targets)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)


@pytest.fixture
def place(tmp_path: Path) -> Nights:
    return Nights(tmp_path, stores=4)


def has(place: BackupPlace, target: Target, name: str) -> BackupSet:
    now = place.clock.now()
    found = BackupSet(
        id=f"{target.name}/{name}", target=target, kind=SetKind.FULL, taken=now, received=now,
        size=1,
    )  # fmt: skip
    seen = CopySeen(set=found.id, location=HOME, at=now, level=Level.PRESENT)
    place.catalog.record([SetFound(set=found), seen])
    return found


def test_a_second_look_reads_only_those_that_something_happened_to(place: Nights) -> None:
    book = Counted(place.catalog)
    known = KnownTargets(book, split)  # type: ignore[arg-type]
    facts = {each: place.facts(each) for each in place.targets}
    first, other = place.targets[:2]
    has(place, first, "a")
    known.of(facts, place.clock.now())
    assert book.read == list(place.targets)
    book.read.clear()
    known.of(facts, place.clock.now())
    assert book.read == []
    old = has(place, other, "b")
    there = known.of(facts, place.clock.now())
    assert book.read == [other]
    assert [each.id for each in there[other].catalog.sets] == [old.id]
    book.read.clear()
    gone = CopySeen(
        set=f"{first.name}/a", location=HOME, at=place.clock.now(), level=Level.PRESENT,
        damaged="cut off",
    )  # fmt: skip
    place.catalog.record([gone])  # nothing but a copy
    there = known.of(facts, place.clock.now())
    assert book.read == [first]
    assert there[first].catalog.sets[0].copies[0].damaged == "cut off"
    book.read.clear()
    place.clock.advance(timedelta(hours=25))
    known.of(facts, place.clock.now())
    assert len(book.read) == 4  # once a day anyway


def test_a_look_reads_no_more_than_it_can_bear_and_the_rest_comes_next(place: Nights) -> None:
    targets = [Target(host=f"s{n:06d}-sv01", policy="files") for n in range(backup_known.MOST + 5)]
    book = Counted(place.catalog)
    known = KnownTargets(book, split)  # type: ignore[arg-type]
    facts = {each: place.facts(each) for each in targets}
    there = known.of(facts, place.clock.now())
    assert len(book.read) == len(there) == backup_known.MOST
    left = [each for each in targets if each not in there]
    assert set(known.of({each: facts[each] for each in left}, place.clock.now())) == set(left)


def test_the_duty_comes_back_soon_for_whom_it_did_not_read(place: Nights) -> None:
    duty = BackupDuty(replace(place.duty_parts(), most=1))
    now, ticks = place.clock.now(), 0
    while (again := duty.tick(now)) is not None:
        assert again - now == timedelta(seconds=10)
        now, ticks = again, ticks + 1
    assert ticks == len(place.targets) - 1
