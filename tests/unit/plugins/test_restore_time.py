# SPDX-License-Identifier: GPL-3.0-or-later
"""Deadlines in running time: no jump of the wall clock, no reboot and no crash loop moves them
anywhere but nearer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.restore import turns
from ansible_collections.storewarden.ops.plugins.module_utils.restore.clock import tick_seconds
from ansible_collections.storewarden.ops.plugins.module_utils.restore.pack import Pack
from tests.unit.plugins.restore_bench import RestoreBench


@pytest.fixture
def bench(tmp_path: Path) -> RestoreBench:
    return RestoreBench(tmp_path)


def _armed(bench: RestoreBench, seconds: float) -> Pack:
    bench.write("/etc/conf", "before\n")
    pack = bench.captured({"kind": "file", "path": "/etc/conf"})
    pack.write_state(phase="armed", deadline=bench.clock.granted(seconds), mode="watcher")
    bench.write("/etc/conf", "after\n")
    return pack


def test_the_wall_clock_may_jump_anywhere(bench: RestoreBench) -> None:
    pack = _armed(bench, 100)
    for jump in (0.0, 4e9, 1.0, 2e9):
        bench.wall = jump
        bench.seconds += 20
        assert turns.tick(bench.store, pack, bench.clock) is not None
        assert bench.at("/etc/conf").read_text() == "after\n"
    bench.seconds += 20
    turns.tick(bench.store, pack, bench.clock)
    assert bench.at("/etc/conf").read_text() == "before\n"


def test_time_that_the_machine_was_off_does_not_count(bench: RestoreBench) -> None:
    deadline = bench.clock.granted(100)
    bench.seconds += 30
    noted = bench.clock.carried_over(deadline)
    bench.write("/proc/sys/kernel/random/boot_id", "second-boot\n")
    bench.wall += 86400
    bench.seconds = 5
    again = bench.clock.carried_over(noted)
    assert again["left"] == pytest.approx(70 - 10)
    assert again["boot"] == "second-boot"
    bench.seconds += 59
    assert bench.clock.left(again) == pytest.approx(1)


def test_a_machine_that_crashes_again_and_again_comes_to_its_deadline(bench: RestoreBench) -> None:
    deadline = bench.clock.granted(300)
    for boot in range(10):
        bench.write("/proc/sys/kernel/random/boot_id", f"boot-{boot}\n")
        bench.seconds = 1.0
        deadline = bench.clock.carried_over(deadline)
    assert deadline["left"] <= 0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 50)), max_size=20))
def test_what_is_left_never_grows(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    bench = RestoreBench(tmp_path_factory.mktemp("bench"))
    deadline, before = bench.clock.granted(100), 100.0
    for number, (reboots, seconds) in enumerate(steps):
        if reboots:
            bench.write("/proc/sys/kernel/random/boot_id", f"boot-{number}\n")
            bench.seconds = seconds
        else:
            bench.seconds += seconds
        deadline = bench.clock.carried_over(deadline)
        assert deadline["left"] <= before + 1e-6
        before = deadline["left"]


@pytest.mark.parametrize(("granted", "tick"), [(5, 1), (60, 6), (3600, 15)])
def test_what_is_left_is_noted_often_enough(granted: float, tick: float) -> None:
    assert tick_seconds(granted) == tick


def test_a_tick_of_a_confirmed_pack_changes_nothing(bench: RestoreBench) -> None:
    pack = _armed(bench, 100)
    pack.write_state(phase="confirmed")
    bench.seconds += 1000
    assert turns.tick(bench.store, pack, bench.clock) is None
    assert bench.at("/etc/conf").read_text() == "after\n"


def test_a_state_that_cannot_be_read_is_no_confirmation(bench: RestoreBench) -> None:
    pack = _armed(bench, 100)
    Path(pack.at("state.json")).write_text("{")
    turns.tick(bench.store, pack, bench.clock)
    assert bench.at("/etc/conf").read_text() == "before\n"
    assert pack.state()["phase"] == "restored"
