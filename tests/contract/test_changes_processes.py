# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that open changes at once get distinct consecutive numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import open_ledger
from tests.contract.ledger_places import emptied
from tests.contract.ledger_postgres import postgres

PROCESSES = 50
_OPENER = """
import sys
from datetime import timedelta
from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import open_ledger
from storewarden.testing.conformance_changes import DAY, PREFIX, note, opening
# However slow the disk: this is about who gets which number.
ledger = open_ledger(sys.argv[1], clock=SystemClock(), patience=timedelta(minutes=4))
print("ready", flush=True)
sys.stdin.readline()
made = ledger.changes.open_change(sys.argv[2], PREFIX, DAY, opening("pos1"))
for n in range(3):
    ledger.changes.amend(made.change.number, f"n{n}", note(str(n)))
print(made.change.number, flush=True)
"""


def _open_at_once(place: str) -> list[str]:
    """The numbers that 50 processes got, which all asked when told to."""
    argv = [sys.executable, "-c", _OPENER, place]
    started = [
        subprocess.Popen(
            [*argv, f"key {n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(PROCESSES)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    numbers = [process.communicate()[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * PROCESSES
    return numbers


def _check(place: str) -> None:
    with open_ledger(place, clock=SystemClock()) as ledger:
        ledger.outbox.subscribe("ticket:itsm")
        numbers = _open_at_once(place)
        assert sorted(numbers) == [f"GMBG-20260301-{n:03d}" for n in range(1, PROCESSES + 1)]
        assert len(ledger.changes.changes()) == PROCESSES
        due = ledger.outbox.due("ticket:itsm", SystemClock().now())
        assert {delivery.subject for delivery in due} == set(numbers)
        assert [len(ledger.outbox.entries(delivery)) for delivery in due] == [4] * PROCESSES
        verified = ledger.verify()
    assert (verified.entries, verified.problems) == (1 + 4 * PROCESSES, ())


@pytest.mark.slow
def test_fifty_processes_on_one_file(tmp_path: Path) -> None:
    _check(str(tmp_path / "ledger.sqlite"))


@pytest.mark.slow
def test_fifty_processes_on_one_server() -> None:
    with postgres() as url:
        _check(emptied(url))
