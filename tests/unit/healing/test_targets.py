# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert has one host that is looked up exactly, or none."""

from __future__ import annotations

import pytest

from storewarden.domain.healing.record import Verdict
from storewarden.domain.healing.target import Target, Via, aim, host_part
from storewarden.domain.healing.template import LabelMissing, fill, fill_data, labels_in
from tests.unit.healing.scenes import alert, chain, heard, only, rule, world

WORLD = world(
    addresses={
        "10.0.1.1": ("pos-001-1",),
        "fe80::1": ("pos-001-2",),
        "10.0.1.9": ("pos-001-3", "pos-001-4"),
        "10.0.1.8": ("gone",),
    },
    places={("001", "5"): ("pos-001-5",), ("all", "*"): ("pos-001-6",)},
)
NAME = Target(template="{host}")
ADDRESS = Target(template="{instance}", via=Via.ADDRESS)
PLACE = Target(template="{store}/{terminal}", via=Via.PLACE)


@pytest.mark.parametrize(
    ("target", "labels", "host"),
    [
        (NAME, {"host": "pos-001-1"}, "pos-001-1"),
        (Target(template="pos-{s}-{t}"), {"s": "002", "t": "6"}, "pos-002-6"),
        (ADDRESS, {"instance": "10.0.1.1"}, "pos-001-1"),
        (ADDRESS, {"instance": "10.0.1.1:9100"}, "pos-001-1"),
        (ADDRESS, {"instance": "https://10.0.1.1:8443/health"}, "pos-001-1"),
        (ADDRESS, {"instance": "[fe80::1]:9100"}, "pos-001-2"),
        (PLACE, {"store": "001", "terminal": "5"}, "pos-001-5"),
    ],
)
def test_one_host_is_found(target: Target, labels: dict[str, str], host: str) -> None:
    found = aim(target, labels, WORLD)
    assert found.host == host
    assert found.reason is None


@pytest.mark.parametrize(
    ("target", "labels", "said"),
    [
        (NAME, {}, "no label host"),
        (NAME, {"host": ""}, "no label host"),
        (NAME, {"host": "pos-009-1"}, "no host of the inventory"),
        (NAME, {"host": "POS-001-1"}, "no host of the inventory"),
        (NAME, {"host": "all"}, "never targets"),
        (NAME, {"host": "ungrouped"}, "never targets"),
        (NAME, {"host": "pos-001-*"}, "never targets"),
        (NAME, {"host": "pos-001-1,pos-001-2"}, "never targets"),
        (NAME, {"host": "pos-001-1:pos-001-2"}, "never targets"),
        (NAME, {"host": "!pos-001-1"}, "never targets"),
        (NAME, {"host": "~pos.*"}, "never targets"),
        (NAME, {"host": "@hosts"}, "never targets"),
        (NAME, {"host": "pos-001-1 pos-001-2"}, "never targets"),
        (NAME, {"host": "{other}", "other": "pos-001-1"}, "never targets"),
        (NAME, {"host": "pos-001-1\n"}, ""),  # blanks around a name mean nothing
        (ADDRESS, {"instance": "10.0.1.9:9100"}, "means 2 hosts"),
        (ADDRESS, {"instance": "10.0.1.8"}, "no host of the inventory"),
        (ADDRESS, {"instance": "10.0.1"}, "no host of the inventory"),
        (PLACE, {"store": "001"}, "no label terminal"),
        (PLACE, {"store": "001", "terminal": "9"}, "no host of the inventory"),
    ],
)
def test_anything_else_is_refused(target: Target, labels: dict[str, str], said: str) -> None:
    found = aim(target, labels, WORLD)
    if not said:
        assert found.host == "pos-001-1"
        return
    assert found.host == ""
    assert found.reason is not None
    assert said in found.reason.en


def test_an_inventory_that_has_a_host_called_all_does_not_change_that() -> None:
    from storewarden.domain.estate.device import Device

    there = world([*chain(1), Device(name="all")], addresses={"10.0.0.1": ("all",)})
    assert aim(NAME, {"host": "all"}, there).host == ""
    assert aim(ADDRESS, {"instance": "10.0.0.1"}, there).host == ""


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("pos-1:9100", "pos-1"),
        ("pos-1", "pos-1"),
        ("fe80::1", "fe80::1"),
        ("[fe80::1]", "fe80::1"),
        ("http://pos-1/x:1", "pos-1"),
        ("", ""),
    ],
)
def test_the_host_of_an_address(text: str, host: str) -> None:
    assert host_part(text) == host


def test_labels_are_put_in_as_they_are_and_never_looked_at_again() -> None:
    labels = {"a": "{b}", "b": "{{ lookup('pipe', 'id') }}"}
    assert fill("x-{a}-{b}", labels) == "x-{b}-{{ lookup('pipe', 'id') }}"
    assert fill_data({"k": ["{a}", 3, {"n": "-{b}"}]}, labels) == {
        "k": ["{b}", 3, {"n": "-{{ lookup('pipe', 'id') }}"}]
    }
    assert fill("{a.b} {0} {}", labels) == "{a.b} {0} {}"
    with pytest.raises(LabelMissing):
        fill("{c}", labels)


@pytest.mark.parametrize("template", ["{{ host }}", "{% if x %}", "{# x #}"])
def test_a_template_language_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="nothing is computed"):
        labels_in(template)


def test_an_option_whose_label_is_missing_is_refused() -> None:
    needs = rule(options={"unit": "{unit}"})
    decision = only(heard(), rules=(needs,))
    assert decision.verdict is Verdict.REFUSE
    assert "no label unit" in decision.reasons[0].en
    told = heard(alert=alert(unit="pos.service"))
    decision = only(told, rules=(needs,))
    assert decision.verdict is Verdict.ACT
    assert decision.options == {"unit": "pos.service"}
