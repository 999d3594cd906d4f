# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that were announced: their hosts are leased and connected, and nothing stays of those that
do not come. ssh is a program of the test, which says that it was started and stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storewarden.adapters.ansible import PlaybookRunner
from storewarden.ports.runner import FrozenInventory, HostStatus, PlaybookRun, RunOutcome
from tests.contract.runner_plays import (
    ended,
    go,
    held,
    inventory,
    play,
    playbook,
    processes,
    quick,
    sleeping,
    until,
    warmed,
)

pytestmark = pytest.mark.slow

_SSH = """#!/bin/sh
echo "$STOREWARDEN_RUN" >> {folder}/connected
exec sleep 300.{number}
"""

_CONTROLLER = """
import os, signal, sys, time
from pathlib import Path
from storewarden.adapters.ansible import PlaybookRunner
from storewarden.ports.runner import FrozenInventory, PlaybookRun
host = {"ansible_host": "192.0.2.1", "ansible_ssh_executable": sys.argv[2] + "/ssh"}
run = PlaybookRun(
    playbook=sys.argv[3], inventory=FrozenInventory(hosts={"pos1": host}), connect_ahead=True
)
runner = PlaybookRunner(Path(sys.argv[1]))
runner.keep_warm()
while runner.warm_pid is None:
    time.sleep(0.05)
runner.announce(run)
for _ in range(1000):
    if Path(sys.argv[2], "connected").exists():
        break
    time.sleep(0.02)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaybookRunner]:
    runner = PlaybookRunner(tmp_path_factory.mktemp("announced") / "state")
    yield warmed(runner)
    runner.close()


@pytest.fixture
def runner(kept: PlaybookRunner) -> Iterator[PlaybookRunner]:
    yield from ended(kept)


def _stays(folder: Path) -> str:
    """The last word of the command line of this test's ssh."""
    return f"300.{os.getpid()}{abs(hash(str(folder))) % 10**6}"


def _far(folder: Path, *names: str, label: str = "far") -> PlaybookRun:
    """A run of hosts that are reached by the test's own ssh."""
    program = folder / "ssh"
    program.write_text(_SSH.format(folder=folder, number=_stays(folder).removeprefix("300.")))
    program.chmod(0o755)
    host = {"ansible_host": "192.0.2.1", "ansible_ssh_executable": str(program)}
    hosts = FrozenInventory(hosts=dict.fromkeys(names or ("pos1",), host), source="test")
    return PlaybookRun(
        playbook=quick(folder), inventory=hosts, owner="repair", label=label, connect_ahead=True
    )


def _connected(folder: Path) -> list[str]:
    """The ids of the runs for which ssh was started."""
    path = folder / "connected"
    return path.read_text().split() if path.exists() else []


def _near(folder: Path, *names: str) -> PlaybookRun:
    return PlaybookRun(playbook=quick(folder), inventory=inventory(*names or ("pos1",)))


def test_a_run_that_does_not_come_gives_everything_back(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    runner.announce(_far(tmp_path))
    until(lambda: _connected(tmp_path), what="a connection")
    [run_id] = _connected(tmp_path)
    assert Path(f"/tmp/sw-{run_id[:18]}").is_dir()
    until(lambda: not processes(_stays(tmp_path)), what="the end of the connection")
    until(lambda: not Path(f"/tmp/sw-{run_id[:18]}").exists(), what="the end of its directory")
    assert runner.recover() == ()
    result = runner.result(runner.start(_near(tmp_path)))
    assert result.hosts["pos1"].status is HostStatus.OK


def test_another_run_of_the_host_takes_its_place(runner: PlaybookRunner, tmp_path: Path) -> None:
    """What was announced has the host's lease, and lets go of it for whoever really begins."""
    runner.announce(_far(tmp_path))
    until(lambda: _connected(tmp_path), what="a connection")
    result = runner.result(runner.start(_near(tmp_path)))
    assert result.outcome is RunOutcome.COMPLETED
    assert result.hosts["pos1"].status is HostStatus.OK, result
    assert not processes(_stays(tmp_path))


def test_a_run_that_became_another_one_is_begun_as_that(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    """One host is left out meanwhile: it is not leased, and the others are."""
    both = replace(_far(tmp_path, "pos1", "pos2"), playbook=sleeping(tmp_path))
    runner.announce(both)
    until(lambda: len(_connected(tmp_path)) == 2, what="two connections")
    task = {"name": "wait", "ansible.builtin.command": held(tmp_path)}
    left = replace(both, playbook=playbook(tmp_path, play([task])), inventory=inventory("pos1"))
    run_id = runner.start(left)
    assert run_id not in _connected(tmp_path)
    other = runner.result(runner.start(_near(tmp_path, "pos2")))
    assert other.hosts["pos2"].status is HostStatus.OK, other
    go(tmp_path)
    assert runner.result(run_id).hosts["pos1"].status is HostStatus.CHANGED


def test_a_host_that_somebody_has_is_not_connected(runner: PlaybookRunner, tmp_path: Path) -> None:
    task = {"name": "wait", "ansible.builtin.command": held(tmp_path)}
    book = playbook(tmp_path, play([task]))
    run_id = runner.start(PlaybookRun(playbook=book, inventory=inventory("pos1"), owner="night"))
    until(lambda: (tmp_path / "go").exists() or _leased(runner, run_id), what="a lease")
    runner.announce(_far(tmp_path, "pos1", "pos2"))
    until(lambda: _connected(tmp_path), what="a connection")
    until(lambda: not processes(_stays(tmp_path)), what="the end of what was announced")
    assert len(_connected(tmp_path)) == 1  # the other host
    go(tmp_path)
    assert runner.result(run_id).hosts["pos1"].status is HostStatus.CHANGED


def _leased(runner: PlaybookRunner, run_id: str) -> bool:
    return any(event.kind == "task" for event in runner.follow(run_id))


def test_what_was_announced_ends_with_its_controller(tmp_path: Path) -> None:
    book = _far(tmp_path).playbook
    subprocess.run(
        [sys.executable, "-c", _CONTROLLER, str(tmp_path / "state"), str(tmp_path), book],
        check=False,
    )
    assert _connected(tmp_path)
    until(lambda: not processes(_stays(tmp_path)), what="the end of the connection")
    result_of = PlaybookRunner(tmp_path / "state")
    for runner in ended(result_of):
        result = runner.result(runner.start(_near(tmp_path)))
        assert result.hosts["pos1"].status is HostStatus.OK


def test_one_that_died_is_no_obstacle(runner: PlaybookRunner, tmp_path: Path) -> None:
    """Its connection is ended with it, and the run is begun by another process."""
    far = _far(tmp_path)
    runner.announce(far)
    until(lambda: _connected(tmp_path), what="a connection")
    [ssh] = processes(_stays(tmp_path))
    os.kill(_parent(ssh), signal.SIGKILL)
    result = runner.result(runner.start(replace(far, inventory=inventory("pos1"))))
    assert result.hosts["pos1"].status is HostStatus.OK, result
    assert not processes(_stays(tmp_path))


def test_one_that_hangs_does_not_keep_its_lease(runner: PlaybookRunner, tmp_path: Path) -> None:
    runner.announce(_far(tmp_path))
    until(lambda: _connected(tmp_path), what="a connection")
    [ssh] = processes(_stays(tmp_path))
    os.kill(_parent(ssh), signal.SIGSTOP)
    result = runner.result(runner.start(_near(tmp_path)))
    assert result.hosts["pos1"].status is HostStatus.OK, result
    assert not processes(_stays(tmp_path))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
