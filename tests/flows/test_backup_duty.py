# SPDX-License-Identifier: GPL-3.0-or-later
"""Nights that run by themselves: hosts in memory, the real catalog, a clock that is moved."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.backup.catalog import Catalog, Run, RunEnd, Target, Verb
from storewarden.domain.backup.due_facts import Due, Facts
from storewarden.domain.backup.due_turns import Caps, Load
from storewarden.domain.backup.night import Hub
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.domain.estate.device import Device
from storewarden.flows.backup_duty import BackupDuty, DutyParts
from storewarden.flows.backup_plan import BackupPlan, Lines, PlanParts, plan_backups
from storewarden.flows.backup_work import Asked
from tests.flows.backup_place import AWAY, HOME, HUB, START, BackupPlace, policy

MINUTE = timedelta(minutes=1)
HUBS = {"east": Hub(name="east", at_once=3)}


@dataclass
class Nights(BackupPlace):
    """Stores with a server each, one policy, one hub."""

    stores: int = 5
    frozen: str = ""
    plans: dict[date, BackupPlan] = field(default_factory=dict)
    most: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.devices = [
            Device(name=f"s{n:06d}-sv01", store=f"{n:06d}", region="r", tz="UTC")
            for n in range(101, 101 + self.stores)
        ]
        self.targets = tuple(Target(host=each.name, policy="files") for each in self.devices)
        self.duty = BackupDuty(self.duty_parts())

    def begin_anew(self) -> None:
        """The controller dies; another one begins over the same ledger."""
        self.duty.wait_all()
        self.restart()
        self.duty = BackupDuty(self.duty_parts())

    def duty_parts(self) -> DutyParts:
        return DutyParts(
            work=self.parts(),
            targets=lambda: self.targets,
            facts=self.facts,
            plan=self.plan,
            days=lambda now: (now.date() - timedelta(days=1), now.date()),
            order=self.order_of,
            load=self.load,
            caps=lambda: Caps(hubs={"east": 3}),
            frozen=lambda: self.frozen,
        )

    def plan(self, day: date) -> BackupPlan:
        if day not in self.plans:
            parts = PlanParts(
                devices=self.devices, policies=tuple(self.policies.values()),
                groups=lambda _host: (), zone=lambda _device: ZoneInfo("UTC"),
                lines=Lines(hubs=HUBS, hub_of={"r": "east"}),
            )  # fmt: skip
            self.plans[day] = plan_backups(parts, day)
        return self.plans[day]

    def facts(self, target: Target) -> Facts:
        return Facts(
            target=target, policy=self.policies["files"], catalog=Catalog(), home=HOME,
            places=(HUB, AWAY), hub="east", line=target.host,
        )  # fmt: skip

    def order_of(self, due: Due) -> Asked:
        asked = self.asked(
            due.target.host, due.verb, due.location, part=due.part, kind=due.kind,
            parent=due.parent, sets=due.sets, level=due.level,
        )  # fmt: skip
        return replace(asked, night=due.night)

    def load(self, run: Run) -> Load:
        return Load(
            target=run.target, on=run.target.host, wan=True, hub="east", line=run.target.host
        )

    def live(self, until: datetime, step: timedelta = 4 * MINUTE) -> None:
        """Let time pass, a look at each step."""
        while self.clock.now() < until:
            self.duty.tick(self.clock.now())
            self.duty.wait_all()
            self.most["open"] = max(self.most["open"], len(self.catalog.open_runs()))
            self.clock.advance(step)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path, policies={"files": policy(drill=None, verify=())})


MORNING = START + timedelta(hours=9)


def whole(place: Nights) -> list[str]:
    """Targets with a set in all three places."""
    return [
        each.target.host
        for each in place.catalog.sets()
        if {one.location for one in each.copies if one.usable} == {HOME, HUB, AWAY}
    ]


def first_of_month(place: Nights) -> datetime:
    """The night in which the tier's full set is due."""
    place.clock.advance(datetime(2026, 12, 1, 22, tzinfo=START.tzinfo) - place.clock.now())
    return place.clock.now() + timedelta(hours=9)


def test_a_night_takes_one_set_of_everybody_and_copies_it(nights: Nights) -> None:
    nights.live(first_of_month(nights))
    assert Counter(whole(nights)) == Counter(each.host for each in nights.targets)
    takes = [each for each in nights.catalog.runs() if each.verb is Verb.TAKE]
    assert {each.night for each in takes} == {"2026-12-01"}
    assert len(takes) == len(nights.targets)  # nothing twice
    assert nights.most["open"] <= 3  # the hub bears no more
    assert nights.catalog.open_runs() == ()


def test_a_controller_that_dies_in_the_night_loses_and_repeats_nothing(nights: Nights) -> None:
    morning = first_of_month(nights)
    while nights.clock.now() < morning:
        nights.live(min(morning, nights.clock.now() + 35 * MINUTE))
        nights.begin_anew()
    assert Counter(whole(nights)) == Counter(each.host for each in nights.targets)
    assert len(nights.catalog.runs(verb=Verb.TAKE)) == len(nights.targets)


def test_hosts_that_are_away_cost_the_others_nothing(tmp_path: Path) -> None:
    nights = Nights(tmp_path, policies={"files": policy(drill=None, verify=())}, stores=8)
    away = [each.host for each in nights.targets[:4]]  # more than the hub takes at once
    for name in away:
        nights.hosts.host(name).away = -1
    nights.live(first_of_month(nights))
    assert sorted(whole(nights)) == sorted(each.host for each in nights.targets[4:])
    visits = max(nights.hosts.asked["collect", each] for each in away)
    assert visits < 40  # they are asked less and less often


def test_a_password_that_is_refused_is_not_tried_again_by_itself(nights: Nights) -> None:
    host = nights.hosts.host("s000101-sv01")
    host.end, host.reason = RunEnd.AUTH, "wrong password"
    nights.live(first_of_month(nights))
    assert nights.hosts.asked["begin", "s000101-sv01"] == 1


def test_a_busy_host_is_tried_again_the_same_night(nights: Nights) -> None:
    morning = first_of_month(nights)
    host = nights.hosts.host("s000101-sv01")
    host.refuses, host.busy = "a change is under way", True
    nights.live(nights.clock.now() + timedelta(hours=4, minutes=30))
    assert nights.hosts.asked["begin", "s000101-sv01"] > 1
    host.refuses = ""
    nights.live(morning)
    assert "s000101-sv01" in whole(nights)


def test_the_kill_switch_begins_nothing_and_still_collects(nights: Nights) -> None:
    morning = first_of_month(nights)
    while not nights.catalog.open_runs():
        nights.live(nights.clock.now() + MINUTE, MINUTE)
    nights.frozen = "stopped by ops"
    before = len(nights.hosts.begun)
    nights.live(morning)
    assert len(nights.hosts.begun) == before
    assert nights.catalog.open_runs() == ()


def test_each_place_is_verified_in_its_time(tmp_path: Path) -> None:
    nights = Nights(tmp_path, policies={"files": policy(drill=None)}, stores=1)
    nights.live(first_of_month(nights))
    nights.live(nights.clock.now() + timedelta(days=2), timedelta(minutes=30))
    looks = [each for each in nights.catalog.runs() if each.verb is Verb.VERIFY]
    assert {each.location for each in looks} == {HOME, HUB, AWAY}
    assert all(each.level is Level.PRESENT for each in looks)
    assert len(looks) <= 3 * 4


def test_a_chain_that_breaks_is_begun_anew_the_same_night(tmp_path: Path) -> None:
    nights = Nights(tmp_path, policies={"files": policy(drill=None)}, stores=1)
    nights.live(first_of_month(nights))
    full = nights.catalog.sets()[0].id
    nights.hosts.host("s000101-sv01").damaged = {full: "a pack is cut off"}
    nights.clock.advance(timedelta(days=4, hours=15))  # Sunday evening: the weekly increment
    nights.live(nights.clock.now() + timedelta(hours=9), 10 * MINUTE)
    later = [each for each in nights.catalog.sets() if each.id != full]
    assert SetKind.FULL in {each.kind for each in later}
    assert all(
        each.received.date() == date(2026, 12, 6) or each.received.hour < 7 for each in later
    )


def test_a_job_is_asked_about_when_its_time_has_come_not_a_minute_later(tmp_path: Path) -> None:
    nights = Nights(tmp_path, stores=1, policies={"files": policy(drill=None, verify=())})
    first_of_month(nights)
    while not nights.catalog.open_runs():
        nights.live(nights.clock.now() + MINUTE, MINUTE)
    told = nights.clock.now()
    nights.live(told + timedelta(seconds=10), timedelta(seconds=10))
    assert nights.duty.tick(nights.clock.now()) == told + timedelta(seconds=30)
