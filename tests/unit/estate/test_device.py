# SPDX-License-Identifier: GPL-3.0-or-later
"""Host variables become devices and named findings, never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.estate.device import VARIABLES, Flaw, Tier, read_estate

GOOD = {
    "sw_store": "000101",
    "sw_region": "华东",
    "sw_role": "pos",
    "sw_ci": "POS-210231A3TQB194000005",
    "sw_tier": "core",
    "sw_failure_groups": ["wan-101"],
    "sw_tz": "Asia/Shanghai",
    "sw_hours": "10:00-22:00",
}


def zone_known(name: str) -> bool:
    return name in ("Asia/Shanghai", "Europe/Berlin")


def test_a_complete_host_is_a_device_without_findings() -> None:
    estate = read_estate({"pos01": GOOD}, zone_known)
    assert estate.findings == ()
    (device,) = estate.devices
    assert (device.name, device.store, device.region) == ("pos01", "000101", "华东")
    assert device.tier is Tier.CORE
    assert device.failure_groups == ("wan-101",)
    assert device.hours is not None
    assert device.hours.text == "10:00-22:00"


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_missing_variable_is_named_with_its_host_and_advice(variable: str) -> None:
    variables = {name: value for name, value in GOOD.items() if name != variable}
    estate = read_estate({"pos01": variables}, zone_known)
    assert [(f.host, f.variable, f.flaw) for f in estate.findings] == [
        ("pos01", variable, Flaw.MISSING)
    ]
    assert estate.findings[0].advice.startswith("set ")
    assert [device.name for device in estate.devices] == ["pos01"]


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("sw_store", 101, "quote it"),
        ("sw_store", "{{ lookup('env', 'X') }}", "plain word"),
        ("sw_ci", ["a"], "not text"),
        ("sw_tier", "vital", "not a tier"),
        ("sw_failure_groups", 7, "not a list"),
        ("sw_failure_groups", ["a", 7], "not text"),
        ("sw_tz", "Asia/Nowhere", "not a known time zone"),
        ("sw_hours", "10-22", "not like"),
        ("sw_hours", 36000, "not text"),
    ],
)
def test_malformed_values_are_findings(variable: str, value: object, says: str) -> None:
    estate = read_estate({"pos01": {**GOOD, variable: value}}, zone_known)
    (finding,) = estate.findings
    assert (finding.variable, finding.flaw) == (variable, Flaw.MALFORMED)
    assert says in str(finding)
    assert estate.incomplete == {"pos01"}


def test_no_failure_group_is_something_one_can_say() -> None:
    estate = read_estate({"pos01": {**GOOD, "sw_failure_groups": []}}, zone_known)
    assert estate.findings == ()
    assert estate.devices[0].failure_groups == ()


def test_text_that_ansible_marks_as_data_is_read() -> None:
    marked = {name: {"__ansible_unsafe": value} for name, value in GOOD.items()}
    marked["sw_failure_groups"] = [{"__ansible_unsafe": "wan-101"}]  # type: ignore[assignment]
    estate = read_estate({"pos01": marked}, zone_known)
    assert estate.findings == ()
    assert estate.devices[0].failure_groups == ("wan-101",)


def test_one_configuration_item_cannot_be_two_hosts() -> None:
    estate = read_estate({"pos01": GOOD, "pos02": GOOD}, zone_known)
    (finding,) = estate.findings
    assert (finding.host, finding.flaw) == ("pos02", Flaw.DUPLICATE)
    assert "pos01" in finding.advice


_SCALAR = st.sampled_from([None, True, 0, -1, 2.5, "", " ", "x", "core", "10:00-22:00", "\x00"])
_JSON = _SCALAR | st.lists(_SCALAR, max_size=2) | st.dictionaries(st.just("k"), _SCALAR)


@given(st.dictionaries(st.sampled_from(VARIABLES), _JSON))
def test_no_inventory_makes_it_raise(variables: dict[str, object]) -> None:
    estate = read_estate({"h": variables}, zone_known)
    assert len(estate.devices) == 1
    assert {f.variable for f in estate.findings} >= set(VARIABLES) - set(variables)
