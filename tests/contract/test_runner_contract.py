# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Runner keeps, the real one and the public fake alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from storewarden.adapters.ansible import PlaybookRunner
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.runner import (
    FrozenInventory,
    HostStatus,
    LeaseMode,
    PlaybookRun,
    Runner,
    RunOutcome,
    RunPhase,
)
from storewarden.testing.runner import FakeRunner, Scripted
from tests.contract.runner_plays import ended, inventory, quick, sleeping, until, warmed

_NO_SUCH = "11111111-1111-4111-8111-111111111111"


@dataclass
class Rig:
    """A runner, a playbook that ends at once and one that does not end by itself."""

    runner: Runner
    quick: str
    held: str

    def start(
        self, playbook: str, *names: str, lease: LeaseMode = LeaseMode.EXCLUSIVE, label: str = ""
    ) -> str:
        """Start on this machine under those names."""
        return self.runner.start(
            PlaybookRun(
                playbook=playbook,
                inventory=inventory(*names),
                lease=lease,
                owner="night-audit",
                label=label,
            )
        )

    def hold(self, *names: str, lease: LeaseMode = LeaseMode.EXCLUSIVE, label: str = "") -> str:
        """Start something that stays, and wait until it holds its hosts."""
        run_id = self.start(self.held, *names, lease=lease, label=label)
        events = self.runner.follow(run_id)
        next(events)
        if isinstance(self.runner, PlaybookRunner):
            until(lambda: next(events).kind == "task")
        return run_id


def _real(folder: Path) -> Iterator[Rig]:
    for runner in ended(PlaybookRunner(folder / "state")):
        yield Rig(runner, quick(folder), sleeping(folder))


def _warm(folder: Path) -> Iterator[Rig]:
    real = PlaybookRunner(folder / "state")
    for runner in ended(warmed(real)):
        yield Rig(runner, quick(folder), sleeping(folder))
    real.close()


def _fake(_folder: Path) -> Iterator[Rig]:
    yield Rig(FakeRunner(lambda run: Scripted(held=run.playbook == "held")), "quick", "held")


@pytest.fixture(
    params=[_fake, _real, pytest.param(_warm, marks=pytest.mark.full)],
    ids=["fake", "ansible", "warm"],
)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    make: Callable[[Path], Iterator[Rig]] = request.param
    yield from make(tmp_path)


def test_every_planned_host_comes_out(rig: Rig) -> None:
    run_id = rig.start(rig.quick, "pos1", "pos2")
    kinds = [event.kind for event in rig.runner.follow(run_id)]
    result = rig.runner.result(run_id)
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert kinds.count("host_ok") == 2
    assert result.outcome is RunOutcome.COMPLETED
    assert {name: host.status for name, host in result.hosts.items()} == {
        "pos1": HostStatus.OK,
        "pos2": HostStatus.OK,
    }
    assert result.started is not None
    assert result.ended is not None
    assert result.started <= result.ended


def test_an_empty_inventory_is_refused(rig: Rig) -> None:
    with pytest.raises(Refused, match="no hosts"):
        rig.runner.start(PlaybookRun(playbook=rig.quick, inventory=FrozenInventory(hosts={})))
    assert rig.runner.recover() == ()


def test_an_unknown_run_is_named(rig: Rig) -> None:
    for ask in (rig.runner.result, rig.runner.cancel, rig.runner.release):
        with pytest.raises(ConfigInvalid, match="no such run"):
            ask(_NO_SUCH)


def test_a_run_is_found_until_it_is_released(rig: Rig) -> None:
    run_id = rig.start(rig.quick, "pos1", label="preflight")
    rig.runner.result(run_id)
    [found] = rig.runner.recover()
    assert (found.run_id, found.phase) == (run_id, RunPhase.FINISHED)
    assert (found.owner, found.label, found.hosts) == ("night-audit", "preflight", ("pos1",))
    rig.runner.release(run_id)
    assert rig.runner.recover() == ()
    with pytest.raises(ConfigInvalid):
        rig.runner.result(run_id)


def test_a_live_run_is_not_released_and_can_be_cancelled(rig: Rig) -> None:
    run_id = rig.hold("pos1", "pos2")
    assert [run.phase for run in rig.runner.recover()] == [RunPhase.LIVE]
    with pytest.raises(Refused, match="live"):
        rig.runner.release(run_id)
    rig.runner.cancel(run_id)
    result = rig.runner.result(run_id)
    assert result.outcome is RunOutcome.CANCELLED
    assert set(result.hosts) == {"pos1", "pos2"}
    assert not {host.status for host in result.hosts.values()} & {
        HostStatus.OK,
        HostStatus.CHANGED,
    }
    rig.runner.release(run_id)


def test_a_leased_host_is_left_out_and_says_who_has_it(rig: Rig) -> None:
    held = rig.hold("pos1", label="patch wave 2")
    result = rig.runner.result(rig.start(rig.quick, "pos1", "pos2"))
    assert result.outcome is RunOutcome.COMPLETED
    assert result.hosts["pos2"].status is HostStatus.OK
    assert result.hosts["pos1"].status is HostStatus.SKIPPED
    assert result.hosts["pos1"].message == "busy: leased by night-audit (patch wave 2)"
    rig.runner.cancel(held)


def test_no_free_host_is_no_success(rig: Rig) -> None:
    held = rig.hold("pos1")
    result = rig.runner.result(rig.start(rig.quick, "pos1"))
    assert (result.outcome, result.error) == (RunOutcome.ERROR, "no host was free")
    assert result.hosts["pos1"].status is HostStatus.SKIPPED
    rig.runner.cancel(held)
    rig.runner.result(held)
    again = rig.runner.result(rig.start(rig.quick, "pos1"))
    assert again.outcome is RunOutcome.COMPLETED


def test_readers_share_a_host_and_a_change_does_not(rig: Rig) -> None:
    held = rig.hold("pos1", lease=LeaseMode.SHARED)
    reader = rig.runner.result(rig.start(rig.quick, "pos1", lease=LeaseMode.SHARED))
    change = rig.runner.result(rig.start(rig.quick, "pos1"))
    assert reader.outcome is RunOutcome.COMPLETED
    assert change.outcome is RunOutcome.ERROR
    rig.runner.cancel(held)
