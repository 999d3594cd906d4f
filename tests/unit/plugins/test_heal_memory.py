# SPDX-License-Identifier: GPL-3.0-or-later
"""The heal action memory: who takes how much, and who may be restarted for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal import processes
from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.memory import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import _defaults
from tests.unit.plugins.heal_bench import HealBench

REPORT = "pos-report.service"
MIB = 1024 * 1024


@pytest.fixture
def bench(tmp_path: Path) -> HealBench:
    made = HealBench(tmp_path)
    for after in (False, True):
        made.unit(REPORT, after=after)
    available(made, 5)
    process(made, 10, REPORT, 400)
    process(made, 11, REPORT, 50)
    process(made, 12, "ssh.service", 6)
    return made


def available(bench: HealBench, percent: int) -> None:
    """A host with 1000 MiB."""
    text = f"MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: {10240 * percent} kB\n"
    (bench.root / "proc/meminfo").write_text(text)


def process(bench: HealBench, pid: int, unit: str, mib: int, shared: int = 0) -> None:
    folder = bench.root / "proc" / str(pid)
    folder.mkdir()
    pages = mib * MIB // os.sysconf("SC_PAGE_SIZE")
    (folder / "statm").write_text(f"99999 {pages} 1 1 0 1 0\n")
    (folder / "smaps_rollup").write_text(f"0-1 ---p\nRss: 1 kB\nPss: {(mib - shared) * 1024} kB\n")
    (folder / "cgroup").write_text(f"0::/system.slice/{unit}/inner\n")
    (folder / "cmdline").write_text("posd\0--password=hunter2\0")


def options(*allowed: str, **more: Any) -> dict[str, Any]:
    asked = {**_defaults(OPTIONS), "allowed": list(allowed), "busy_check": ["true"]}
    return {**asked, **more}


def looked(bench: HealBench, asked: dict[str, Any]) -> Any:
    return ACTION.diagnose(ACTION.facts(bench.host, asked), asked)


def test_processes_of_a_unit_add_up(bench: HealBench) -> None:
    found = looked(bench, options(REPORT))
    assert found.plan == {"units": [REPORT]}
    assert "only 5.0 % of the memory is available" in found.reason
    assert f"{REPORT} (450 MiB)" in found.reason


def test_what_is_shared_counts_in_parts(bench: HealBench) -> None:
    process(bench, 13, "web.service", 500, shared=450)
    assert list(ACTION.facts(bench.host, options())["units"].items())[:2] == [
        (REPORT, 450 * MIB),
        ("web.service", 50 * MIB),
    ]


def test_the_unit_is_restarted_and_no_process_killed(bench: HealBench) -> None:
    asked = options(REPORT)
    found = looked(bench, asked)
    assert [one.en for one in ACTION.act(bench.host, found, asked)] == [f"restarted {REPORT}"]
    assert bench.done() == [f"restart -- {REPORT}"]
    seen = ACTION.verify(bench.host, found, asked)
    assert (seen.well, seen.reason) == (False, "5.0 % of the memory is available")
    available(bench, 50)
    assert ACTION.verify(bench.host, found, asked).well


def test_enough_memory_meanwhile_means_nothing_is_done(bench: HealBench) -> None:
    asked = options(REPORT)
    found = looked(bench, asked)
    available(bench, 50)
    assert ACTION.act(bench.host, found, asked) == []
    assert bench.done() == []


def test_one_that_became_busy_is_not_restarted(bench: HealBench) -> None:
    free, busy = options(REPORT, busy_check=["true"]), options(REPORT, busy_check=["false"])
    found = looked(bench, free)
    assert found.state == "needed"
    with pytest.raises(HealError, match="may be in use"):
        ACTION.act(bench.host, found, busy)


def test_one_of_which_nobody_knows_is_a_persons_question(bench: HealBench) -> None:
    found = looked(bench, options(REPORT, busy_check=[]))
    assert (found.state, "no busy_check" in found.reason) == ("escalate", True)
    idle = options(REPORT, busy_check=[], always_idle=["pos-rep*"])
    assert looked(bench, idle).plan == {"units": [REPORT]}
    # What is never in use is not asked, and another unit's answer does not count for it.
    assert looked(bench, {**idle, "busy_check": ["false"]}).state == "needed"


@pytest.mark.parametrize(
    "name",
    ["ssh.service", "dbus.service", "postgresql@17-main.service", "mariadb.service",
     "redis-server.service", "docker.service", "session-4.scope"],
)  # fmt: skip
def test_some_are_never_restarted_whatever_the_site_allows(bench: HealBench, name: str) -> None:
    bench.unit(name)
    process(bench, 14, name, 900)
    found = looked(bench, options("*", share=60.0))
    assert (found.state, name in found.reason) == ("escalate", True)


def test_evidence_names_the_largest_first(bench: HealBench) -> None:
    asked = options()
    largest, units, _meminfo = ACTION.evidence(bench.host, ACTION.facts(bench.host, asked), asked)
    assert largest.text.splitlines()[1].startswith(f"10 400 400 {REPORT} posd")
    assert units.text.splitlines()[1] == f"{REPORT} 450"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/pos.service\n", "pos.service"),
        ("0::/system.slice/system-postgresql.slice/postgresql@17-main.service\n",
         "postgresql@17-main.service"),
        ("12:pids:/x\n1:name=systemd:/system.slice/pos.service\n", "pos.service"),
        ("0::/user.slice/user-0.slice/session-1.scope\n", "session-1.scope"),
        ("0::/\n", ""),
    ],
)  # fmt: skip
def test_the_unit_of_a_process(text: str, unit: str) -> None:
    assert processes.unit_of(text) == unit


def test_a_process_that_ends_meanwhile_is_left_out(bench: HealBench) -> None:
    (bench.root / "proc/15").mkdir()
    assert 15 not in [one.pid for one in processes.largest(bench.host, 10)]
