# SPDX-License-Identifier: GPL-3.0-or-later
"""Who drives an audit: one live process, and nobody once it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from storewarden.domain.errors import AdapterError
from storewarden.wiring.claims import Claims
from storewarden.wiring.interrupts import interruption

_HOLDER = (
    "import sys, time; from pathlib import Path; from storewarden.wiring.claims import Claims\n"
    "c = Claims(Path(sys.argv[1])); print(c.take('audit-1'), flush=True); time.sleep(600)\n"
)


def test_an_audit_belongs_to_the_process_that_took_it_until_it_dies(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    mine = Claims(tmp_path)
    assert not mine.take("audit-1")
    assert mine.take("audit-2")
    other.kill()
    other.wait()
    other.stdout.close()
    assert mine.take("audit-1")
    assert not mine.take("audit-1")  # another thread of ours is somebody alive, too
    mine.drop("audit-1")
    assert Claims(tmp_path).take("audit-1")


def test_locks_of_dead_processes_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"audit-old{number}.lock").touch()
    Claims(tmp_path).take("audit-1")
    assert [path.name for path in tmp_path.iterdir()] == ["audit-1.lock"]


def test_a_state_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AdapterError, match="file"):
        Claims(tmp_path / "file").take("audit-1")


def test_the_first_signal_asks_and_the_second_insists() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruption() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_in_a_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[bool] = []

    def work() -> None:
        with interruption() as stop:
            seen.append(signal.getsignal(signal.SIGINT) is before and not stop.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]
