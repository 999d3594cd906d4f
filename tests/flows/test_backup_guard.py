# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout through the real driver and ledger, on hosts with and without backups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from storewarden.domain.backup.catalog import BackupSet, Run, RunEnd, Target
from storewarden.domain.backup.catalog_events import CopySeen, RunEnded, SetFound
from storewarden.domain.backup.policy import (
    TIER_RULES,
    BackupTier,
    CopyWanted,
    Level,
    Method,
    Policy,
    Selector,
    SetKind,
)
from storewarden.domain.change.record import Kind
from storewarden.domain.rollout.record import Hold, HostState, RolloutState
from storewarden.domain.rollout.spec import PayloadClass
from storewarden.flows.backup_guard import BackupGuard, GuardParts
from storewarden.flows.rollout_parts import DriveParts
from storewarden.ports.rollouts import RolloutBook
from tests.flows.rollout_place import RolloutPlace, wanted

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def _policy() -> Policy:
    rule = TIER_RULES[BackupTier.POS_DATABASE]
    return Policy(
        id="pos", tier=BackupTier.POS_DATABASE, method=Method.SQLITE,
        selector=Selector(roles=("pos",)), window=(time(23), time(6)), schedule=rule.schedule,
        rpo=rule.rpo, rto=rule.rto, copies=(CopyWanted(location="hub"),),
        retention=rule.retention, verify=rule.verify, drill=rule.drill,
    )  # fmt: skip


class GuardedPlace(RolloutPlace):
    """The chain with backups; ``asked`` is what was ordered."""

    asked: list[tuple[str, str]]

    def __init__(self, folder: Path) -> None:
        self.asked = []
        super().__init__(folder, stores=2, durable=True)

    def guard(self) -> BackupGuard:
        return BackupGuard(
            GuardParts(
                policies=[_policy()],
                devices=lambda: {each.name: each for each in self.estate().devices},
                groups=dict,
                catalog=self.ledger.backups,
                take_extra=self._take,
            )
        )

    def parts(self, book: RolloutBook) -> DriveParts:
        return replace(super().parts(book), uncovered=self.guard())

    def _take(self, targets: Sequence[Target], change: str) -> None:
        self.asked += [(each.host, change) for each in targets]

    @property
    def tills(self) -> list[str]:
        """Hosts that the policy binds."""
        return [each.name for each in self.estate().devices if each.role == "pos"]

    def back_up(self, *hosts: str, level: Level = Level.READ, mark: str = "a") -> None:
        """A full set of each of them now."""
        now, events = self.clock.now(), list[Any]()
        for host in hosts:
            found = BackupSet(
                id=f"{host}/pos/{mark}", target=Target(host=host, policy="pos"),
                kind=SetKind.FULL, taken=now, received=now, size=1,
            )  # fmt: skip
            events += [
                SetFound(set=found),
                CopySeen(set=found.id, location="hub", at=now, level=level),
            ]
        self.ledger.backups.record(events)


@pytest.fixture
def place(tmp_path: Path) -> GuardedPlace:
    return GuardedPlace(tmp_path)


def test_nothing_begins_without_backups_and_everything_with_them(place: GuardedPlace) -> None:
    place.opened()
    place.pass_time(30 * MINUTE)
    rollout = place.rollout()
    assert (rollout.state, rollout.hold) == (RolloutState.PAUSED, Hold.BACKUP)
    first = next(name for name in place.tills if name in rollout.held)
    assert f"storewarden backup run {first} --policy pos" in rollout.held
    assert not any(place.applied().values())
    place.back_up(*place.tills)
    place.pass_time(6 * MINUTE)
    assert place.rollout().state is not RolloutState.PAUSED
    assert place.until(RolloutState.COMPLETED).state is RolloutState.COMPLETED
    assert place.ledger.verify().problems == ()


def test_a_till_that_was_never_read_waits_alone(place: GuardedPlace) -> None:
    place.opened()
    (store,) = place.rollout().waves[0].stores
    last, *others = [each for each in place.tills if place.rollout().hosts[each].store == store]
    place.back_up(*others)
    place.back_up(last, level=Level.PRESENT)
    place.pass_time(HOUR)
    states = place.host_states()
    assert states[last] is HostState.PLANNED
    assert others and all(states[each] is not HostState.PLANNED for each in others)
    assert place.rollout().hold is Hold.BACKUP
    place.ledger.backups.record([
        CopySeen(set=f"{last}/pos/a", location="hub", at=place.clock.now(), level=Level.READ)
    ])  # fmt: skip
    place.pass_time(HOUR)
    assert place.host_states()[last] is not HostState.PLANNED


def test_what_is_no_package_and_no_release_asks_for_no_backup(place: GuardedPlace) -> None:
    place.opened(wanted(payload_class=PayloadClass.CONFIG))
    place.pass_time(30 * MINUTE)
    assert any(place.applied().values())


def test_a_major_change_orders_one_more_set_once_and_waits_for_it(place: GuardedPlace) -> None:
    place.back_up(*place.tills)
    place.clock.advance(HOUR)
    change = place.change()
    major = replace(change, draft=replace(change.draft, kind=Kind.MAJOR))
    rollout = place.begin(change.number).rollout
    guard, now = place.guard(), place.clock.now()
    lacking = guard(rollout, major, now)
    assert lacking and not place.asked  # it has not begun: nobody is troubled yet
    assert guard(rollout, change, now) == {}
    begun = replace(rollout, started=now)
    lacking = guard(begun, major, now)
    assert sorted(host for host, _change in place.asked) == sorted(lacking)
    assert {number for _host, number in place.asked} == {change.number}
    assert all("one more full set" in en for en, _zh in lacking.values())
    runs = tuple(
        Run(id=f"r-{host}", target=Target(host=host, policy="pos"), kind=SetKind.FULL, began=now)
        for host in lacking
    )
    assert len(place.ledger.backups.begin(runs)) == len(runs)
    ordered = len(place.asked)
    assert guard(begun, major, now + MINUTE).keys() == lacking.keys()
    assert len(place.asked) == ordered  # it is under way
    end = [RunEnded(run=each.id, at=now, end=RunEnd.FAILED, reason="no room") for each in runs]
    place.ledger.backups.record(end)
    guard(begun, major, now + 30 * MINUTE)
    assert len(place.asked) == ordered  # tried just now
    guard(begun, major, now + 2 * HOUR)
    assert len(place.asked) == 2 * ordered
    place.clock.advance(MINUTE)
    place.back_up(*lacking, level=Level.PRESENT, mark="b")
    assert guard(begun, major, now + 2 * HOUR) == {}
