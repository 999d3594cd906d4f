# SPDX-License-Identifier: GPL-3.0-or-later
"""Membership: who is in which wave, by table and for any estate."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.estate.device import Device, EstateFinding, Flaw
from storewarden.domain.rollout.plan import Labels, plan, settled
from storewarden.domain.rollout.spec import PayloadClass, SizeKind, Soak, WaveSize
from storewarden.domain.rollout.spec_defaults import REST, REST_AT_ONCE
from tests.unit.rollout.planned_stores import chain, device, mixed, spec, stores

TENTH = WaveSize(kind=SizeKind.SHARE, share=Fraction(1, 10))


def sizes(*waves: WaveSize, of: Sequence[Device], **more: object) -> list[int]:
    return [len(wave.stores) for wave in plan(spec(*waves, **more), of).waves]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [1]),
        (3, [1, 2]),
        (7, [1, 2, 2, 2]),  # 10 % of 7 is 1; the rest by 30 %, at most 3 stores each
        (19, [1, 2, 5, 5, 6]),  # 10 % of 19 is 2, which three stores have passed already
        (30, [1, 2, 9, 9, 9]),
        (100, [1, 2, 7, 30, 30, 30]),
    ],
)
def test_the_default_is_one_store_three_stores_a_tenth_and_the_rest(
    count: int, expected: list[int]
) -> None:
    assert sizes(of=chain(count)) == expected


def test_a_share_is_rounded_up() -> None:
    assert sizes(TENTH, REST_AT_ONCE, of=chain(19)) == [2, 17]


def test_a_wave_that_adds_nothing_is_named_and_left_out() -> None:
    made = plan(spec(stores(3), TENTH, REST_AT_ONCE), chain(19))
    assert [len(wave.stores) for wave in made.waves] == [3, 16]
    assert made.idle == (TENTH,)
    assert [wave.number for wave in made.waves] == [1, 2]


def test_sub_waves_never_shrink() -> None:
    assert sizes(stores(2), stores(12, most=4), of=chain(12)) == [2, 3, 3, 4]


def test_what_the_waves_do_not_reach_follows_as_the_rest() -> None:
    made = plan(spec(stores(1)), chain(11))
    assert [len(wave.stores) for wave in made.waves] == [1, 3, 3, 4]
    assert made.added_rest
    assert not plan(spec(stores(1), REST), chain(11)).added_rest


def test_a_label_takes_the_stores_that_carry_it_first() -> None:
    label = WaveSize(kind=SizeKind.LABEL, label="pilot")
    groups = {"pilot": ("server.0007", "server.0003", "nobody")}
    made = plan(spec(label, REST_AT_ONCE), chain(10), Labels(groups=groups))
    assert set(made.waves[0].stores) == {"000007", "000003"}
    assert len(made.waves[1].stores) == 8


def test_a_stratum_wave_has_so_many_stores_of_each_kind() -> None:
    each = WaveSize(kind=SizeKind.STRATUM, stores=2)
    estate = mixed({f"s{n}": ("server",) for n in range(8)} | {f"p{n}": ("pos",) for n in range(8)})
    first = plan(spec(each, REST_AT_ONCE), estate).waves[0].stores
    assert sorted(store[0] for store in first) == ["p", "p", "s", "s"]


def test_the_first_store_shows_the_most_kinds_of_devices() -> None:
    estate = mixed(
        {f"{n:03d}": ("server",) for n in range(50)}
        | {"big": ("server", "pos", "router")}
        | {"odd": ("kiosk",)}
    )
    made = plan(spec(stores(1), stores(2), REST_AT_ONCE), estate)
    assert made.waves[0].stores == ("big",)
    assert made.waves[1].stores == ("odd",)
    assert [cut.unseen for cut in made.cuts] == [1, 0, 0]
    assert made.strata == 4


def test_strata_may_be_variables_of_the_inventory() -> None:
    variables = {"server.0005": {"os": "rocky9"}}
    asked = spec(stores(2), REST_AT_ONCE, strata=("sw_role", "os"))
    made = plan(asked, chain(20), Labels(variables=variables))
    assert "000005" in made.waves[0].stores


def test_all_devices_of_a_store_come_together() -> None:
    made = plan(spec(), chain(20, ("server", "pos", "router")))
    waves = {host.store: set[int]() for host in made.hosts}
    for host in made.hosts:
        waves[host.store].add(host.wave)
    assert all(len(found) == 1 for found in waves.values())


def test_another_salt_draws_another_canary() -> None:
    canaries = {plan(spec(salt=str(n)), chain(50)).waves[0].stores[0] for n in range(20)}
    assert len(canaries) > 5


def test_the_salt_is_what_is_rolled_out() -> None:
    nothing = spec(salt="", options={"version": "1.2"})
    again = spec(salt="", options={"version": "1.2"}, soak=Soak(wall=timedelta(hours=1)))
    other = spec(salt="", options={"version": "1.3"})
    assert settled(nothing).salt == settled(again).salt != settled(other).salt
    assert plan(nothing, chain(9)).spec.salt


def test_devices_of_other_roles_are_left_out_and_counted() -> None:
    made = plan(spec(roles=("pos",)), chain(4, ("server", "pos")))
    assert {host.role for host in made.hosts} == {"pos"}
    assert made.left_out == 4


@pytest.mark.parametrize(
    ("field", "variable"),
    [
        ("store", "sw_store"),
        ("region", "sw_region"),
        ("role", "sw_role"),
        ("ci", "sw_ci"),
        ("tz", "sw_tz"),
        ("hours", "sw_hours"),
        ("failure_groups", "sw_failure_groups"),
    ],
)
def test_a_device_of_which_something_is_not_known_is_refused_by_name(
    field: str, variable: str
) -> None:
    lacking = replace(device("x", "000099"), **{field: None if field[0] in "hf" else ""})
    made = plan(spec(roles=("server",)), [*chain(3), lacking])
    assert [host.host for host in made.refused] == ["x"]
    assert variable in made.refused[0].reason
    assert variable in made.refused[0].reason_zh
    assert "x" not in {host.name for host in made.hosts}


def test_findings_of_the_estate_refuse_too_but_not_for_a_tier() -> None:
    findings = [
        EstateFinding(
            host="server.0001", variable="sw_ci", flaw=Flaw.DUPLICATE, advice="belongs to b already"
        ),
        EstateFinding(host="server.0002", variable="sw_tier", flaw=Flaw.MISSING, advice="set it"),
    ]
    made = plan(spec(), chain(3), findings=findings)
    assert [(each.host, each.reason) for each in made.refused] == [
        ("server.0001", "sw_ci duplicate: belongs to b already")
    ]


def test_nobody_left_is_a_plan_without_waves() -> None:
    assert plan(spec(roles=("kiosk",)), chain(3)).waves == ()


def test_a_host_that_is_given_twice_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="twice"):
        plan(spec(), [*chain(2), *chain(1)])


def test_content_takes_its_rest_in_one_wave() -> None:
    asked = replace(spec(), payload_class=PayloadClass.CONTENT)
    assert sizes(of=chain(40), payload_class=PayloadClass.CONTENT) == [4, 36]
    assert settled(asked).waves[-1] == REST_AT_ONCE


KINDS = st.sampled_from(["server", "pos", "router", "switch", "kiosk"])
ESTATES = st.dictionaries(
    st.integers(0, 99).map("{:06d}".format), st.sets(KINDS, min_size=1), max_size=40
).map(mixed)
SIZES = st.one_of(
    st.integers(1, 50).map(stores),
    st.integers(1, 100).map(lambda n: WaveSize(kind=SizeKind.SHARE, share=Fraction(n, 100))),
    st.integers(1, 3).map(lambda n: WaveSize(kind=SizeKind.STRATUM, stores=n)),
    st.just(WaveSize(kind=SizeKind.LABEL, label="tills")),
    st.integers(1, 9).map(lambda n: WaveSize(kind=SizeKind.SHARE, share=Fraction(1), most=n)),
)
WAVES = st.lists(SIZES, max_size=6)


def labels(estate: Sequence[Device]) -> Labels:
    return Labels(groups={"tills": [each.name for each in estate if each.role == "pos"]})


@given(ESTATES, WAVES, st.text(max_size=5))
def test_every_host_is_in_exactly_one_wave(
    estate: list[Device], waves: list[WaveSize], salt: str
) -> None:
    made = plan(spec(*waves, salt=salt), estate, labels(estate))
    assert sorted(host.name for host in made.hosts) == sorted(each.name for each in estate)
    assert sorted(made.stores) == sorted({each.store for each in estate})
    by_wave = {wave.number: set(wave.stores) for wave in made.waves}
    assert all(host.store in by_wave[host.wave] for host in made.hosts)
    assert all(by_wave.values())
    assert list(by_wave) == list(range(1, len(by_wave) + 1))


@given(ESTATES, WAVES, st.randoms(use_true_random=False))
def test_the_order_of_the_inventory_does_not_matter(
    estate: list[Device], waves: list[WaveSize], chance: random.Random
) -> None:
    made = plan(spec(*waves), estate, labels(estate))
    shuffled = list(estate)
    chance.shuffle(shuffled)
    assert plan(spec(*waves), shuffled, labels(shuffled)) == made


@given(ESTATES, st.lists(st.integers(1, 100), min_size=1, max_size=5))
def test_waves_by_share_reach_the_share_rounded_up(
    estate: list[Device], percents: list[int]
) -> None:
    waves = [WaveSize(kind=SizeKind.SHARE, share=Fraction(n, 100)) for n in sorted(percents)]
    made = plan(spec(*waves), estate)
    everything, reached = len(made.stores), 0
    cumulative = []
    for wave in made.waves:
        reached += len(wave.stores)
        cumulative.append(reached)
    assert cumulative == sorted(cumulative)
    assert all(ceil(each.share * everything) in (*cumulative, 0) for each in waves)


@given(ESTATES, WAVES)
def test_every_kind_is_seen_as_early_as_its_store_count_allows(
    estate: list[Device], waves: list[WaveSize]
) -> None:
    """No store that shows nothing new comes before one that shows a kind nobody has seen."""
    counted = [each for each in waves if each.kind in (SizeKind.STORES, SizeKind.SHARE)]
    made = plan(spec(*counted), estate)
    kinds = {store: set[str]() for store in made.stores}
    for each in estate:
        kinds[each.store].add(each.role)
    seen, ended = set[str](), False
    for store in made.stores:
        new = kinds[store] - seen
        assert not (ended and new)
        ended = ended or not new
        seen |= new


@given(ESTATES, WAVES)
def test_the_digest_tells_two_memberships_apart(
    estate: list[Device], waves: list[WaveSize]
) -> None:
    made = plan(spec(*waves), estate)
    if made.waves:
        fewer = [each for each in estate if each.store != made.stores[-1]]
        assert plan(spec(*waves), fewer).membership != made.membership
