# SPDX-License-Identifier: GPL-3.0-or-later
"""Failure groups: who may be away together, by table and for any wish."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.capacity.admit import Admission, admit
from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.capacity.groups import cap, groups_of, members_of, needs_consent
from storewarden.domain.capacity.undo import Bound, longest_chain, undo_capacity
from storewarden.domain.estate.device import Device

WIDE = Budgets(store=50, region=Fraction(1), site=500, single_consent=True)


def till(name: str, store: str = "101", **more: object) -> Device:
    return Device(name=name, store=store, region="east", role="pos", **more)  # type: ignore[arg-type]


def server(name: str, store: str = "101", *groups: str) -> Device:
    return Device(name=name, store=store, region="east", role="server", failure_groups=groups)


def asked(
    devices: Collection[Device],
    wanted: Collection[str] = (),
    unavailable: Collection[str] = (),
    budgets: Budgets = WIDE,
    **more: object,
) -> Admission:
    groups = {each.name: groups_of(each) for each in devices}
    return admit(
        wanted or list(groups),
        groups=groups,
        members=members_of(groups),
        unavailable=unavailable,
        budgets=budgets,
        **more,  # type: ignore[arg-type]
    )


def test_groups_go_from_the_host_to_the_site() -> None:
    device = till("p1", failure_groups=("ha-7",))
    assert groups_of(device) == (
        "host:p1", "store:101", "pos:101", "group:ha-7", "region:east", "site",
    )  # fmt: skip
    assert "pos:101" not in groups_of(device, pos_roles=frozenset({"kasse"}))
    assert groups_of(Device(name="x")) == ("host:x", "site")


@pytest.mark.parametrize(
    ("group", "size", "expected"),
    [
        ("host:x", 1, 1),
        ("store:101", 12, 1),
        ("pos:101", 1, 1),
        ("pos:101", 4, 1),
        ("pos:101", 9, 1),
        ("pos:101", 10, 2),
        ("group:ha-7", 2, 1),
        ("group:ha-7", 1, 1),
        ("region:east", 3, 1),
        ("region:east", 100, 20),
        ("site", 10_000, 200),
    ],
)
def test_the_usual_caps(group: str, size: int, expected: int) -> None:
    assert cap(group, size, Budgets()) == expected


def test_no_budget_takes_a_whole_pair_or_all_tills() -> None:
    greedy = Budgets(group=9, pos_share=Fraction(1))
    assert cap("group:ha-7", 2, greedy) == 1
    assert cap("pos:101", 4, greedy) == 3


def test_one_node_of_a_pair_and_one_till_of_a_store() -> None:
    devices = [server("a", "101", "ha"), server("b", "102", "ha"), till("p1"), till("p2")]
    found = asked(devices)
    assert found.admitted == ("a", "p1")
    assert str(found.refused["b"]) == "group:ha: 1 of at most 1 unavailable"
    assert found.refused["p2"].group == "pos:101"


def test_the_offline_half_of_a_pair_protects_its_peer() -> None:
    pair = [server("a", "101", "ha"), server("b", "102", "ha")]
    found = asked(pair, ["a"], unavailable={"b"}, unreachable={"b"})
    assert not found.admitted
    assert found.refused["a"].reason == "group:ha: 1 of at most 1 unavailable (b)"
    assert "b" in found.refused["a"].reason_zh


def test_a_till_that_is_switched_off_closes_a_lane_but_not_the_store() -> None:
    devices = [server("s", "101"), till("p1"), till("p2")]
    one = replace(WIDE, store=1)
    silent = asked(devices, ["s", "p2"], unavailable={"p1"}, budgets=one, unreachable={"p1"})
    assert silent.admitted == ("s",)
    assert silent.refused["p2"].group == "store:101"
    worked_on = asked(devices, ["s", "p2"], unavailable={"p1"}, budgets=one)
    assert not worked_on.admitted


def test_a_group_with_one_member_needs_consent() -> None:
    alone = [server("a", "101", "ups")]
    strict = replace(WIDE, single_consent=False)
    refused = asked(alone, budgets=strict).refused["a"]
    assert refused.consent
    assert refused.reason == "group:ups has no other member: that needs consent"
    assert asked(alone, budgets=strict, consent={"group:ups"}).admitted == ("a",)
    assert asked(alone, budgets=WIDE).admitted == ("a",)
    assert needs_consent("pos:101", 1)
    assert not needs_consent("store:101", 1)


def test_members_that_take_no_part_count_as_others() -> None:
    pair = [server("a", "101", "ha"), server("b", "102", "ha")]
    strict = replace(WIDE, single_consent=False)
    assert asked(pair, ["a"], budgets=strict).admitted == ("a",)


def test_a_broken_host_is_undone_whatever_the_caps_say() -> None:
    pair = [server("a", "101", "ha"), server("b", "102", "ha")]
    assert asked(pair, ["a"], unavailable={"a", "b"}, broken={"a"}).admitted == ("a",)
    assert asked(pair, ["a"], unavailable={"a", "b"}).refused["a"].reason == "is unavailable itself"


def test_a_host_that_holds_its_slot_already_does_not_count_against_itself() -> None:
    pair = [server("a", "101", "ha"), server("b", "102", "ha")]
    assert asked(pair, ["a"], unavailable={"a"}, own={"a"}).admitted == ("a",)
    both = asked(pair, ["a"], unavailable={"a", "b"}, own={"a"})
    assert both.refused["a"].group == "group:ha"


def test_no_more_than_were_asked_for_are_admitted() -> None:
    devices = [server(f"s{n}", str(n)) for n in range(5)]
    assert asked(devices, limit=2).admitted == ("s0", "s1")


def test_a_site_has_its_own_cap() -> None:
    devices = [server(f"s{n}", str(n)) for n in range(5)]
    found = asked(devices, ["s1", "s2"], unavailable=["s0"], budgets=replace(WIDE, site=2))
    assert found.admitted == ("s1",)
    assert found.refused["s2"].reason == "site: 2 of at most 2 unavailable (s0 +1)"


DEVICES = st.lists(
    st.builds(
        lambda store, pos, groups: (store, pos, groups),
        st.sampled_from(["1", "2", "3"]),
        st.booleans(),
        st.sets(st.sampled_from(["ha1", "ha2", "wan"]), max_size=2),
    ),
    min_size=1,
    max_size=14,
).map(
    lambda found: [
        Device(
            name=f"h{n}",
            store=store,
            region="east" if store == "1" else "west",
            role="pos" if pos else "server",
            failure_groups=tuple(sorted(groups)),
        )
        for n, (store, pos, groups) in enumerate(found)
    ]
)
BUDGETS = st.builds(
    Budgets,
    store=st.integers(1, 3),
    pos_share=st.sampled_from([Fraction(1, 5), Fraction(1, 2), Fraction(1)]),
    group=st.integers(1, 3),
    region=st.sampled_from([Fraction(1, 5), Fraction(1, 2), Fraction(1)]),
    site=st.integers(1, 6),
    single_consent=st.booleans(),
)


@given(DEVICES, BUDGETS, st.sets(st.integers(0, 13)), st.randoms(use_true_random=False))
def test_whatever_is_wanted_no_group_goes_above_its_cap(
    devices: list[Device], budgets: Budgets, away: set[int], chance: object
) -> None:
    names = [each.name for each in devices]
    unavailable = {name for n, name in enumerate(names) if n in away}
    wanted = list(names)
    chance.shuffle(wanted)  # type: ignore[attr-defined]
    found = asked(devices, wanted, unavailable, budgets)
    assert set(found.admitted) | set(found.refused) == set(names)
    assert not set(found.admitted) & (set(found.refused) | unavailable)
    groups = {each.name: groups_of(each) for each in devices}
    for group, members in members_of(groups).items():
        taken = set(members) & (unavailable | set(found.admitted))
        most = cap(group, len(members), budgets)
        assert len(taken) <= max(most, len(set(members) & unavailable))


@given(DEVICES, BUDGETS, st.sets(st.integers(0, 13)))
def test_nobody_is_refused_without_a_full_group_or_a_missing_consent(
    devices: list[Device], budgets: Budgets, away: set[int]
) -> None:
    names = [each.name for each in devices]
    unavailable = {name for n, name in enumerate(names) if n in away}
    found = asked(devices, names, unavailable, budgets)
    members = members_of({each.name: groups_of(each) for each in devices})
    for host, why in found.refused.items():
        if why.consent:
            assert len(members[why.group]) == 1
        elif why.group:
            assert why.taken >= why.cap
        else:
            assert host in unavailable


def test_undo_takes_as_many_rounds_as_forks_or_groups_ask_for() -> None:
    minutes = timedelta(minutes=6)
    few = undo_capacity(1000, 50, minutes)
    assert (few.takes, few.fits, few.enough_at_once) == (timedelta(hours=2), False, 100)
    assert undo_capacity(1000, 100, minutes).fits  # an hour sharp: in time, without margin
    grouped = undo_capacity(100, 100, minutes, (12, "store:101"))
    assert (grouped.bound, grouped.group, grouped.fits) == (Bound.GROUP, "store:101", False)


def test_an_undo_that_alone_takes_too_long_has_no_remedy_in_forks() -> None:
    found = undo_capacity(1, 100, timedelta(minutes=61))
    assert not found.fits
    assert found.enough_at_once is None


def test_nothing_exposed_is_undone_at_once() -> None:
    assert undo_capacity(0, 10, timedelta(minutes=6)).takes == timedelta(0)
    with pytest.raises(ValueError, match="at least one"):
        undo_capacity(1, 0, timedelta(minutes=6))


def test_the_longest_chain_is_that_of_the_narrowest_group() -> None:
    members = {"store:1": ("a", "b", "c"), "region:east": tuple("abcdefghij")}
    counts = {"store:1": 3, "region:east": 10}
    assert longest_chain(counts, members, Budgets()) == (5, "region:east")
    assert longest_chain(counts, members, Budgets(region=Fraction(1))) == (3, "store:1")
    assert longest_chain({}, members, Budgets()) == (0, "")
