# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever dies, nothing is lost that was known and nothing is claimed that was not."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.adapters.ansible import PlaybookRunner
from storewarden.domain.errors import Refused
from storewarden.ports.runner import HostStatus, PlaybookRun, RunOutcome, RunPhase
from tests.contract.runner_plays import (
    at_task,
    ended,
    go,
    held,
    inventory,
    play,
    playbook,
    processes_marked,
    quick,
    sleeping,
    supervisor_of,
    until,
)

_CONTROLLER = """
import os, signal, sys
from pathlib import Path
from storewarden.adapters.ansible import PlaybookRunner
from storewarden.ports.runner import FrozenInventory, PlaybookRun
host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
run = PlaybookRun(playbook=sys.argv[2], inventory=FrozenInventory(hosts={"pos1": host}), owner="me")
print(PlaybookRunner(Path(sys.argv[1])).start(run), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


# Ctrl-C comes a little later each time; a start that it missed is cancelled in the ordinary way.
_INTERRUPTED = """
import signal, sys
from pathlib import Path
from storewarden.adapters.ansible import PlaybookRunner
from storewarden.ports.runner import FrozenInventory, PlaybookRun
host = {"ansible_connection": "local"}
run = PlaybookRun(playbook=sys.argv[2], inventory=FrozenInventory(hosts={"pos1": host}))
runner = PlaybookRunner(Path(sys.argv[1]))
signal.signal(signal.SIGALRM, signal.default_int_handler)
for milliseconds in (1, 2, 3, 4, 5, 7, 9, 12):
    try:
        signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
        run_id = runner.start(run)
        signal.setitimer(signal.ITIMER_REAL, 0)
        runner.cancel(run_id)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[PlaybookRunner]:
    yield from ended(PlaybookRunner(tmp_path / "state"))


def _killed_controller(state: Path, book: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _CONTROLLER, str(state), book],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.strip()


def _hang(runner: PlaybookRunner, book: str, *names: str) -> str:
    run = PlaybookRun(playbook=book, inventory=inventory(*names), owner="night", label="wave 1")
    run_id = runner.start(run)
    at_task(runner, run_id, "wait")
    until(lambda: len(processes_marked(run_id)) >= 2)
    return run_id


def _kill_supervisor(run_id: str) -> None:
    pid = supervisor_of(run_id)
    os.kill(pid, signal.SIGKILL)


def _leader(state: Path, run_id: str) -> int:
    """ansible-playbook itself."""
    return int(json.loads((state / "runs" / run_id / "play.json").read_text())["pid"])


def _phase(runner: PlaybookRunner, run_id: str) -> RunPhase:
    return {run.run_id: run.phase for run in runner.recover()}[run_id]


def test_a_new_controller_adopts_the_live_run(runner: PlaybookRunner, tmp_path: Path) -> None:
    """Killed right after start: the run goes on, its events and result are there."""
    tasks = [{"ansible.builtin.command": held(tmp_path)}, {"sw_probe": {"echo": "late"}}]
    run_id = _killed_controller(tmp_path / "state", playbook(tmp_path, play(tasks)))
    assert _phase(runner, run_id) is RunPhase.LIVE
    go(tmp_path)
    kinds = [event.kind for event in runner.follow(run_id)]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    result = runner.result(run_id)
    assert result.outcome is RunOutcome.COMPLETED
    assert result.hosts["pos1"].status is HostStatus.CHANGED
    assert "probe" in result.hosts["pos1"].report


def test_a_new_controller_collects_the_result(runner: PlaybookRunner, tmp_path: Path) -> None:
    run_id = _killed_controller(tmp_path / "state", quick(tmp_path))
    until(lambda: _phase(runner, run_id) is not RunPhase.LIVE)
    [found] = runner.recover()
    assert (found.phase, found.owner) == (RunPhase.FINISHED, "me")
    assert runner.result(run_id).hosts["pos1"].status is HostStatus.OK


def test_without_a_supervisor_a_run_is_unknown_and_its_host_stays_leased(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    wait = {"name": "wait", "ansible.builtin.command": held(tmp_path)}
    run_id = _hang(runner, playbook(tmp_path, play([wait])), "pos1")
    _kill_supervisor(run_id)
    until(lambda: _phase(runner, run_id) is RunPhase.LOST)
    result = runner.result(run_id)
    assert result.outcome is RunOutcome.UNKNOWN
    assert result.hosts["pos1"].status is HostStatus.UNKNOWN
    assert "still runs" in result.error
    assert [event.kind for event in runner.follow(run_id)][-1] != "finished"
    with pytest.raises(Refused, match="still runs"):
        runner.release(run_id)
    run = PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1"))
    busy = runner.result(runner.start(run))
    assert busy.outcome is RunOutcome.ERROR
    assert busy.hosts["pos1"].message == "busy: leased by night (wave 1)"
    go(tmp_path)
    until(lambda: not processes_marked(run_id), what="the end of the play")
    assert runner.result(runner.start(run)).outcome is RunOutcome.COMPLETED
    assert runner.result(run_id).outcome is RunOutcome.UNKNOWN
    runner.release(run_id)
    assert run_id not in {found.run_id for found in runner.recover()}


def test_a_worker_alone_still_holds_the_lease(runner: PlaybookRunner, tmp_path: Path) -> None:
    """Supervisor and ansible-playbook killed: a forked worker or what it started goes on."""
    run_id = _hang(runner, sleeping(tmp_path, 300), "pos1")
    _kill_supervisor(run_id)
    leader = _leader(tmp_path / "state", run_id)
    os.kill(leader, signal.SIGKILL)
    until(lambda: leader not in processes_marked(run_id))
    assert processes_marked(run_id)
    run = PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1"))
    assert runner.result(runner.start(run)).error == "no host was free"


def test_a_local_process_without_the_lock_still_counts(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    """Modules do not inherit the lock; the record of the lease names their run."""
    tasks = [
        {"ansible.builtin.shell": "setsid sleep 1732.0508 >/dev/null 2>&1 &"},
        {"name": "wait", "ansible.builtin.command": "sleep 300"},
    ]
    run_id = _hang(runner, playbook(tmp_path, play(tasks)), "pos1")
    _kill_supervisor(run_id)
    [orphan] = [
        pid
        for pid in processes_marked(run_id)
        if b"1732.0508" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    while others := [pid for pid in processes_marked(run_id) if pid != orphan]:
        for pid in others:
            with contextlib.suppress(ProcessLookupError):  # one may fall with another
                os.kill(pid, signal.SIGKILL)
    run = PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1"))
    assert runner.result(runner.start(run)).error == "no host was free"
    runner.cancel(run_id)
    until(lambda: not processes_marked(run_id), what="the sweep")
    assert runner.result(runner.start(run)).outcome is RunOutcome.COMPLETED


def test_a_lost_run_can_be_cancelled_and_leaves_no_secrets(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    run_id = _hang(runner, sleeping(tmp_path), "pos1")
    _kill_supervisor(run_id)
    until(lambda: _phase(runner, run_id) is RunPhase.LOST)
    runner.cancel(run_id)
    until(lambda: not processes_marked(run_id), what="the sweep")
    result = runner.result(run_id)
    assert result.outcome is RunOutcome.UNKNOWN
    assert result.hosts["pos1"].status is HostStatus.UNKNOWN
    assert not (tmp_path / "state" / "runs" / run_id / "work").exists()


def test_a_supervisor_that_is_asked_to_end_cancels_its_run(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    run_id = _hang(runner, sleeping(tmp_path), "pos1")
    os.kill(supervisor_of(run_id), signal.SIGTERM)
    assert runner.result(run_id).outcome is RunOutcome.CANCELLED
    assert processes_marked(run_id) == []


def test_ansible_killed_in_the_middle_is_unknown(runner: PlaybookRunner, tmp_path: Path) -> None:
    run_id = _hang(runner, sleeping(tmp_path), "pos1")
    os.kill(_leader(tmp_path / "state", run_id), signal.SIGKILL)
    result = runner.result(run_id)
    assert result.outcome is RunOutcome.UNKNOWN
    assert "recap" in result.error
    assert result.hosts["pos1"].status is HostStatus.UNKNOWN
    assert processes_marked(run_id) == []


def test_a_follower_gets_the_last_word(runner: PlaybookRunner, tmp_path: Path) -> None:
    """There is a moment at which the result is there and the last line is not yet."""
    run_id = runner.start(PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1")))
    list(runner.follow(run_id))
    directory = tmp_path / "state" / "runs" / run_id
    log = directory / "events.jsonl"
    *lines, last = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines))
    with (directory / "supervisor.lock").open() as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        events = runner.follow(run_id)
        assert [next(events).kind for _ in range(3)] == ["started", "play", "task"]
        writer = threading.Timer(0.5, lambda: log.write_bytes(b"".join([*lines, last])))
        writer.start()
        assert [event.kind for event in events][-1] == "finished"
        writer.join()


def test_ctrl_c_while_starting_leaves_nothing_running(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    """Whenever it comes: nothing was started, or what was started is told to stop."""
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, str(tmp_path / "state"), sleeping(tmp_path, 60)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "interrupted" in done.stdout, done.stderr
    for found in runner.recover():
        assert runner.result(found.run_id).outcome is not RunOutcome.COMPLETED
        assert processes_marked(found.run_id) == []
        assert not (tmp_path / "state" / "runs" / found.run_id / "work").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount needs root")
def test_a_release_that_died_half_way_leaves_no_lost_run(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    """What is deleted first is what makes it a run."""
    run_id = runner.start(PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1")))
    runner.result(run_id)
    directory = tmp_path / "state" / "runs" / run_id
    stuck = directory / "stuck"
    stuck.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(stuck)], check=True)
    try:
        runner.release(run_id)
        assert directory.exists()
        assert runner.recover() == ()
    finally:
        subprocess.run(["umount", str(stuck)], check=True)
