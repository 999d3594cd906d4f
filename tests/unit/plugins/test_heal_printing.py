# SPDX-License-Identifier: GPL-3.0-or-later
"""What lpstat says, read; whether a printer's address answers. Real CUPS is in tests/e2e."""

from __future__ import annotations

import socket
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
