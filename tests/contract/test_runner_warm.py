# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are forked from a warm process are the runs that they would have been anyway."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from storewarden.adapters.ansible import PlaybookRunner
from storewarden.adapters.ansible.processes import MARKER
from storewarden.adapters.ansible.rundir import RunDir
from storewarden.adapters.ansible.shown import NOBODY
from storewarden.ports.runner import HostStatus, PlaybookRun, RunOutcome, RunPhase
from tests.contract.runner_plays import (
    at_task,
    ended,
    go,
    held,
    inventory,
    play,
    playbook,
    processes,
    processes_marked,
    quick,
    sleeping,
    supervisor_of,
    until,
    warmed,
)

pytestmark = pytest.mark.slow

_CONTROLLER = """
import os, signal, sys, time
from pathlib import Path
from storewarden.adapters.ansible import PlaybookRunner
from storewarden.ports.runner import FrozenInventory, PlaybookRun
host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
run = PlaybookRun(playbook=sys.argv[2], inventory=FrozenInventory(hosts={"pos1": host}), owner="me")
runner = PlaybookRunner(Path(sys.argv[1]))
runner.keep_warm()
while runner.warm_pid is None:
    time.sleep(0.05)
print(runner.warm_pid, runner.start(run), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

_SUPERVISOR = """
import os, sys, time
from pathlib import Path
from storewarden.adapters.ansible import environment, preloaded, supervisor
from storewarden.adapters.ansible.play import places_of, shared_environment
from storewarden.adapters.ansible.rundir import Request, RunDir
from storewarden.adapters.ansible.warm_play import WarmPlay
request = Request(
    run_id=sys.argv[2], playbook=sys.argv[3], hosts=("pos1",), exclusive=True, owner="me",
    label="", started=time.time(), timeout=60, forks=1, check_mode=False,
    bin_dir=str(environment.bin_directory()),
)
run = RunDir(Path(sys.argv[1]) / "runs" / request.run_id)
(run.work / "env").mkdir(parents=True)  # nobody but ansible-runner's configuration makes it
(run.state / "leases").mkdir()
run.inventory.write_text("all: {hosts: {pos1: {ansible_connection: local}}}")
run.variables.write_text("{}")
run.write_request(request)
os.environ.update(shared_environment(places_of(request)))
preloaded.load()
supervisor.supervise(run, lambda run, request: WarmPlay(run, request, frozenset()))
"""

# What no two runs have alike.
_OWN = dict.fromkeys(
    ("STOREWARDEN_RUN", "STOREWARDEN_EVENTS", "STOREWARDEN_PLAN", "ANSIBLE_LOCAL_TEMP"), ""
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaybookRunner]:
    runner = PlaybookRunner(tmp_path_factory.mktemp("warm") / "state")
    yield warmed(runner)
    runner.close()


@pytest.fixture
def warm(kept: PlaybookRunner) -> Iterator[PlaybookRunner]:
    """The same one for all tests that leave it alive."""
    yield from ended(kept)


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[PlaybookRunner]:
    runner = PlaybookRunner(tmp_path / "state")
    yield from ended(warmed(runner))
    runner.close()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _waiting(pid: int) -> list[int]:
    """The child that waits for a run, once it has forked the run's play."""
    until(lambda: any(_children(each) for each in _children(pid)), what="a child that waits")
    return _children(pid)


def _is_warm(runner: PlaybookRunner, run_id: str) -> bool:
    """Whether the run's supervisor is a child of the warm process."""
    return _parent(supervisor_of(run_id)) == runner.warm_pid


def _hold(runner: PlaybookRunner, folder: Path, *names: str) -> str:
    """A run that is in the middle of a task until ``go``."""
    task = {"name": "wait", "ansible.builtin.command": held(folder)}
    book = playbook(folder, play([task, {"sw_probe": {"echo": "late", "env": True}}]))
    run_id = runner.start(PlaybookRun(playbook=book, inventory=inventory(*names), owner="night"))
    at_task(runner, run_id, "wait")
    until(lambda: len(processes_marked(run_id)) >= 3)  # the play, its worker, the command
    return run_id


def _shape(state: Path, run_id: str) -> dict[str, dict[str, Any]]:
    """What can be seen of a run from outside while it is in a task, without its numbers."""
    leader = int(json.loads((state / "runs" / run_id / "play.json").read_text())["pid"])
    told = {}
    for name, pid in (("supervisor", supervisor_of(run_id)), ("play", leader)):
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        files = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
        told[name] = {
            "words": [_plain(word, run_id) for word in _words(pid)],
            "directory": _plain(str(Path(f"/proc/{pid}/cwd").readlink()), run_id),
            "session": os.getsid(pid) == pid,
            "umask": status["Umask"],
            "ignored": int(status["SigIgn"], 16) & 0b1111 | int(status["SigBlk"], 16) << 64,
            "files": sorted(_plain(each, run_id) for each in files),
        }
    return told


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
    except OSError:
        return []


def _plain(text: str, run_id: str) -> str:
    """Without what is another number each time: pipes, terminals, files without a name, the run."""
    if text.startswith(("/dev/pts/", "/dev/ptmx")):
        return "terminal"
    text = text.partition(":[")[0].replace(run_id, "RUN").replace(run_id[:18], "RUN")
    return re.sub(r"/#\d+ ", "/# ", text)


def test_a_warm_run_looks_like_a_cold_one(doomed: PlaybookRunner, tmp_path: Path) -> None:
    """Names, sessions, directories, umask, signals, open files, environment: all the same."""
    shapes, environments = [], []
    for runner in (doomed, PlaybookRunner(tmp_path / "state")):
        run_id = _hold(runner, tmp_path, "pos1")
        shapes.append(_shape(tmp_path / "state", run_id))
        go(tmp_path)
        [host] = runner.result(run_id).hosts.values()
        probe = cast("Mapping[str, object]", host.report["probe"])
        found = cast("Mapping[str, str]", probe["env"])
        environments.append({name: text.replace(run_id[:18], "R") for name, text in found.items()})
        (tmp_path / "go").unlink()
    assert shapes[0]["play"] == shapes[1]["play"]
    for shape in shapes:  # a cold one has files of ansible-runner besides
        shape["supervisor"]["files"] = [
            each for each in shape["supervisor"]["files"] if "supervisor." in each
        ]
    assert shapes[0]["supervisor"] == shapes[1]["supervisor"]
    assert {**environments[0], **_OWN} == {**environments[1], **_OWN}


def test_many_runs_at_once_never_mix(warm: PlaybookRunner, tmp_path: Path) -> None:
    book = playbook(tmp_path, play([{"sw_probe": {"echo": "{{ inventory_hostname }} {{ wave }}"}}]))

    def one(number: int) -> tuple[str, object]:
        run_id = warm.start(
            PlaybookRun(
                playbook=book, inventory=inventory(f"pos{number}"), variables={"wave": number}
            )
        )
        [host] = warm.result(run_id).hosts.values()
        return host.host, cast("Mapping[str, object]", host.report["probe"])["echo"]

    with ThreadPoolExecutor(4) as threads:
        found = dict(threads.map(one, range(4)))
    assert found == {f"pos{n}": f"pos{n} {n}" for n in range(4)}


# A plugin of the site's: it spoils what a later run would use, were it in the same process.
_SPOILER = """
import os, sys
from ansible.plugins.action import ActionBase
from ansible import constants as C
import ansible.plugins.action.normal as normal

def broken(*args, **kwargs):
    raise RuntimeError("spoiled")

class ActionModule(ActionBase):
    BYPASS_HOST_LOOP = True
    def run(self, tmp=None, task_vars=None):
        os.kill(os.getppid(), 9)
"""
_CALLBACK = """
from ansible.plugins.callback import CallbackBase
from ansible import constants as C
import ansible.plugins.strategy.linear, os

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "spoiler"
    def v2_playbook_on_start(self, playbook):
        C.DEFAULT_FORKS = "spoiled"
        C.config.get_config_value = None
        ansible.plugins.strategy.linear.StrategyModule.run = None
        os.environ["PATH"] = "/nowhere"
"""


def test_what_one_run_spoils_or_breaks_no_other_run_feels(
    warm: PlaybookRunner, tmp_path: Path
) -> None:
    evil = tmp_path / "evil"
    for folder, text in (("action_plugins", _SPOILER), ("callback_plugins", _CALLBACK)):
        (evil / folder).mkdir(parents=True)
        (evil / folder / "spoil.py").write_text(text)
    book = playbook(evil, play([{"name": "spoil", "spoil": {}}]))
    pid = warm.warm_pid
    spoiled = warm.result(warm.start(PlaybookRun(playbook=book, inventory=inventory("a"))))
    assert spoiled.outcome is not RunOutcome.COMPLETED
    good = warm.result(warm.start(PlaybookRun(playbook=quick(tmp_path), inventory=inventory("a"))))
    assert good.outcome is RunOutcome.COMPLETED, good
    assert good.hosts["a"].status is HostStatus.OK
    assert warm.warm_pid == pid


def test_a_run_outlives_its_controller_and_the_warm_process_does_not(tmp_path: Path) -> None:
    task = {"name": "wait", "ansible.builtin.command": held(tmp_path)}
    book = playbook(tmp_path, play([task]))
    done = subprocess.run(
        [sys.executable, "-c", _CONTROLLER, str(tmp_path / "state"), book],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    pid, run_id = done.stdout.split()
    until(lambda: not Path(f"/proc/{pid}").exists(), what="the end of the warm process")
    for runner in ended(PlaybookRunner(tmp_path / "state")):
        assert [found.phase for found in runner.recover()] == [RunPhase.LIVE]
        go(tmp_path)
        result = runner.result(run_id)
        assert result.outcome is RunOutcome.COMPLETED
        assert result.hosts["pos1"].status is HostStatus.CHANGED


def test_a_stale_warm_process_starts_nothing_more(tmp_path: Path) -> None:
    """A folder in which Ansible looks for plugins has changed: what was found there may be old."""
    home = tmp_path / "home"
    home.mkdir()
    stale = PlaybookRunner(tmp_path / "other")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSIBLE_HOME", str(home))
        pid = warmed(stale).warm_pid
        (home / "plugins" / "action").mkdir(parents=True)
        for runner in ended(stale):
            run_id = _hold(runner, tmp_path, "pos1")
            assert _parent(supervisor_of(run_id)) != pid
            until(lambda: not Path(f"/proc/{pid}").exists(), what="the end of the warm process")
            go(tmp_path)
            assert runner.result(run_id).outcome is RunOutcome.COMPLETED
    stale.close()


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.full)]
)
def test_without_the_warm_process_a_run_starts_cold(
    doomed: PlaybookRunner, tmp_path: Path, number: signal.Signals
) -> None:
    """Killed, or hanging: the run is started once, and comes to the same end."""
    pid = doomed.warm_pid
    assert pid is not None
    os.kill(pid, number)
    run_id = _hold(doomed, tmp_path, "pos1")
    # One that hangs would keep the lock of a run that it was asked to take.
    until(lambda: not Path(f"/proc/{pid}").exists(), what="the end of the warm process")
    assert len(processes(f"supervisor\0{tmp_path}/state/runs/{run_id}")) == 1
    go(tmp_path)
    result = doomed.result(run_id)
    assert result.outcome is RunOutcome.COMPLETED
    [found] = doomed.recover()
    assert (found.run_id, found.phase) == (run_id, RunPhase.FINISHED)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.full)]
)
def test_without_the_child_that_waits_a_run_starts_cold(
    doomed: PlaybookRunner, tmp_path: Path, number: signal.Signals
) -> None:
    """Nobody but the run's own supervisor holds its lock; else it would never be over."""
    pid = doomed.warm_pid
    assert pid is not None
    [child] = _waiting(pid)
    os.kill(child, number)
    run_id = _hold(doomed, tmp_path, "pos1")
    until(lambda: not Path(f"/proc/{child}").exists(), what="the end of the child")
    go(tmp_path)
    assert doomed.result(run_id).outcome is RunOutcome.COMPLETED
    [found] = doomed.recover()
    assert (found.run_id, found.phase) == (run_id, RunPhase.FINISHED)


@pytest.mark.full
def test_other_settings_than_the_warm_ones_are_honoured(
    warm: PlaybookRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site's ansible.cfg is another one by now: the play reads it."""
    config = tmp_path / "ansible.cfg"
    config.write_text("[defaults]\nforce_handlers = true\n")
    monkeypatch.setenv("ANSIBLE_CONFIG", str(config))
    book = playbook(
        tmp_path, play([{"sw_probe": {"echo": "{{ lookup('config', 'DEFAULT_FORCE_HANDLERS') }}"}}])
    )
    result = warm.result(warm.start(PlaybookRun(playbook=book, inventory=inventory("pos1"))))
    assert cast("Mapping[str, object]", result.hosts["pos1"].report["probe"])["echo"] is True


@pytest.mark.full
def test_a_killed_supervisor_of_a_warm_run_is_told_as_lost(
    warm: PlaybookRunner, tmp_path: Path
) -> None:
    """The play of a forked supervisor is found by its mark, and swept."""
    run_id = warm.start(PlaybookRun(playbook=sleeping(tmp_path), inventory=inventory("pos1")))
    at_task(warm, run_id, "wait")
    until(lambda: len(processes_marked(run_id)) >= 2)
    assert _is_warm(warm, run_id)
    os.kill(supervisor_of(run_id), signal.SIGKILL)
    until(lambda: {run.phase for run in warm.recover()} == {RunPhase.LOST})
    assert warm.result(run_id).outcome is RunOutcome.UNKNOWN
    warm.cancel(run_id)
    until(lambda: not processes_marked(run_id), what="the sweep")


@pytest.mark.full
def test_the_warm_process_stays_small(warm: PlaybookRunner, tmp_path: Path) -> None:
    """What it takes for itself does not grow with the runs that it has started."""
    before = _private(warm)
    for _ in range(2):
        run = PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1"))
        assert warm.result(warm.start(run)).outcome is RunOutcome.COMPLETED
    assert _private(warm) < before + 4 * 2**20
    assert before < 120 * 2**20


def _private(runner: PlaybookRunner) -> int:
    text = Path(f"/proc/{runner.warm_pid}/smaps_rollup").read_text()
    found = yaml.safe_load("\n".join(text.splitlines()[1:]))
    return (
        sum(int(str(found[name]).split()[0]) for name in ("Private_Dirty", "Private_Clean")) << 10
    )


@pytest.mark.full
def test_a_closed_runner_keeps_nothing(doomed: PlaybookRunner, tmp_path: Path) -> None:
    pid = doomed.warm_pid
    doomed.close()
    until(lambda: not Path(f"/proc/{pid}").exists(), what="the end of the warm process")
    run = PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1"))
    assert doomed.result(doomed.start(run)).outcome is RunOutcome.COMPLETED
    assert doomed.warm_pid is None


def test_a_run_whose_command_cannot_be_made_says_so_and_gives_its_hosts_back(
    tmp_path: Path,
) -> None:
    """Its play has leased them by then, and waits for the command."""
    state, run_id = tmp_path / "state", str(uuid.uuid4())
    words = [sys.executable, "-P", "-c", _SUPERVISOR, str(state), run_id, quick(tmp_path)]
    given = {**os.environ, MARKER: NOBODY}  # as the warm process has it: any run's
    done = subprocess.run(words, env=given, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    runner = PlaybookRunner(state)
    result = runner.result(run_id)
    assert result.outcome is RunOutcome.ERROR
    assert "File exists" in result.error
    leased = RunDir(state / "runs" / run_id).lease_file
    assert json.loads(leased.read_text())["free"] == ["pos1"]
    after = runner.start(PlaybookRun(playbook=quick(tmp_path), inventory=inventory("pos1")))
    assert runner.result(after).hosts["pos1"].status is HostStatus.OK
    assert not processes_marked(run_id)
