# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be broken, and every reason why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.chaos.fault import FAULTS
from storewarden.domain.chaos.plain import plan_data
from storewarden.domain.chaos.plan import HostFacts, Tag, planned, tag_of
from storewarden.domain.errors import ConfigInvalid
from tests.unit.chaos.facts import OTHER, TILL, facts, lab_host, wish


def _objections(*given: Any) -> list[str]:
    return [each.about for each in planned(*given).objections]


def test_a_lab_host_is_broken_without_a_change() -> None:
    plan = planned(wish(), facts())
    assert plan.allowed
    assert plan.change == ""


@pytest.mark.parametrize(
    ("variables", "groups", "tag"),
    [
        ({"sw_chaos": "lab"}, (), Tag.LAB),
        ({"sw_chaos": True}, (), Tag.OPEN),
        ({}, ("pos", "chaos"), Tag.OPEN),
        ({"sw_chaos": False}, ("chaos",), Tag.NONE),
        ({"sw_chaos": "yes"}, (), Tag.NONE),
        ({"sw_chaos": 1}, (), Tag.NONE),
        ({"sw_chaos": None}, ("chaos",), Tag.NONE),
        ({}, ("pos",), Tag.NONE),
    ],
)
def test_only_a_clear_yes_of_the_inventory_counts(
    variables: dict[str, object], groups: tuple[str, ...], tag: Tag
) -> None:
    assert tag_of(variables, groups) is tag


def test_a_host_without_a_tag_is_refused() -> None:
    plan = planned(wish(), facts(hosts={TILL: HostFacts()}))
    against = plan.objections[0]
    assert (against.about, against.host) == ("tag", TILL)
    assert "sw_chaos" in against.en and "sw_chaos" in against.zh


def test_a_tagged_host_needs_an_approved_change_and_its_unit_by_name() -> None:
    tagged = lab_host(tag=Tag.OPEN)
    assert _objections(wish(), facts(hosts={TILL: tagged})) == ["target", "change"]
    tagged = lab_host(tag=Tag.OPEN, units=("pos",))  # a name without a type is a service
    plan = planned(wish(), facts(hosts={TILL: tagged}, change="GMBG-20260601-001"))
    assert (plan.allowed, plan.change) == (True, "GMBG-20260601-001")


@pytest.mark.parametrize(
    ("host", "about"),
    [
        ({"protected": ("db_primary",)}, "protected"),
        ({"busy": "rollout R-7"}, "busy"),
        ({"closed": ("campaign", "促销活动")}, "window"),
    ],
)
def test_what_stands_in_the_way_of_a_host(host: dict[str, object], about: str) -> None:
    assert _objections(wish(), facts(hosts={TILL: lab_host(**host)})) == [about]


def test_the_kill_switch_holds_for_experiments() -> None:
    plan = planned(wish(), facts(stopped=("stopped by head: fire", "已由人员停止")))
    assert [each.en for each in plan.objections] == ["stopped by head: fire"]


def test_one_host_at_a_time_unless_somebody_says_more() -> None:
    two = {TILL: lab_host(), OTHER: lab_host()}
    assert _objections(wish(TILL, OTHER), facts(hosts=two)) == ["blast radius"]
    assert planned(wish(TILL, OTHER), facts(hosts=two, most=2)).allowed


def test_experiments_that_run_count_as_broken() -> None:
    two = {TILL: lab_host(groups=("store:000101",)), OTHER: lab_host(groups=("store:000101",))}
    running = facts(hosts=two, experiments={OTHER: "chaos-3"}, most=2)
    assert "apart" in _objections(wish(TILL), running)
    assert "busy" in _objections(wish(OTHER), running)
    assert "blast radius" in _objections(wish(TILL), facts(experiments={OTHER: "chaos-3"}))


def test_who_is_in_the_way_is_named_with_its_experiment() -> None:
    """The first objection is all that a refusal says."""
    two = {TILL: lab_host(groups=("group:ha-7",)), OTHER: lab_host(groups=("group:ha-7",))}
    running = facts(hosts=two, experiments={OTHER: "chaos-3"})
    radius, apart = planned(wish(TILL), running).objections
    assert f"broken already: {OTHER} (chaos-3)" in radius.en and OTHER in radius.zh
    assert apart.en == f"group:ha-7 has {OTHER} broken already by chaos-3"
    assert OTHER in apart.zh and "chaos-3" in apart.zh
    together = planned(wish(TILL, OTHER), facts(hosts=two, most=2)).objections[0]
    assert together.en == f"group:ha-7 has {TILL} in the same experiment"


def test_the_other_name_of_the_machine_is_named() -> None:
    tag = planned(wish(), facts(hosts={TILL: HostFacts(twin=OTHER)})).objections[0]
    assert tag.en.endswith(f": {OTHER} is the same machine") and OTHER in tag.zh


@pytest.mark.parametrize("group", ["store:000101", "group:ha-7"])
def test_never_two_of_a_store_or_a_failure_group(group: str) -> None:
    two = {TILL: lab_host(groups=(group,)), OTHER: lab_host(groups=(group,))}
    plan = planned(wish(TILL, OTHER), facts(hosts=two, most=9))
    apart = [each for each in plan.objections if each.about == "apart"]
    assert [each.host for each in apart] == [OTHER]


def test_what_belongs_together_keeps_enough() -> None:
    """Its peer is away already."""
    pair = {TILL: lab_host(tag=Tag.OPEN, units=("pos",), groups=("group:ha-7",))}
    away = facts(
        hosts=pair, members={"group:ha-7": (TILL, OTHER)}, unavailable={OTHER}, change="C-1"
    )
    assert _objections(wish(), away) == ["budget"]


def test_only_folders_that_are_allowed_are_filled() -> None:
    assert planned(wish(fault="fill-disk"), facts()).allowed
    assert _objections(wish(fault="fill-disk", path="/srv/sales"), facts()) == ["target"]
    own = facts(hosts={TILL: lab_host(paths=("/srv/scratch",))})
    assert planned(wish(fault="fill-disk", path="/srv/scratch"), own).allowed
    assert _objections(wish(fault="fill-disk"), own) == ["target"]


def test_an_expected_rule_must_be_there() -> None:
    asked = replace(wish(), expect="till down")
    assert _objections(asked, facts()) == ["rule"]
    assert planned(asked, facts(rules={"till down"})).allowed


@pytest.mark.parametrize(
    "given",
    [
        wish(fault="format-disk"),
        wish(span=9),
        wish(span=31 * 60),
        wish(fault="cut-link", span=16 * 60),
        wish(TILL, TILL),
        wish(user="root"),
        wish(unit="pos", force="yes"),
        wish(unit=""),
    ],
)
def test_a_wish_that_makes_no_sense_is_named(given: Any) -> None:
    with pytest.raises(ConfigInvalid):
        planned(given, facts())


_HOSTS = st.builds(
    HostFacts,
    tag=st.sampled_from(Tag),
    protected=st.sampled_from([(), ("db_primary",)]),
    busy=st.sampled_from(["", "rollout R-1"]),
    closed=st.sampled_from([None, ("closed", "关闭")]),
    units=st.sampled_from([(), ("pos.service",)]),
    groups=st.sampled_from([(), ("store:1",), ("store:2",), ("store:1", "group:ha")]),
)


@given(
    hosts=st.dictionaries(st.sampled_from("abcd"), _HOSTS, min_size=1),
    most=st.integers(1, 4),
    change=st.sampled_from(["", "C-1"]),
    stopped=st.sampled_from([None, ("stop", "停止")]),
)
def test_whatever_is_allowed_keeps_every_promise(
    hosts: dict[str, HostFacts], most: int, change: str, stopped: tuple[str, str] | None
) -> None:
    plan = planned(wish(*hosts), facts(hosts=hosts, most=most, change=change, stopped=stopped))
    assert all(each["en"] and each["zh"] for each in plan_data(plan)["reasons"])  # type: ignore[attr-defined]
    if not plan.allowed:
        return
    assert stopped is None and len(hosts) <= most
    stores = [group for each in hosts.values() for group in each.groups]
    assert len(stores) == len(set(stores))
    for each in hosts.values():
        assert each.tag is not Tag.NONE and not each.protected and not each.busy
        assert each.closed is None
        assert each.tag is Tag.LAB or (change and "pos.service" in each.units)


def test_every_fault_says_what_it_does_in_both_languages() -> None:
    for name, fault in FAULTS.items():
        assert fault.name == name and fault.en and fault.zh
        assert fault.longest.total_seconds() <= 3600  # what the host's module takes
