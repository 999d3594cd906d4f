# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as on a host without systemd: real processes, each in a session of its own.

How a job is kept as a unit of systemd, and survives its line, is asked on lab hosts
(tests/e2e/test_payload_framework.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.payload.jobs import (
    JobError,
    Jobs,
    Order,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import BadItem
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

pytestmark = pytest.mark.slow
_PATIENCE = 240.0


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """A host's jobs; what still runs afterwards is ended."""
    found = Jobs(Host(str(tmp_path / "root")), str(tmp_path / "jobs"))
    yield found
    for one in found.known():
        if one["state"] == "running":
            begun = json.loads((tmp_path / "jobs" / one["id"] / "begun.json").read_text())
            with contextlib.suppress(ProcessLookupError):
                os.killpg(begun["child"][0], signal.SIGKILL)
            found.awaited(one["id"], _PATIENCE)


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., Order]:
    def made(script: str, **more: Any) -> Order:
        named = {"id": "rp", "environment": {"HERE": str(tmp_path)}, **more}
        return Order(argv=["sh", "-c", script], **named)

    return made


def _blocked(tmp_path: Path) -> str:
    """A script that goes on when the test writes a word, and not before."""
    os.mkfifo(tmp_path / "gate")
    return f"read word < {tmp_path}/gate; echo $word"


def test_a_job_runs_once_and_its_result_stays(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    script = "echo ran >> $HERE/count; echo said; echo bad >&2; exit 3"
    started, _found = jobs.started(order(script, point="rp"))
    assert started
    done = jobs.awaited("rp", _PATIENCE)
    assert (done["state"], done["rc"], done["log"]) == ("finished", 3, ["said", "bad"])
    assert done["began_at"] <= done["ended_at"]
    again, same = jobs.started(order(script, point="rp"))
    assert (again, same["rc"]) == (False, 3)
    assert (tmp_path / "count").read_text() == "ran\n"


def test_one_that_runs_is_found_and_waited_for(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    script = _blocked(tmp_path)
    assert jobs.started(order(script))[0]
    assert jobs.awaited("rp", 0.1)["state"] == "running"
    found = jobs.started(order(script))
    assert (found[0], found[1]["state"]) == (False, "running")
    assert jobs.stoppable(found[1]) == {"pid": found[1]["pid"], "wait": 0.0}
    with pytest.raises(JobError, match="is running and cannot be forgotten"):
        jobs.forgotten("rp")
    (tmp_path / "gate").write_text("go\n")
    assert jobs.awaited("rp", _PATIENCE)["log"] == ["go"]


def test_a_name_stands_for_one_command(jobs: Jobs, order: Callable[..., Order]) -> None:
    jobs.started(order("exit 0"))
    jobs.awaited("rp", _PATIENCE)
    with pytest.raises(JobError, match="another command's name already"):
        jobs.started(order("exit 1"))
    assert jobs.forgotten("rp")
    assert jobs.inspected("rp")["state"] == "absent"
    assert not jobs.forgotten("rp")
    jobs.started(order("exit 1"))
    assert jobs.awaited("rp", _PATIENCE)["rc"] == 1


def test_its_time_is_up(jobs: Jobs, order: Callable[..., Order]) -> None:
    jobs.started(order("sleep 600 & wait", timeout=0.3))
    done = jobs.awaited("rp", _PATIENCE)
    assert (done["state"], done["rc"], done["timed_out"]) == ("finished", -15, True)
    assert done["log"] == ["storewarden: not ended after 0.3 s: stopped"]


def test_a_program_that_is_not_there_ends_like_one_that_failed(jobs: Jobs) -> None:
    jobs.started(Order(id="rp", argv=["no-such-program"], environment={}))
    done = jobs.awaited("rp", _PATIENCE)
    assert (done["state"], done["rc"]) == ("finished", 127)
    assert done["log"] == ["storewarden: no-such-program: No such file or directory"]


def test_told_to_end(jobs: Jobs, order: Callable[..., Order], tmp_path: Path) -> None:
    """An undo's TERM ends a job, but none that asked to be let alone."""
    script = _blocked(tmp_path)
    jobs.started(order(script, id="soft"))
    os.kill(jobs.inspected("soft")["pid"], signal.SIGTERM)
    assert jobs.awaited("soft", _PATIENCE)["rc"] == -signal.SIGTERM
    jobs.started(order(script, id="hard", wait=60.0))
    os.kill(jobs.inspected("hard")["pid"], signal.SIGTERM)
    (tmp_path / "gate").write_text("go\n")
    assert jobs.awaited("hard", _PATIENCE)["rc"] == 0


def test_a_runner_that_is_killed_leaves_its_command_and_then_no_result(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    jobs.started(order(_blocked(tmp_path)))
    runner = jobs.inspected("rp")["pid"]
    begun = tmp_path / "jobs/rp/begun.json"
    end = time.monotonic() + _PATIENCE
    while "child" not in json.loads(begun.read_text()) and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(runner, signal.SIGKILL)
    assert jobs.awaited("rp", 0.1)["state"] == "running"
    (tmp_path / "gate").write_text("go\n")
    lost = jobs.awaited("rp", _PATIENCE)
    assert (lost["state"], lost.get("rc")) == ("lost", None)
    # Its command has run, so it is not run again.
    assert jobs.started(order(f"read word < {tmp_path}/gate; echo $word"))[0] is False


def test_what_never_began_may_be_started(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    jobs.started(order("echo once"))
    jobs.awaited("rp", _PATIENCE)
    for name in ("begun.json", "result.json"):
        (tmp_path / "jobs" / "rp" / name).unlink()
    assert jobs.inspected("rp")["state"] == "absent"
    assert jobs.started(order("echo once"))[0]
    assert jobs.awaited("rp", _PATIENCE)["rc"] == 0


def test_secrets_stay_in_a_file_for_root(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    environment = {"API_TOKEN": "tell-nobody", "PLACE": "till"}
    jobs.started(order("echo $API_TOKEN $PLACE", environment=environment))
    done = jobs.awaited("rp", _PATIENCE)
    assert done["log"] == ["*** till"]
    assert "tell-nobody" not in json.dumps(done)
    place = tmp_path / "jobs" / "rp"
    assert [oct(one.stat().st_mode & 0o077) for one in (place, place / "job.json")] == ["0o0"] * 2


def test_the_log_is_its_end_without_what_terminals_obey(
    jobs: Jobs, order: Callable[..., Order]
) -> None:
    script = "seq 100; printf '10%%\\r\\033[1mdone\\033[0m\\n'"
    jobs.started(order(script))
    log = jobs.awaited("rp", _PATIENCE)["log"]
    assert (len(log), log[0], log[-1]) == (40, "62", "done")


def test_a_log_that_goes_wild_keeps_its_beginning_and_its_end(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    gate = _blocked(tmp_path)
    jobs.started(order(f"seq 2000000; {gate}"))
    log = tmp_path / "jobs/rp/log"
    written = sum(len(str(number)) + 1 for number in range(1, 2000001))
    # Before the command has ended the disk has its middle back.
    end = time.monotonic() + _PATIENCE
    while log.stat().st_size < written or log.stat().st_blocks * 512 > 6_000_000:
        assert time.monotonic() < end, log.stat()
        time.sleep(0.05)
    (tmp_path / "gate").write_text("last word\n")
    done = jobs.awaited("rp", _PATIENCE)
    assert done["log"][-2:] == ["2000000", "last word"]
    lines = log.read_text().splitlines()
    said = [number for number, line in enumerate(lines) if line.startswith("storewarden: ")]
    assert len(said) == 1
    assert lines[: said[0]] == [str(number) for number in range(1, said[0] + 1)]
    after = [*range(int(lines[said[0] + 1]), 2000001)]
    assert lines[said[0] + 1 : -1] == [str(number) for number in after]
    missing = range(said[0] + 1, after[0])
    assert done["left_out"] == sum(len(str(number)) + 1 for number in missing) > 0
    assert f" {done['left_out']} bytes left out " in lines[said[0]]
    assert log.stat().st_size < 4.1 * 1024 * 1024


def test_one_endless_line_is_limited_as_well(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    jobs.started(order("head -c 9000000 /dev/zero | tr '\\0' x"))
    done = jobs.awaited("rp", _PATIENCE)
    log = (tmp_path / "jobs/rp/log").read_bytes()
    kept = 4 * 1024 * 1024
    assert (log.count(b"x"), done["left_out"]) == (kept, 9_000_000 - kept)
    assert b"\nstorewarden: " in log


def test_only_ended_jobs_of_one_restore_point_are_forgotten(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    jobs.started(order("exit 0", id="one", point="rp"))
    jobs.started(order("exit 0", id="other", point="rp-2"))
    jobs.started(order(_blocked(tmp_path), id="busy", point="rp"))
    for name in ("one", "other"):
        jobs.awaited(name, _PATIENCE)
    assert jobs.forget_point("rp") == ["one"]
    assert jobs.forget_point("") == []
    assert [one["id"] for one in jobs.known()] == ["busy", "other"]
    assert jobs.forget_old(30.0) == []
    assert jobs.forget_old(0.0) == ["other"]


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 101])
def test_names(jobs: Jobs, order: Callable[..., Order], name: str) -> None:
    with pytest.raises(BadItem):
        jobs.started(order("true", id=name))


def test_a_job_without_a_program(jobs: Jobs) -> None:
    with pytest.raises(BadItem, match="argv"):
        jobs.started(Order(id="rp", argv=[], environment={}))


def test_what_it_makes_is_not_for_root_alone(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    """A service of another user has to read what an installation brings."""
    jobs.started(order("mkdir $HERE/app; echo x > $HERE/app/file"))
    assert jobs.awaited("rp", _PATIENCE)["rc"] == 0
    made = [tmp_path / "app", tmp_path / "app/file"]
    assert [oct(one.stat().st_mode & 0o777) for one in made] == ["0o755", "0o644"]


def test_a_secret_at_the_edge_of_the_log_is_none_that_is_told(
    jobs: Jobs, order: Callable[..., Order]
) -> None:
    secret = "s3" * 40
    # Megabytes; what is read of it begins in the middle of a secret.
    script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; while [ $((n += 1)) -le 400 ]; do"
    jobs.started(
        order(f"{script} printf '%s ' $API_TOKEN; done", environment={"API_TOKEN": secret})
    )
    done = jobs.awaited("rp", _PATIENCE)
    assert done["log"]
    assert set("".join(done["log"])) <= {"*", " ", "x"}


def test_a_log_does_not_turn_a_terminal_around(jobs: Jobs, order: Callable[..., Order]) -> None:
    jobs.started(order("printf 'a\\302\\233mb\\342\\200\\256c\\n'"))
    assert jobs.awaited("rp", _PATIENCE)["log"] == ["ambc"]


def test_two_starts_at_once_run_it_once(
    jobs: Jobs, order: Callable[..., Order], tmp_path: Path
) -> None:
    """Two visits of two controllers, or one whose line was lost and came back."""
    wanted = order("echo ran >> $HERE/count")
    with ThreadPoolExecutor(4) as visits:
        started = [one[0] for one in visits.map(jobs.started, [wanted] * 4)]
    assert jobs.awaited("rp", _PATIENCE)["rc"] == 0
    assert sorted(started) == [False, False, False, True]
    assert (tmp_path / "count").read_text() == "ran\n"
