# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancel and timeout end the whole play, whatever it started, and tell the truth about hosts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ansible import PlaybookRunner
from storewarden.ports.runner import HostStatus, PlaybookRun, RunOutcome
from tests.contract.runner_plays import (
    at_task,
    ended,
    inventory,
    play,
    playbook,
    processes,
    processes_marked,
    quick,
    until,
)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[PlaybookRunner]:
    yield from ended(PlaybookRunner(tmp_path / "state"))


def _stubborn(folder: Path, seconds: str) -> str:
    """Sessions of their own, a daemon, a shell that ignores TERM; ``seconds`` marks them all."""
    shell = f"setsid sleep {seconds} & trap '' TERM; sleep {seconds}; sleep {seconds}"
    tasks = [
        {"ansible.builtin.command": f"sleep {seconds}", "async": 600, "poll": 0},
        {
            "name": "fail here",
            "ansible.builtin.command": "false",
            "when": "inventory_hostname == 'a'",
        },
        {"name": "hang", "ansible.builtin.shell": shell},
    ]
    later = play([{"ansible.builtin.command": "true"}], hosts="c")
    return playbook(folder, play(tasks, hosts="a:b"), later)


def _assert_nothing_left(run_id: str, seconds: str) -> None:
    assert processes_marked(run_id) == []
    assert processes(f"sleep\0{seconds}") == []


def test_cancel_leaves_no_process_and_tells_the_truth(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    book = _stubborn(tmp_path, "3141.5926")
    run_id = runner.start(PlaybookRun(playbook=book, inventory=inventory("a", "b", "c")))
    at_task(runner, run_id, "hang")
    while len(processes("sleep\x003141.5926")) < 3:  # async of a and b, and the hanging one
        assert processes_marked(run_id)
    PlaybookRunner(tmp_path / "state").cancel(run_id)  # from anybody who knows the state directory
    result = runner.result(run_id)
    _assert_nothing_left(run_id, "3141.5926")
    assert result.outcome is RunOutcome.CANCELLED
    assert {name: host.status for name, host in result.hosts.items()} == {
        "a": HostStatus.FAILED,
        "b": HostStatus.UNKNOWN,
        "c": HostStatus.SKIPPED,
    }
    assert result.hosts["a"].task == "fail here"


def test_timeout_leaves_no_process(runner: PlaybookRunner, tmp_path: Path) -> None:
    book = _stubborn(tmp_path, "2718.2818")
    run = PlaybookRun(
        playbook=book, inventory=inventory("a", "b", "c"), timeout=timedelta(seconds=6)
    )
    run_id = runner.start(run)
    result = runner.result(run_id)
    _assert_nothing_left(run_id, "2718.2818")
    assert result.outcome is RunOutcome.TIMED_OUT
    assert "time" in result.error
    assert result.hosts["b"].status in (HostStatus.UNKNOWN, HostStatus.SKIPPED)
    assert HostStatus.OK not in {host.status for host in result.hosts.values()}


def test_the_host_is_free_after_a_cancel(runner: PlaybookRunner, tmp_path: Path) -> None:
    book = _stubborn(tmp_path, "1618.0339")
    first = runner.start(PlaybookRun(playbook=book, inventory=inventory("a", "b", "c")))
    at_task(runner, first, "hang")
    runner.cancel(first)
    runner.result(first)
    second = runner.start(PlaybookRun(playbook=quick(tmp_path), inventory=inventory("a", "b")))
    assert runner.result(second).outcome is RunOutcome.COMPLETED


def test_the_normal_end_sweeps_too(runner: PlaybookRunner, tmp_path: Path) -> None:
    tasks = [{"ansible.builtin.shell": "setsid sleep 1414.2135 >/dev/null 2>&1 &"}]
    book = playbook(tmp_path, play(tasks))
    run_id = runner.start(PlaybookRun(playbook=book, inventory=inventory("a")))
    assert runner.result(run_id).outcome is RunOutcome.COMPLETED
    _assert_nothing_left(run_id, "1414.2135")


def test_a_cancel_that_comes_too_late_is_none(runner: PlaybookRunner, tmp_path: Path) -> None:
    run_id = runner.start(PlaybookRun(playbook=quick(tmp_path), inventory=inventory("a")))
    assert runner.result(run_id).outcome is RunOutcome.COMPLETED
    runner.cancel(run_id)
    assert runner.result(run_id).outcome is RunOutcome.COMPLETED


def test_a_play_that_asks_a_question_does_not_wait_for_an_answer(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    asks = play([{"ansible.builtin.pause": {"prompt": "sure?"}}], vars_prompt=[{"name": "who"}])
    run = PlaybookRun(
        playbook=playbook(tmp_path, asks), inventory=inventory("a"), timeout=timedelta(minutes=10)
    )
    assert runner.result(runner.start(run)).outcome is not RunOutcome.TIMED_OUT


def _escaping(seconds: str) -> dict[str, object]:
    """As ``sudo`` does it: a session of its own, and nothing left of the environment."""
    return {"ansible.builtin.shell": f"env -i setsid sleep {seconds} >/dev/null 2>&1 &"}


def test_cancel_ends_what_dropped_its_environment(runner: PlaybookRunner, tmp_path: Path) -> None:
    wait = {"name": "wait", "ansible.builtin.command": "sleep 2236.0679"}
    book = playbook(tmp_path, play([_escaping("2236.0679"), wait]))
    run_id = runner.start(PlaybookRun(playbook=book, inventory=inventory("a")))
    at_task(runner, run_id, "wait")
    until(lambda: len(processes("sleep\x002236.0679")) == 2)
    runner.cancel(run_id)
    assert runner.result(run_id).outcome is RunOutcome.CANCELLED
    _assert_nothing_left(run_id, "2236.0679")


def test_the_normal_end_ends_what_dropped_its_environment(
    runner: PlaybookRunner, tmp_path: Path
) -> None:
    book = playbook(tmp_path, play([_escaping("2449.4897")]))
    run_id = runner.start(PlaybookRun(playbook=book, inventory=inventory("a")))
    assert runner.result(run_id).outcome is RunOutcome.COMPLETED
    _assert_nothing_left(run_id, "2449.4897")


def test_a_run_cancelled_at_once_does_nothing(runner: PlaybookRunner, tmp_path: Path) -> None:
    trap = tmp_path / "touched"
    task = {"ansible.builtin.command": f"sh -c 'sleep 60; touch {trap}'"}
    book = playbook(tmp_path, play([task]))
    run_id = runner.start(PlaybookRun(playbook=book, inventory=inventory("a")))
    runner.cancel(run_id)
    result = runner.result(run_id)
    assert result.outcome is RunOutcome.CANCELLED
    assert result.hosts["a"].status in (HostStatus.SKIPPED, HostStatus.UNKNOWN)
    assert processes_marked(run_id) == []
    assert not trap.exists()
