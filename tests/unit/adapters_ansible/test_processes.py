# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending the processes of a play: late ones, hidden ones, and what they leave in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.adapters.ansible import processes

# A supervisor whose play comes a second after it was to be stopped.
_LATE = """
import sys, subprocess
from pathlib import Path
from storewarden.adapters.ansible import processes, supervisor
from storewarden.adapters.ansible.play import Play
from storewarden.adapters.ansible.rundir import RunDir
from storewarden.adapters.ansible.verdict import Ending

class Late(Play):
    def run(self):
        import time
        time.sleep(1)
        subprocess.run(["sleep", "3000"], env={processes.MARKER: self._request.run_id})

processes.adopt_orphans()
run = RunDir(Path(sys.argv[1]))
request = run.request()
play = Late(run, request)
play.start()
print(supervisor._finish(run, request, play, Ending.CANCELLED), play.is_alive())
"""


@pytest.fixture
def marked() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A run's id and the processes a test started for it."""
    started: list[subprocess.Popen[bytes]] = []
    yield str(uuid.uuid4()), started
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_play_that_starts_after_it_was_cancelled_is_stopped_at_once(tmp_path: Path) -> None:
    request = {
        "run_id": str(uuid.uuid4()), "playbook": "p", "hosts": [], "exclusive": True, "owner": "",
        "label": "", "started": 1.0, "timeout": 1.0, "forks": 1, "check_mode": False,
    }  # fmt: skip
    (tmp_path / "request.json").write_text(json.dumps(request))
    # Not stopped, it would go on for most of an hour.
    done = subprocess.run(
        [sys.executable, "-c", _LATE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert done.stdout.split("\n")[0] == "() False"


def test_a_child_without_the_mark_belongs_to_the_play(
    marked: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    run_id, started = marked
    shell = "env -i setsid sleep 1732.1 & echo $!; wait"
    process = subprocess.Popen(
        ["/bin/sh", "-c", shell],
        env={**os.environ, processes.MARKER: run_id},
        stdout=subprocess.PIPE,
    )
    started.append(process)
    assert process.stdout is not None
    hidden = int(process.stdout.readline())
    assert {process.pid, hidden} <= set(processes.marked(run_id))
    assert processes.marked(str(uuid.uuid4())) == ()
    assert processes.stop(run_id, None) == ()
    assert processes.start_ticks(hidden) is None or _is_zombie(hidden)


def _is_zombie(pid: int) -> bool:
    return " Z " in Path(f"/proc/{pid}/stat").read_text()


def test_the_ssh_password_in_shared_memory_goes_with_its_worker(
    marked: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    run_id, started = marked
    ours, other = (Path(f"/dev/shm/psm_{uuid.uuid4().hex[:8]}") for _ in range(2))
    try:
        for path in (ours, other):
            path.write_text("secret")
        env = {processes.MARKER: run_id, "_ANSIBLE_SSH_ASKPASS_SHM": ours.name}
        started.append(subprocess.Popen(["/bin/sleep", "60"], env=env))
        assert processes.stop(run_id, None) == ()
        assert not ours.exists()
        assert other.exists()
    finally:
        for path in (ours, other):
            path.unlink(missing_ok=True)


def test_a_job_that_was_only_handed_over_lives_on(
    marked: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    run_id, started = marked
    shell = "env STOREWARDEN_JOB=j1 sh -c 'sleep 1732.3 & echo $!; wait'"
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"{shell} & read _; wait"],
        env={**os.environ, processes.MARKER: run_id},
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    started.append(process)
    assert process.stdout is not None
    job = int(process.stdout.readline())
    processes.sweep(run_id)
    try:
        assert job not in processes.marked(run_id)
        os.kill(job, 0)
    finally:
        os.kill(job, 9)
