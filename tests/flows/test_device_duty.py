# SPDX-License-Identifier: GPL-3.0-or-later
"""Network devices read by themselves: devices in memory, a real Git history, the real catalog."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from storewarden.adapters.config_git import GitConfigs
from storewarden.domain.backup.catalog import Catalog, RunEnd, Target
from storewarden.domain.backup.device_config import Platform
from storewarden.domain.backup.due_devices import Changed, Reading
from storewarden.domain.backup.due_facts import Facts
from storewarden.domain.backup.freshness import Coverage, Standing, standing_of
from storewarden.domain.backup.policy import (
    BackupTier,
    CopyWanted,
    Every,
    Level,
    Method,
    Policy,
    SetKind,
    Step,
)
from storewarden.domain.backup.retention import expired
from storewarden.domain.change.record import Change, State
from storewarden.domain.errors import AdapterError
from storewarden.domain.estate.device import Device
from storewarden.flows.backup_duty import begun_slots
from storewarden.flows.backup_plan import BackupPlan, PlanParts, plan_backups
from storewarden.flows.device_backup import DeviceBackupParts, back_up_devices
from storewarden.flows.device_catalog import DeviceCatalog, by_device
from storewarden.flows.device_duty import DeviceRoundParts, DeviceRounds
from storewarden.ports.devices import DeviceAccess, LoginRefused
from storewarden.wiring.backup_devices import ChangedDevices
from tests.flows.backup_place import HOME, BackupPlace, policy
from tests.flows.test_change_windows import change

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVENING = datetime(2026, 11, 22, 22, tzinfo=UTC)  # a Sunday


def text(name: str, address: str = "10.0.0.1") -> str:
    return (
        f"Building configuration...\n!\nversion 15.2\nhostname {name}\n!\n"
        f"interface Gi0/1\n ip address {address} 255.255.255.0\n!\nline vty 0 4\n!\nend"
    )


@dataclass
class FakeDevices:
    """Devices in memory: what each tells, or raises; how often each was asked."""

    told: dict[str, Callable[[], str]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def read(self, access: DeviceAccess) -> str:
        self.asked[access.device] += 1
        return self.told.get(access.device, lambda: text(access.device))()


@dataclass
class Chain(BackupPlace):
    """Routers with one policy each; nothing sleeps but the round itself."""

    routers: tuple[str, ...] = ("r1", "r2", "r3")
    changes: dict[str, Changed] = field(default_factory=dict)
    frozen: str = ""
    plans: dict[date, BackupPlan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clock.advance(EVENING - self.clock.now())
        self.devices = FakeDevices()
        self.store = GitConfigs(self.folder / "configurations")
        self.estate = [Device(name=each, store=each, tz="UTC") for each in self.routers]
        self.rounds = self.begun()

    @property
    def policy(self) -> Policy:
        return self.policies["network"]

    def begun(self) -> DeviceRounds:
        """As by a controller that has just begun."""
        return DeviceRounds(
            DeviceRoundParts(
                catalog=self.catalog,
                targets=lambda: [self.target(each) for each in self.routers],
                facts=lambda target: Facts(
                    target=target, policy=self.policy, catalog=Catalog(), home=HOME
                ),
                slots=lambda now: begun_slots(self.plan, (now.date() - DAY, now.date()), now),
                changed=lambda _now: self.changes,
                read=self.read,
                frozen=lambda: self.frozen,
            )
        )

    def target(self, name: str) -> Target:
        return Target(host=name, policy="network")

    def plan(self, day: date) -> BackupPlan:
        if day not in self.plans:
            parts = PlanParts(
                devices=self.estate, policies=(self.policy,), groups=lambda _host: (),
                zone=lambda _device: ZoneInfo("UTC"),
            )  # fmt: skip
            self.plans[day] = plan_backups(parts, day)
        return self.plans[day]

    def read(
        self, due: Sequence[Reading], stopping: Callable[[], bool] = lambda: False
    ) -> Mapping[str, object]:
        asked = by_device(due)
        parts = DeviceBackupParts(
            devices=self.devices, store=self.store, ledger=self.ledger, clock=self.clock,
            zone=UTC, stopping=stopping,
            recorded=DeviceCatalog(
                catalog=self.catalog, store=self.store, clock=self.clock, readings=asked
            ),
        )  # fmt: skip
        wanted = [
            DeviceAccess(device=each, address="127.0.0.1", platform=Platform.CISCO_IOS)
            for each in asked
        ]
        return {each.device: each for each in back_up_devices(parts, wanted)}

    def live(self, hours: float, step: timedelta = 15 * MINUTE) -> None:
        until = self.clock.now() + hours * HOUR
        while self.clock.now() < until:
            self.rounds.look(self.clock.now())
            self.rounds.wait()
            self.clock.advance(step)
        self.rounds.look(self.clock.now())  # raises what the last round did
        self.rounds.wait()

    def standing(self, name: str) -> Standing:
        found = self.catalog.of([self.target(name)])
        return standing_of(self.target(name), self.policy, found, self.clock.now())


def core(**more: object) -> Policy:
    given: dict[str, object] = {
        "method": Method.NETWORK,
        "copies": (CopyWanted(location=HOME),),
        "after_change": True,
        "window": (time(23), time(6)),
    }
    return policy("network", BackupTier.CORE_NETWORK, **(given | more))


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path, policies={"network": core()})


def test_a_night_reads_each_device_once_and_the_catalog_has_it(chain: Chain) -> None:
    chain.live(9)
    sets = {each.target.host: each for each in chain.catalog.sets()}
    assert sorted(sets) == ["r1", "r2", "r3"]
    one = sets["r1"]
    assert one.id == f"r1/network/{chain.store.files('r1')[-1].name}"
    assert one.size == len(text("r1")) and len(one.manifest) == 64
    assert [(each.location, each.level) for each in one.copies] == [(HOME, Level.READ)]
    runs = chain.catalog.runs()
    assert len(runs) == 3 and {each.end for each in runs} == {RunEnd.DONE}
    assert {each.night for each in runs} == {"2026-11-22"}
    assert all(EVENING + HOUR <= each.began < EVENING + 8 * HOUR for each in runs)
    assert chain.standing("r1").coverage is Coverage.OK
    assert chain.ledger.verify().problems == ()


def test_what_never_changes_stays_fresh_for_days(chain: Chain) -> None:
    chain.live(24 * 10, 3 * HOUR)
    (only,) = chain.catalog.sets(host="r2")
    assert chain.clock.now() - only.received > 9 * DAY
    assert len(chain.catalog.runs(host="r2")) == 10
    assert chain.catalog.runs(host="r2")[0].set == only.id
    assert chain.standing("r2").coverage is Coverage.OK
    chain.frozen = "stopped by ops"
    file = chain.folder / "configurations/r2" / chain.store.files("r2")[-1].name
    os.utime(file, (0, 0))
    chain.read([Reading(target=chain.target("r2"), home=HOME)])
    assert file.stat().st_mtime > 0  # audits see that it was read today
    chain.live(48, 12 * HOUR)
    assert chain.standing("r2").coverage is Coverage.LATE


def test_a_security_device_is_read_once_a_week(tmp_path: Path) -> None:
    weekly = core(schedule=(Step(kind=SetKind.FULL, every=Every.WEEK),))
    chain = Chain(tmp_path, policies={"network": weekly}, routers=("fw",))
    chain.live(24 * 15, 3 * HOUR)
    assert {each.night for each in chain.catalog.runs()} == {
        "2026-11-22", "2026-11-29", "2026-12-06",
    }  # fmt: skip


def test_a_change_is_read_once_more_when_it_has_ended_whatever_the_hour(chain: Chain) -> None:
    chain.live(10)
    chain.devices.told["r1"] = lambda: text("r1", "10.9.9.9")
    chain.changes["r1"] = Changed(number="GMBG-20261123-001", ended=chain.clock.now())
    chain.live(5)  # the middle of the day
    runs = chain.catalog.runs(host="r1")
    assert [each.change for each in runs] == ["GMBG-20261123-001", ""]
    assert chain.devices.asked["r2"] == 2  # the night's reading: once, and once more to be sure
    assert [each.id[-8:] for each in chain.catalog.sets(host="r1")] == ["v1.1.cfg", "v1.0.cfg"]


def test_a_policy_that_does_not_ask_for_it_is_not_read_after_changes(tmp_path: Path) -> None:
    chain = Chain(tmp_path, policies={"network": core(after_change=False)})
    chain.changes["r1"] = Changed(number="GMBG-20261123-001", ended=chain.clock.now())
    chain.live(0.5)
    assert chain.catalog.runs() == ()


def test_what_is_no_configuration_is_a_failed_run_and_the_reason_is_told(chain: Chain) -> None:
    chain.live(10)
    chain.devices.told["r1"] = lambda: "% Authorization failed.\n" * 9
    chain.live(24)
    last = chain.catalog.runs(host="r1")[0]
    assert last.end is RunEnd.REJECTED and "error text" in last.reason
    assert last.set == "" and len(chain.catalog.sets(host="r1")) == 1
    told = chain.standing("r1")
    assert told.coverage is Coverage.FAILED and "error text" in told.en
    assert len(chain.catalog.runs(host="r1")) <= 1 + 8  # an hour apart while the window is open
    del chain.devices.told["r1"]
    chain.live(24)
    assert chain.standing("r1").coverage is Coverage.OK


def test_a_refused_login_waits_for_a_person(chain: Chain) -> None:
    def refuse() -> str:
        raise LoginRefused("the login was refused", where="r1")

    chain.devices.told["r1"] = refuse
    chain.live(72, 3 * HOUR)
    assert chain.devices.asked["r1"] == 1
    (run,) = chain.catalog.runs(host="r1")
    assert (run.end, run.reason_zh) == (RunEnd.AUTH, "登录被拒绝")
    del chain.devices.told["r1"]
    chain.read([Reading(target=chain.target("r1"), home=HOME, by="li@desk")])
    assert chain.catalog.runs(host="r1")[0].by == "li@desk"
    chain.live(24, 3 * HOUR)
    assert len(chain.catalog.runs(host="r1")) == 3  # and the nights go on


def test_one_that_is_away_is_tried_again_and_holds_up_nobody(chain: Chain) -> None:
    def away() -> str:
        raise AdapterError("it does not answer", retryable=True)

    chain.devices.told["r1"] = away
    chain.live(4)
    assert len(chain.catalog.sets()) == 2
    ends = [each.end for each in chain.catalog.runs(host="r1")]
    assert 2 <= len(ends) <= 4 and set(ends) == {RunEnd.FAILED}
    del chain.devices.told["r1"]
    chain.live(3)
    assert len(chain.catalog.sets()) == 3


def test_the_next_controller_reads_only_who_is_missing(chain: Chain) -> None:
    while not chain.catalog.runs():
        chain.live(0.5, 5 * MINUTE)
    chain.restart()
    chain.clock.advance(MINUTE)
    chain.rounds = chain.begun()
    chain.live(7)
    assert Counter(each.target.host for each in chain.catalog.runs()) == Counter(chain.routers)


def test_a_stop_in_the_middle_keeps_nothing_more_and_the_next_round_goes_on(chain: Chain) -> None:
    asked, go = threading.Event(), threading.Event()

    def hanging() -> str:
        asked.set()
        go.wait(20)
        return text("r1")

    chain.devices.told["r1"] = hanging
    chain.clock.advance(5 * HOUR)
    chain.rounds.look(chain.clock.now())
    assert asked.wait(10)
    chain.rounds.shut()
    chain.rounds.wait()  # it does not wait for the device
    go.set()
    assert chain.store.files("r1") == ()
    with chain.store.writing():
        pass  # nobody holds it any more
    chain.clock.advance(MINUTE)
    chain.rounds = chain.begun()
    chain.live(1)
    assert len(chain.catalog.sets(host="r1")) == 1


def test_somebody_else_at_it_is_no_failure_of_the_duty(chain: Chain) -> None:
    chain.clock.advance(5 * HOUR)
    with chain.store.writing():
        chain.live(0.25)
    chain.live(0.5)
    assert len(chain.catalog.sets()) == 3


def test_the_folder_that_cannot_be_written_is_told_by_the_next_look(chain: Chain) -> None:
    (chain.folder / "configurations").write_text("")
    chain.clock.advance(5 * HOUR)
    with pytest.raises(AdapterError):
        chain.live(0.5)


def test_a_file_that_a_killed_controller_had_kept_is_found_by_the_catalog(chain: Chain) -> None:
    chain.read([])  # makes the folder
    left = chain.folder / "configurations/r1"
    left.mkdir()
    (left / "r1-20260601-v1.0.cfg").write_text(text("r1"))
    chain.live(9)
    (found,) = chain.catalog.sets(host="r1")
    assert found.id == "r1/network/r1-20260601-v1.0.cfg" and found.size == len(text("r1"))


def test_a_missing_second_copy_is_named(tmp_path: Path) -> None:
    copies = (CopyWanted(location=HOME), CopyWanted(location="away"))
    chain = Chain(tmp_path, policies={"network": core(copies=copies)})
    chain.live(60, 3 * HOUR)
    told = chain.standing("r1")
    assert told.coverage is Coverage.COPY_SHORT and "away" in told.en


def test_the_history_of_configurations_is_not_proposed_to_go(chain: Chain) -> None:
    chain.live(9)
    later = chain.clock.now() + 800 * DAY
    short = replace(chain.policy, retention=replace(chain.policy.retention, fulls=0))
    found = expired(chain.catalog.sets(), {"network": short}, later)
    assert found.sets == () and len(found.kept) == 3


class Book:
    """A change book that has these changes, and counts how often it is asked."""

    def __init__(self, *changes: Change) -> None:
        self.changes_there, self.asked = changes, 0

    def changes(self, **_asked: object) -> tuple[Change, ...]:
        self.asked += 1
        return self.changes_there


def test_devices_that_a_change_named_are_known_for_two_days_after_its_end() -> None:
    now = EVENING
    over = replace(change("r1", "till"), state=State.DONE, ended_at=now - HOUR)
    old = replace(change("r2"), state=State.CLOSED, ended_at=now - 3 * DAY)
    book = Book(over, old)
    asked = ChangedDevices(book, lambda: {"r1", "r2", "r3"})  # type: ignore[arg-type]
    assert asked(now) == {"r1": Changed(number=over.number, ended=now - HOUR)}
    asked(now + MINUTE)
    assert book.asked == 1
    assert asked(now + 2 * DAY) == {}
