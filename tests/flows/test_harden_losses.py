# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that hosts did is lost: a killed controller, a full disk, Ctrl-C, a service away."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.baseline.harden import GroupOutcome, HostState
from storewarden.domain.change.commands import Note
from storewarden.domain.errors import AdapterError
from storewarden.flows.harden import start
from storewarden.flows.harden_collect import OWNER
from storewarden.flows.harden_journal import Beginning, HardenJournal
from storewarden.flows.harden_progress import Step
from storewarden.flows.harden_ready import FIX, HardenParts
from storewarden.ports.harden import Deed
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.runner import HostResult, HostStatus, LeaseMode, PlaybookRun
from storewarden.testing.ledger import MemoryLedger
from storewarden.testing.runner import FakeRunner, Scripted
from tests.flows.desk_place import ASKER
from tests.flows.harden_place import HardenPlace


def abandoned(place: HardenPlace, number: str, *, held: bool = False) -> str:
    """A controller began to fix both tills and was killed; the id of the run that it left."""
    journal = HardenJournal(place.ledger)
    session = journal.begin(
        Beginning(
            change=number, deed=Deed.FIX, by="op.one", at=place.clock.now(),
            hosts=("pos01", "pos02"), before="", wanted={},
        )
    )  # fmt: skip
    inventory = place.inventory.resolve(["inventory"])
    hosts = {
        name: {**inventory.hosts[name], "baseline_fix_controls": ["B02"]}
        for name in ("pos01", "pos02")
    }
    run = PlaybookRun(
        playbook=FIX,
        inventory=replace(inventory.only(("pos01", "pos02")), hosts=hosts),
        variables={"baseline_fix_change": number},
        lease=LeaseMode.EXCLUSIVE,
        owner=OWNER,
        label=f"{session.name} 1/1",
    )
    return place.runner.start(run)


def test_the_next_start_collects_what_a_killed_controller_left() -> None:
    place = HardenPlace()
    number = place.change().number
    run = abandoned(place, number)
    report = place.start(number)
    first, second = place.status(number).sessions
    assert first.outcome == "interrupted"
    assert [host.groups[-1].outcome for host in first.hosts] == [GroupOutcome.FIXED] * 2
    assert run in place.runner.released
    # what was fixed already is not fixed again: only sysctl was left
    assert [group.group for group in second.hosts[0].groups] == ["sysctl"]
    assert report.conclusion.good
    assert any("cut off" in each.message for each in place.shown)
    assert any("was cut off" in note for note in place.notes(number))


def test_a_run_that_still_lives_is_waited_for_and_adopted() -> None:
    place = HardenPlace()
    number = place.change().number
    held = FakeRunner(lambda run: replace(place.fleet.script(run), held=run.playbook == FIX))
    place.runner = held
    run = abandoned(place, number)
    timer = threading.Timer(0.2, held.finish, [run])
    timer.start()
    place.fleet.failing = {name: set() for name in place.fleet.failing}
    report = place.start(number)
    timer.join()
    assert any("waiting for 2 hosts" in each.message for each in place.shown)
    (tale,) = place.status(number).sessions
    assert [group.outcome for group in tale.hosts[0].groups] == [GroupOutcome.FIXED]
    assert report.session == ""


def test_a_session_without_runs_is_closed_and_its_hosts_are_unknown() -> None:
    place = HardenPlace()
    number = place.change().number
    HardenJournal(place.ledger).begin(
        Beginning(
            change=number, deed=Deed.FIX, by="op.one", at=place.clock.now(),
            hosts=("pos01",), before="", wanted={},
        )
    )  # fmt: skip
    place.start(number)
    tale = place.status(number).sessions[0]
    assert (tale.outcome, tale.hosts[0].state) == ("interrupted", HostState.UNKNOWN)


def test_runs_of_another_ledger_are_left_alone() -> None:
    place = HardenPlace()
    number = place.change().number
    inventory = place.inventory.resolve(["inventory"]).only(("srv01",))
    hosts = {"srv01": {**inventory.hosts["srv01"], "baseline_fix_controls": ["B02"]}}
    stranger = PlaybookRun(
        playbook=FIX, inventory=replace(inventory, hosts=hosts), owner=OWNER,
        label="GMBG-20200101-001.7 1/1",
    )  # fmt: skip
    run = place.runner.start(stranger)
    place.start(number)
    assert run not in place.runner.released


class FullDisk(MemoryLedger):
    """Takes no hosts of a hardening while ``full``."""

    full = True

    def append(self, kind: str, body: Mapping[str, object], *, run: str, step: str) -> JournalEntry:
        if self.full and kind == "harden host":
            raise AdapterError("no space left on the device", where="ledger")
        return super().append(kind, body, run=run, step=step)


def test_a_full_disk_loses_no_result() -> None:
    place = HardenPlace()
    place.ledger = FullDisk(place.clock)
    place.index.__init__(place.ledger.changes, place.ledger)  # type: ignore[misc]
    number = place.change().number
    report = place.start(number)
    assert report.conclusion.good  # the hosts are fixed, and the report says so
    assert any(trouble.startswith("not recorded") for trouble in report.troubles)
    assert len(place.runner.recover()) == 2  # their files are the second copy
    place.ledger.full = False
    place.start(number)
    (tale,) = place.status(number).sessions
    assert [host.groups[-1].outcome for host in tale.hosts] == [GroupOutcome.FIXED] * 2
    assert place.runner.recover() == ()


def test_ctrl_c_ends_hosts_under_way_and_begins_no_other() -> None:
    place = HardenPlace()
    number = place.change().number
    stop = threading.Event()
    scripts: list[str] = []

    def script(run: PlaybookRun) -> Scripted:
        scripts.append(run.playbook)
        place.clock.advance(timedelta(seconds=1))
        if run.playbook == FIX:
            stop.set()  # pressed while the first shard runs
        return place.fleet.script(run)

    place.runner = FakeRunner(script)
    place.stop = None
    parts, request = place.harden_parts(), place.request(number)
    request = replace(request, audit=replace(request.audit, shard_size=1, at_once=1))
    audit = replace(parts.audit, interruption=Interrupted(stop, scripts))
    report = start(replace(parts, audit=audit), request, place.shown.append)
    assert report.interrupted
    assert [host.state for host in report.hosts] == [HostState.ANSWERED, HostState.SKIPPED]
    assert place.fleet.failing["pos01"] == set()
    assert place.fleet.failing["pos02"] == {"B02", "C01"}
    assert any(
        each.step is Step.WARNING and "no other begins" in each.message for each in place.shown
    )
    (tale,) = place.status(number).sessions
    assert tale.outcome == "interrupted"


class Interrupted:
    """An interruption whose event is pressed only while hosts are being fixed."""

    def __init__(self, stop: threading.Event, scripts: list[str]) -> None:
        self._stop = stop
        self._scripts = scripts
        self._spans = 0

    def __call__(self) -> Interrupted:
        self._spans += 1
        return self

    def __enter__(self) -> threading.Event:
        """The first span is the audit's."""
        return threading.Event() if self._spans == 1 else self._stop

    def __exit__(self, *_error: object) -> None:
        """Nothing to put back."""


class Away:
    """A desk whose service goes away once the change has been started."""

    def __init__(self, place: HardenPlace) -> None:
        self._desk = place.desk(ASKER)
        self.person = ASKER

    def change(self, number: str):  # type: ignore[no-untyped-def]
        return self._desk.change(number)

    def act(self, number: str, key: str, command: object):  # type: ignore[no-untyped-def]
        if isinstance(command, Note):
            raise AdapterError("no service answers", where="http://127.0.0.1")
        return self._desk.act(number, key, command)  # type: ignore[arg-type]

    def attach(self, _number: str, _key: str, _document: object):  # type: ignore[no-untyped-def]
        raise AdapterError("no service answers", where="http://127.0.0.1")


def test_a_service_that_goes_away_is_a_line_in_the_report() -> None:
    place = HardenPlace()
    number = place.change().number
    parts: HardenParts = replace(place.harden_parts(), desk=Away(place))
    report = start(parts, place.request(number, finish=True))
    assert [trouble.split(":")[0] for trouble in report.troubles] == [
        "the change was not told (evidence)",
        "the change was not told (note)",
    ]
    assert report.conclusion.good
    assert report.outcome == ""  # nobody closes a change that could not be told
    assert place.status(number).sessions[0].outcome == "completed"


@pytest.mark.parametrize(
    "answer",
    [
        {"harden": {"ssh": {"outcome": "hurra"}}},
        {"harden": {"ssh": "x"}},
        {"harden": {"ssh": {"outcome": "fixed", "controls": "x", "reason": 7, "ms": "y"}}},
        {"harden": []},
        {"harden": {}},
        {},
    ],
)
def test_what_makes_no_sense_is_never_taken_for_fixed(answer: dict[str, object]) -> None:
    place = HardenPlace()
    number = place.change().number

    def script(run: PlaybookRun) -> Scripted:
        place.clock.advance(timedelta(seconds=1))
        if run.playbook != FIX:
            return place.fleet.script(run)
        said = HostResult(host="", status=HostStatus.OK, report=answer)
        return Scripted(hosts=dict.fromkeys(run.inventory.hosts, said))

    place.runner = FakeRunner(script)
    report = place.start(number, finish=True)
    assert report.conclusion.well == ()
    assert report.outcome == ""
