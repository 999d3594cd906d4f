# SPDX-License-Identifier: GPL-3.0-or-later
"""What lpstat says, read; whether a printer's address answers. Real CUPS is in tests/e2e."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal import cups
from ansible_collections.storewarden.ops.plugins.module_utils.heal.printing import ACTION, stuck
from tests.unit.plugins.heal_bench import FAILED, HealBench

JOBS = """\
receipts-12             pos               1024   Sun Mar 01 12:10:00 2026
\tStatus: Waiting for printer to become available.
\tAlerts: none
\tqueued for receipts
receipts-9              cashier           2048   Sun Mar 01 12:00:00 2026
receipts-10             pos               2048   Sun Mar 01 12:00:00 2026
\tAlerts: job-hold-until-specified
\tqueued for receipts
"""
NOON = 1772366400.0  # 2026-03-01T12:00:00Z


def test_jobs_are_read_oldest_first() -> None:
    found = cups.parsed_jobs(JOBS, zone=0.0)
    assert [(one["id"], one["at"] - NOON, one["held"]) for one in found] == [
        ("receipts-9", 0.0, False),
        ("receipts-10", 0.0, True),
        ("receipts-12", 600.0, False),
    ]
    assert cups.parsed_jobs("", zone=0.0) == []


def test_a_job_with_a_time_nobody_can_read_is_old() -> None:
    [one] = cups.parsed_jobs("receipts-3 pos 10 some time ago\n", zone=0.0)
    assert one["at"] == 0.0


def test_only_jobs_that_wait_too_long_are_stuck() -> None:
    jobs = cups.parsed_jobs(JOBS, zone=0.0)
    facts = {"now": NOON + 601, "jobs": jobs}
    assert [one["id"] for one in stuck(facts, 10)] == ["receipts-9"]
    assert stuck(facts, 11) == []


def test_whether_a_printer_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as printer:
        device = f"socket://127.0.0.1:{printer.getsockname()[1]}"
        assert cups.reached(device) is True
    assert cups.reached(device) is False
    assert cups.reached("usb://EPSON/TM-T20") is None
    assert cups.reached("") is None


@pytest.mark.slow
def test_a_host_without_cups_is_a_persons_question(tmp_path: Path) -> None:
    bench = HealBench(tmp_path)
    for name in cups.UNITS:
        bench.unit(name, LoadState="not-found")
    asked = {"queue": "receipts", "stuck_minutes": 10.0, "settle_seconds": 1.0}
    found = ACTION.diagnose(ACTION.facts(bench.host, asked), asked)
    assert (found.state, found.reason) == ("escalate", "CUPS is not installed")


@pytest.mark.slow
def test_cups_is_started_unless_it_answers_meanwhile(tmp_path: Path) -> None:
    bench = HealBench(tmp_path)
    bench.unit("cups.service", **FAILED)
    bench.unit("cups.service", after=True)
    asked = {"queue": "receipts", "stuck_minutes": 10.0, "settle_seconds": 1.0}
    found = ACTION.diagnose(ACTION.facts(bench.host, asked), asked)
    assert (found.state, found.plan) == ("needed", {"do": "start", "unit": "cups.service"})
    assert [one.en for one in ACTION.act(bench.host, found, asked)] == ["cups.service was started"]
    assert bench.done() == ["reset-failed -- cups.service", "restart -- cups.service"]
    program = tmp_path / "bin/lpstat"
    program.write_text("#!/bin/sh\necho scheduler is running\n")
    program.chmod(0o755)
    assert ACTION.act(bench.host, found, asked) == []


AT = 1772366400  # 2026-03-01T12:00:00Z
_STOPPED = "printer receipts disabled since {0} -\n\t{1}\n"
_ENDED = "W [01/Mar/2026:12:00:0{0} +0000] [Job 1] Backend returned status 4 (stop printer)\n"
_PAUSED = 'localhost - root [01/Mar/2026:12:00:0{0} +0000] "POST /admin/ HTTP/1.1" 200 153 {1}\n'


def _cups(tmp_path: Path, said: str, **logs: str) -> HealBench:
    bench = HealBench(tmp_path)
    program = tmp_path / "bin/lpstat"
    program.write_text(f"#!/bin/sh\n[ $1 != -p ] || printf '%s' '{said}'\n")
    program.chmod(0o755)
    for name, text in logs.items():
        (tmp_path / "var/log/cups").mkdir(parents=True, exist_ok=True)
        (tmp_path / "var/log/cups" / name).write_text(text)
    return bench


@pytest.mark.slow
@pytest.mark.parametrize(
    ("why", "logs", "broke"),
    [
        ("Unable to connect to printer.", {}, True),
        ("Paused", {}, False),
        ("reason unknown", {}, False),
        ("jam, ask Li", {}, False),
        ("reason unknown", {"error_log": _ENDED.format(1)}, True),
        # Long ago is another story.
        ("reason unknown", {"error_log": _ENDED.format(1).replace("12:00", "11:00")}, False),
        # A person asked for it, whatever their words are.
        ("Unable to print", {"access_log": _PAUSED.format(1, "Pause-Printer ok")}, False),
        ("Unable to print", {"access_log": _PAUSED.format(1, "Get-Jobs ok")}, True),
    ],
)
def test_who_stopped_a_queue(tmp_path: Path, why: str, logs: dict[str, str], broke: bool) -> None:
    since = time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(AT))
    bench = _cups(tmp_path, _STOPPED.format(since, why), **logs)
    found = cups.queue(bench.host, "receipts")
    assert found is not None
    assert (found["enabled"], found["why"], found["broke"]) == (False, why, broke)


@pytest.mark.slow
def test_a_queue_whose_backend_reads_and_writes_is_not_stuck(tmp_path: Path) -> None:
    bench = _cups(tmp_path, "printer receipts now printing receipts-3.  enabled since x\n")
    own = tmp_path / "proc/40"
    own.mkdir()
    (own / "exe").symlink_to("/usr/lib/cups/backend/usb")
    (own / "io").write_text("rchar: 10\nwchar: 20\nsyscr: 1\n")
    still = cups.pulse(bench.host)
    assert still == cups.pulse(bench.host)
    (own / "io").write_text("rchar: 10\nwchar: 21\nsyscr: 9\n")
    assert cups.pulse(bench.host) != still
    found = cups.queue(bench.host, "receipts")
    assert found is not None
    assert (found["printing"], found["enabled"], found["broke"]) == (True, True, False)
