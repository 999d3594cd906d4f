# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts of an inventory are network devices, and what their report is made of."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    load_catalogue,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_devices import (
    about_devices,
    device_report,
    dialect_of,
    summary,
    with_others,
)


@pytest.mark.parametrize(
    ("variables", "dialect"),
    [
        ({}, None),
        ({"sw_role": "pos"}, None),
        ({"sw_role": "switch"}, "auto"),
        ({"sw_role": "Router"}, "auto"),
        ({"sw_role": "firewall", "baseline_network_os": "linux"}, None),
        ({"sw_role": "server", "baseline_network_os": "vrp"}, "vrp"),
        ({"baseline_network_os": "IOS"}, "ios"),
        ({"baseline_network_os": "auto"}, "auto"),
        ({"baseline_network_os": ""}, None),
        ({"ansible_network_os": "cisco.ios.ios"}, "ios"),
        ({"ansible_network_os": "ios"}, "ios"),
        ({"ansible_network_os": "community.network.ce"}, "vrp"),
        ({"ansible_network_os": "junipernetworks.junos.junos"}, "junos"),
        ({"ansible_network_os": "community.network.ce", "baseline_network_os": "auto"}, "auto"),
        # a connection plugin for devices was chosen: it is no host, whatever else is said
        ({"ansible_network_os": "cisco.ios.ios", "baseline_network_os": "linux"}, "ios"),
        ({"ansible_network_os": ""}, None),
    ],
)
def test_which_hosts_are_devices(variables: dict[str, Any], dialect: str | None) -> None:
    assert dialect_of(variables.get) == dialect


def test_controls_are_sorted_by_what_they_ask() -> None:
    found = [one.id for one in load_catalogue().controls if about_devices(one.data)]
    assert found == [f"K0{number}" for number in range(1, 10)]
    assert not about_devices({"check": {"get": "value", "q": {"of": "netcfg"}, "expect": {}}})
    inside = {"check": {"any": [{"not": {"get": "netcfg"}}]}}
    assert about_devices(inside)


def test_what_is_about_the_other_sort_does_not_apply() -> None:
    prepared = [{"id": "K02", "check": {"get": "value", "q": {"of": 1}, "expect": {"eq": 1}}}]
    limits = {"probe_seconds": 5.0, "total_seconds": 30.0}
    report = with_others(device_report(prepared, "c" * 64, limits), ["A01", "Z01"], device=True)
    assert [one["id"] for one in report["controls"]] == ["A01", "K02", "Z01"]
    assert report["counts"] == {"pass": 1, "fail": 0, "na": 2, "error": 0, "manual": 0}
    assert "network device" in report["controls"][0]["reason"]["en"]
    assert report["content"] == "c" * 64
    assert summary(report).startswith("3 controls: 1 pass, 0 fail, 2 na, 0 error, 0 manual in ")
