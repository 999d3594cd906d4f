# SPDX-License-Identifier: GPL-3.0-or-later
"""A phase ends in time, whatever catches errors on the way; a program that hangs is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    HealError,
    TooLate,
    time_left,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.in_time import Broken, in_time
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import (
    _at_most,
    _limited,
    _seconds_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

pytestmark = [
    pytest.mark.slow,
    # Modules have one thread; pytest has more.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


def test_an_answer_and_each_kind_of_error_arrive(tmp_path: Path) -> None:
    assert in_time(lambda: {"steps": ["é" * 100_000], "pid": os.getpid() != 1}, 60.0) == {
        "steps": ["é" * 100_000],
        "pid": True,
    }

    def refuses() -> dict[str, Any]:
        raise HealError("no", "否")

    def breaks() -> dict[str, Any]:
        return {"a": (tmp_path / "missing").read_text()}

    with pytest.raises(HealError, match="no") as no:
        in_time(refuses, 60.0)
    assert no.value.reason_zh == "否"
    with pytest.raises(Broken, match="FileNotFoundError") as broken:
        in_time(breaks, 60.0)
    assert "missing" in broken.value.trace


def test_what_the_work_changes_in_its_process_stays_there() -> None:
    seen: list[int] = []

    def work() -> dict[str, Any]:
        seen.append(1)
        return {}

    assert (in_time(work, 0.0), seen) == ({}, [])


def test_work_that_no_alarm_reaches_is_killed_and_told(tmp_path: Path) -> None:
    """As one that hangs in the kernel: signals but the last do not arrive."""
    note = tmp_path / "pid"

    def work() -> dict[str, Any]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})
        note.write_text(str(os.getpid()))
        while True:
            time.sleep(60)

    with pytest.raises(HealError, match=r"kernel did not answer within 0\.2 s"):
        in_time(lambda: _limited(work, 0.2), 0.2, grace=1.0)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_time_limit_ends_even_what_catches_every_error() -> None:
    tried: list[int] = []

    def stubborn() -> dict[str, Any]:
        for unit in range(3):
            try:
                tried.append(unit)
                time.sleep(60)
            except Exception:  # noqa: BLE001, S112 what an action may do over its units
                continue
        return {}

    with pytest.raises(HealError, match=r"did not end within 0\.2 s"):
        _limited(stubborn, 0.2)
    assert tried == [0]


def test_an_alarm_that_was_caught_rings_again() -> None:
    rung: list[int] = []
    with pytest.raises(HealError, match="did not end"), _at_most(0.1):
        assert signal.getitimer(signal.ITIMER_REAL)[1] > 0
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        for _try in range(3):
            try:
                time.sleep(60)
            except TooLate:
                rung.append(1)
                if len(rung) == 3:
                    raise
    assert len(rung) == 3


def test_how_much_time_is_left() -> None:
    with _at_most(50.0):
        assert 0 < time_left() <= 50.0
    with _at_most(0.0):
        assert time_left() == float("inf")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"phase": "act", "diagnosis": {"seconds": 60}, "within": 30.0}, 60.0),
        ({"phase": "undo", "diagnosis": {}, "within": 30.0}, 0.0),
        ({"phase": "verify", "diagnosis": {}, "within": 30.0}, 40.0),
        ({"phase": "diagnose", "diagnosis": {}, "within": 30.0}, 90.0),
    ],
)
def test_each_phase_has_its_time(
    given: dict[str, Any], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOREWARDEN_HEAL_SECONDS", "90.0")
    assert _seconds_of(given) == seconds
    monkeypatch.setenv("STOREWARDEN_HEAL_SECONDS", "")
    assert _seconds_of({**given, "phase": "diagnose"}) == 300.0


def test_a_program_that_overstays_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    host = Host()
    note = tmp_path / "pid"
    done = host.run(["sh", "-c", f"sleep 1000 & echo $! > {note}; wait"], 0.5)
    assert (done.code, done.err) == (124, "sh did not end within 0.5 s")
    child = int(note.read_text())
    until_gone(child)


def test_a_program_of_work_that_ran_out_of_time_is_ended_too(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(HealError, match="did not end"), _at_most(0.5):
        Host().run(["sh", "-c", f"echo $$ > {note}; exec sleep 1000"], 900.0)
    until_gone(int(note.read_text()))


def until_gone(pid: int) -> None:
    """A killed process may be waited for by somebody else first."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"{pid} still runs")
