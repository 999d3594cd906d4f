# SPDX-License-Identifier: GPL-3.0-or-later
"""The heal action units: what is allowed is restarted, the rest is named and left alone."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.systemd_units import (
    NEVER,
    judged_history,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.unit_rules import kept_down
from ansible_collections.storewarden.ops.plugins.module_utils.heal.units import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import (
    _at_most,
    _defaults,
)
from tests.unit.plugins.heal_bench import FAILED, STOPPED, HealBench, record

SYNC, PRINT, CLOSING = "pos-sync.service", "cups.service", "pos-closing.service"


@pytest.fixture
def bench(tmp_path: Path) -> HealBench:
    return HealBench(tmp_path)


def options(*allowed: str, **more: Any) -> dict[str, Any]:
    return {**_defaults(OPTIONS), "allowed": list(allowed), **more}


def looked(bench: HealBench, asked: dict[str, Any]) -> Any:
    return ACTION.diagnose(ACTION.facts(bench.host, asked), asked)


def broken(bench: HealBench, *names: str) -> None:
    bench.failed(*names)
    for name in names:
        bench.unit(name, **FAILED)


def test_the_allowed_are_restarted_and_the_rest_is_named(bench: HealBench) -> None:
    broken(bench, SYNC, PRINT)
    bench.unit(SYNC, after=True)
    asked = options("pos-*")
    found = looked(bench, asked)
    assert found.plan == {
        "units": [SYNC],
        "left": {PRINT: "cups.service is not among the allowed units"},
    }
    assert [one.en for one in ACTION.act(bench.host, found, asked)] == [f"restarted {SYNC}"]
    assert bench.done() == [f"reset-failed -- {SYNC}", f"restart -- {SYNC}"]
    seen = ACTION.verify(bench.host, found, asked)
    assert (seen.well, seen.reason) == (True, f"well again: {SYNC}; left to people: {PRINT}")


@pytest.mark.parametrize(
    "name",
    [
        "systemd-fsck@dev-sda1.service", "emergency.service", "rescue.service", "ssh.socket",
        "networking.service", "dbus.service", "systemd-journald.service", "user@1000.service",
        "dev-sda2.swap", "storewarden-restore.service", "network-manager.service",
        "wg-quick@store.service", "openvpn-client@hq.service", "strongswan-starter.service",
        "ipsec.service", "firewalld.service", "nftables.service", "iptables.service", "ufw.service",
        "netplan-wpa-wlan0.service", "dhcpcd.service", "ifup@eth0.service", "keepalived.service",
    ],
)  # fmt: skip
def test_some_are_never_restarted_whatever_the_site_allows(bench: HealBench, name: str) -> None:
    broken(bench, name)
    found = looked(bench, options("*"))
    assert found.state == "escalate"
    assert f"{name} is never restarted" in found.reason
    assert NEVER


def test_one_that_recovered_meanwhile_is_left_alone(bench: HealBench) -> None:
    broken(bench, SYNC, PRINT)
    for name in (SYNC, PRINT):
        bench.unit(name, after=True)
    asked = options("*")
    found = looked(bench, asked)
    bench.failed(PRINT)
    assert [one.en for one in ACTION.act(bench.host, found, asked)] == [f"restarted {PRINT}"]


def test_one_that_does_not_start_does_not_keep_the_others_down(bench: HealBench) -> None:
    broken(bench, SYNC, PRINT)
    bench.unit(PRINT, after=True)
    asked = options("*")
    found = looked(bench, asked)
    assert [one.en for one in ACTION.act(bench.host, found, asked)] == [
        f"restarted {PRINT}",
        f"{SYNC} could not be started: Job for {SYNC} failed.",
    ]
    seen = ACTION.verify(bench.host, found, asked)
    assert (seen.well, seen.reason) == (False, f"not well yet: {SYNC} (failed)")


def test_when_none_starts_it_has_failed(bench: HealBench) -> None:
    broken(bench, SYNC)
    asked = options("*")
    with pytest.raises(HealError, match=r"pos-sync\.service could not be started"):
        ACTION.act(bench.host, looked(bench, asked), asked)


def test_a_job_that_ended_well_is_well(bench: HealBench) -> None:
    broken(bench, CLOSING)
    bench.unit(CLOSING, after=True, **STOPPED, Type="oneshot")
    asked = options("pos-*")
    found = looked(bench, asked)
    ACTION.act(bench.host, found, asked)
    assert ACTION.verify(bench.host, found, asked).well


def test_no_more_than_ten_at_a_time(bench: HealBench) -> None:
    broken(bench, *(f"pos-{number}.service" for number in range(12)))
    plan = looked(bench, options("pos-*")).plan
    assert (len(plan["units"]), len(plan["left"])) == (10, 2)


def test_another_name_of_a_unit_that_nobody_restarts_is_none_either(bench: HealBench) -> None:
    bench.failed("uplink.service")
    bench.unit("uplink.service", **FAILED, Names="uplink.service NetworkManager.service")
    found = looked(bench, options("*"))
    assert (found.state, "uplink.service is never restarted" in found.reason) == ("escalate", True)


def test_one_that_a_person_stopped_since_does_not_make_the_rest_unwell(bench: HealBench) -> None:
    broken(bench, SYNC, PRINT)
    for name in (SYNC, PRINT):
        bench.unit(name, after=True)
    asked = options("*")
    found = looked(bench, asked)
    ACTION.act(bench.host, found, asked)
    bench.unit(SYNC, **STOPPED)
    bench.journal(record("stopped", 1.0, JOB_TYPE="stop"))
    assert ACTION.verify(bench.host, found, asked).well
    bench.journal(record("started", 1.0))
    assert not ACTION.verify(bench.host, found, asked).well


def test_a_time_limit_ends_all_of_it_and_not_one_unit_alone() -> None:
    """An action that goes on after one unit's error must not go on after this."""
    went_on = []
    with pytest.raises(HealError, match=r"it did not end within 0\.05 s"), _at_most(0.05):
        for number in range(2):
            with contextlib.suppress(HealError):
                threading.Event().wait(60)
                went_on.append(number)
    assert went_on == []


def test_an_old_journal_that_names_no_job_does_not_know_who_stopped_it() -> None:
    records = [record("started", 1.0), record("stopped", 2.0)]
    assert judged_history(records, 0.0)["stop_asked"] is None
    assert judged_history([*records, record("started", 3.0)], 0.0)["stop_asked"] is False


@pytest.mark.parametrize(("status", "kept"), [(143, True), (15, True), (1, False), (9, False)])
def test_a_program_that_ended_as_if_told_to_stays_down_where_nobody_knows(
    status: int, kept: bool
) -> None:
    unit = {
        **{"name": "pos.service", "load": "loaded", "file_state": "enabled", "triggered": []},
        **{"active": "failed", "stop_asked": None, "entered": 5, "status": status},
    }
    assert (kept_down(unit) is not None) is kept
    assert kept_down({**unit, "stop_asked": False}) is None
