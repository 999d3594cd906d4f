# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders on their way to hosts and reports on their way back, by way of the runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storewarden.domain.backup.catalog import RunEnd, Target, Verb
from storewarden.domain.backup.policy import Level, Method, SetKind
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.backup_outcome import skewed
from storewarden.flows.backup_play import BackupPlay
from storewarden.flows.backup_words import PlaceWords, order_words
from storewarden.flows.rollout_parts import EstateNow
from storewarden.ports.backup_hosts import BackupOrder, JobState
from storewarden.ports.runner import (
    FrozenInventory,
    HostResult,
    HostStatus,
    LeaseMode,
    PlaybookRun,
)
from storewarden.ports.secrets import Secret
from storewarden.testing.ledger import ManualClock
from storewarden.testing.runner import FakeRunner, Scripted
from tests.flows.backup_place import policy

NOW = datetime(2026, 11, 22, 23, tzinfo=UTC)
SERVER = "s000101-sv01"
PASSWORD = "correct-horse-battery"


def order(number: int = 1, host: str = SERVER, **more: object) -> BackupOrder:
    target = Target(host=host, policy="files")
    found = BackupOrder(
        run=f"r{number}", target=target, on=host, verb=Verb.TAKE, policy=policy(), location="store"
    )
    return replace(found, **more)  # type: ignore[arg-type]


def report(run: str = "r1", **more: object) -> dict[str, Any]:
    given = {
        "format": 1, "run": run, "verb": "take", "host": SERVER, "policy": "files", "end": "done",
        "reason": {"en": "", "zh": ""}, "began": NOW.timestamp(), "ended": NOW.timestamp() + 9,
        "seconds": 9.0, "tool_seconds": 8.0, "tool": "restic 0.14.0", "place": "store", "bytes": 5,
        "sets": [{"id": "20261122T230000Z-full", "kind": "full", "parent": "", "size": 5,
                  "taken": NOW.timestamp(), "manifest": "ab", "level": 1, "damaged": ""}],
        "immutable": None, "drill": None, "removed": [], "notes": [],
    }  # fmt: skip
    return given | more


class Place:
    """A play over a runner in memory; ``says`` is what each host's module told."""

    def __init__(self, says: Mapping[str, HostResult] | None = None) -> None:
        self.says = says or {}
        self.runner = FakeRunner(lambda _run: Scripted(hosts=self.says))
        self.read: Callable[[BackupOrder], Mapping[str, Secret]] = lambda _order: {
            "repository": Secret(PASSWORD)
        }
        hosts = {f"s{number:06d}-sv01": {} for number in range(100, 230)}
        self.play = BackupPlay(
            runner=self.runner,
            estate=lambda: EstateNow(devices=(), inventory=FrozenInventory(hosts=hosts)),
            clock=ManualClock(NOW),
            places={"store": PlaceWords(), "hub": PlaceWords(kind="sftp", words={"user": "u"})},
            secrets=self.secrets,
            here="controller",
        )

    def secrets(self, each: BackupOrder) -> Mapping[str, Secret]:
        return self.read(each)

    @property
    def last(self) -> PlaybookRun:
        return self.runner.started[-1]


def told(jobs: Mapping[str, object], now: float | None = None) -> Mapping[str, HostResult]:
    found = {"jobs": jobs, "now": NOW.timestamp() if now is None else now}
    return {SERVER: HostResult(host=SERVER, status=HostStatus.OK, report={"backup": found})}


def test_a_report_comes_back_in_the_catalogs_terms() -> None:
    place = Place(told({"r1": {"state": "ended", "report": report()}}))
    seen = place.play.collect([order()])["r1"]
    assert seen.state is JobState.ENDED
    assert seen.report is not None
    backup = seen.report.sets[0]
    assert backup.id == f"{SERVER}/files/20261122T230000Z-full"
    assert (backup.kind, backup.level, seen.report.end) == (
        SetKind.FULL, Level.PRESENT, RunEnd.DONE,
    )  # fmt: skip


def test_orders_name_sets_as_the_tool_does_and_never_a_secret() -> None:
    asked = order(parent=f"{SERVER}/files/a", sets=(f"{SERVER}/files/a",), location="hub")
    words = order_words(asked, {"hub": PlaceWords(kind="sftp", words={"user": "u"})})
    assert (words["parent"], words["sets"]) == ("a", ["a"])
    assert words["place"] == {"name": "hub", "kind": "sftp", "words": {"user": "u"}}
    assert "secrets" not in words


def test_the_kernel_reads_what_the_controller_writes() -> None:
    from plugins.module_utils.backup.order import order_of

    point = NOW - timedelta(hours=1)
    words = order_words(order(point=point, kib=128, part=(2, 3)), {})
    read = order_of(words)
    assert (read.run, read.verb, read.part, read.limits.kib) == ("r1", "take", (2, 3), 128)
    assert read.point == point.timestamp()


def test_secrets_go_with_begin_alone() -> None:
    place = Place()
    place.play.begin([order()])
    assert place.last.variables["backup_secrets"] == {"r1": {"repository": PASSWORD}}
    assert PASSWORD not in str(place.last.variables["backup_orders"])
    assert PASSWORD not in place.last.label
    place.play.collect([order()])
    assert place.last.variables["backup_secrets"] == {}


def test_one_secret_that_cannot_be_read_refuses_one_order() -> None:
    place = Place()

    def read(each: BackupOrder) -> Mapping[str, Secret]:
        if each.target.host == SERVER:
            raise ConfigInvalid("cannot be read: no such file", where="file:/etc/x")
        return {}

    place.read = read
    found = place.play.begin([order(), order(2, "s000102-sv01")])
    assert found["r1"].state is JobState.REFUSED
    assert "cannot be read" in found["r1"].reason
    assert list(place.last.inventory.hosts) == ["s000102-sv01"]


def test_at_most_fifty_hosts_in_one_run() -> None:
    place = Place()
    place.play.collect([order(n, f"s{n:06d}-sv01") for n in range(100, 220)])
    assert [len(each.inventory.hosts) for each in place.runner.started] == [50, 50, 20]
    assert place.runner.recover() == ()  # every one was let go


def test_jobs_only_read_and_leave_hosts_under_change_for_later() -> None:
    busy = HostResult(host=SERVER, status=HostStatus.SKIPPED, message="held by rollout")
    place = Place({SERVER: busy})
    seen = place.play.begin([order()])["r1"]
    assert place.last.lease is LeaseMode.SHARED
    assert (seen.state, seen.done) == (JobState.REFUSED, {"end": "busy"})
    assert place.play.collect([order()])["r1"].state is JobState.UNREACHABLE


@pytest.mark.parametrize(
    "told_of",
    [None, "ended", {}, {"state": "ended"}, {"state": "ended", "report": {"format": 9}},
     {"state": "ended", "report": report("another")},
     {"state": "ended", "report": report(end="glorious")},
     {"state": "ended", "report": report(sets=[{"id": "x", "taken": "noon"}])},
     {"state": "ended", "report": report(sets=[{"id": "x", "taken": 1e300}])}],
)  # fmt: skip
def test_nonsense_never_becomes_a_set(told_of: object) -> None:
    place = Place(told({"r1": told_of}))
    seen = place.play.collect([order()])["r1"]
    ok = seen.state is JobState.UNREACHABLE or (
        seen.report is not None and seen.report.end is RunEnd.REJECTED
    )
    assert ok
    assert seen.report is None or seen.report.sets == ()


def test_a_clock_that_is_six_minutes_off_is_flagged() -> None:
    place = Place(told({"r1": {"state": "ended", "report": report()}}, NOW.timestamp() - 360))
    seen = place.play.collect([order()])["r1"]
    assert seen.report is not None
    assert skewed(seen.report)[0] == "the host's clock is 6 min behind"


def test_a_host_that_left_the_inventory_is_out_of_reach() -> None:
    seen = Place().play.collect([order(1, "gone-sv01")])["r1"]
    assert (seen.state, seen.reason) == (
        JobState.UNREACHABLE, "gone-sv01 is not in the inventory",
    )  # fmt: skip


def test_the_controller_itself_is_a_host_on_a_local_connection() -> None:
    place = Place()
    place.play.begin([order(1, "controller")])
    assert place.last.inventory.hosts["controller"] == {"ansible_connection": "local"}


def test_the_record_is_never_taken_as_somebody_else() -> None:
    """Also where an inventory has a host of that name, which plays become root on."""
    place = Place()
    estate = place.play.estate()
    hosts = {**estate.inventory.hosts, "controller": {"ansible_host": "192.0.2.9"}}
    named = replace(estate, inventory=replace(estate.inventory, hosts=hosts))
    play = replace(place.play, estate=lambda: named, own={"ansible_become": False})
    record = replace(order(1, "controller"), policy=policy(method=Method.LEDGER))
    play.begin([record, order(2, "controller")])
    own, other = (each.inventory.hosts["controller"] for each in place.runner.started)
    assert own == {"ansible_connection": "local", "ansible_become": False}
    assert other == {"ansible_host": "192.0.2.9"}
