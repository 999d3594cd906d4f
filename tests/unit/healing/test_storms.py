# SPDX-License-Identifier: GPL-3.0-or-later
"""Storms and store faults: many alerts, one cause, one incident."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from storewarden.domain.healing.guards.storm import storm_limit
from storewarden.domain.healing.incident_open import faults_of, incidents_for
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Occurrence, Verdict
from storewarden.domain.healing.rule import Impact
from storewarden.domain.healing.world import Said, Sighting, World
from tests.unit.healing.scenes import (
    NOON,
    RULES,
    chain,
    decided,
    granted,
    guards,
    heard,
    minutes,
    only,
    world,
)

TEN_STORES = world(chain(12))


def spread(count: int, at: float = 0) -> list[Occurrence]:
    """One broken till in each of so many stores."""
    return [
        heard(f"pos-{store:03}-1", at=NOON + minutes(at), number=store)
        for store in range(1, count + 1)
    ]


def incidents(alerts: list[Occurrence], there: World) -> list[str]:
    """Which incidents their decisions open."""
    found = decided(*alerts, there=there).decisions
    faults = faults_of([(each, found[each.key]) for each in alerts], RULES, there.devices)
    numbers = iter(f"I-{each}" for each in range(1, 1000))
    plan = incidents_for(faults, {}, lambda: next(numbers))
    return [each.name for each in plan.opened]


@pytest.mark.parametrize(("fleet", "limit"), [(10, 10), (500, 10), (501, 11), (10_000, 200)])
def test_what_makes_a_storm_grows_with_the_fleet(fleet: int, limit: int) -> None:
    assert storm_limit(fleet, HealPolicy()) == limit


def test_nine_stores_are_no_storm() -> None:
    found = decided(*spread(9), there=TEN_STORES)
    assert "storm" not in {each for one in found.decisions.values() for each in guards(one)}
    assert Counter(each.verdict for each in found.decisions.values())[Verdict.ACT] == 3  # the rate


def test_ten_stores_with_a_broken_till_each_are_told_once_and_nothing_is_done() -> None:
    alerts = spread(10)
    found = decided(*alerts, there=TEN_STORES)
    assert found.repairs == ()
    assert {each.verdict for each in found.decisions.values()} == {Verdict.ASK}
    assert {each.incident for each in found.decisions.values()} == {"storm:pos-down"}
    assert incidents(alerts, TEN_STORES) == ["storm:pos-down"]


def test_a_storm_is_a_storm_when_its_alerts_come_one_after_the_other() -> None:
    seen = [
        Sighting(rule="pos-down", host=f"pos-{store:03}-1", at=NOON - minutes(4.9))
        for store in range(1, 10)
    ]
    late = heard("pos-010-1")
    assert only(late, there=replace(TEN_STORES, recent=tuple(seen))).verdict is Verdict.ASK
    old = tuple(replace(each, at=NOON - minutes(5)) for each in seen)
    assert only(late, there=replace(TEN_STORES, recent=old)).verdict is Verdict.ACT


def test_one_host_that_flaps_is_no_storm() -> None:
    alerts = [heard("pos-001-1", labels={"try": str(each)}) for each in range(20)]
    found = decided(*alerts, there=TEN_STORES)
    assert {each.verdict for each in found.decisions.values()} == {Verdict.ACT}
    assert len(found.repairs) == 1


def test_other_rules_have_no_storm() -> None:
    found = decided(*spread(10), heard("srv-011", "uplink-down"), there=TEN_STORES)
    told = [each for each in found.decisions.values() if each.rule == "uplink-down"]
    assert "storm" not in guards(told[0])


def test_a_storm_holds_until_it_is_over() -> None:
    holding = replace(TEN_STORES, storms={"pos-down": NOON + minutes(5)})
    assert only(heard(), there=holding).verdict is Verdict.ASK
    assert only(heard(at=NOON + minutes(5)), there=holding, now=NOON + minutes(5)).verdict is (
        Verdict.ACT
    )


def test_a_person_lets_one_host_of_a_storm_be_repaired() -> None:
    first, *rest = spread(10)
    found = decided(granted(first, NOON + minutes(30)), *rest, there=TEN_STORES)
    assert found.decisions[first.key].verdict is Verdict.ACT
    assert len(found.repairs) == 1
    assert found.repairs[0].hosts == ("pos-001-1",)


def test_a_storm_that_is_stopped_for_another_reason_is_told_once_all_the_same() -> None:
    alerts = spread(10)
    stopped = replace(TEN_STORES, stopped=Said(en="x", zh="某"))
    assert incidents(alerts, stopped) == ["storm:pos-down"]


@pytest.mark.parametrize(
    ("tills", "broken", "fault"),
    [
        (6, 3, False),  # of seven hosts, four are the half
        (6, 4, True),
        (2, 2, False),  # of three hosts, but at least three
        (2, 3, True),
        (5, 3, True),  # of six, three are the half
    ],
)
def test_half_of_a_store_is_the_store(tills: int, broken: int, fault: bool) -> None:
    there = world(chain(3, tills))
    hosts = [*(f"pos-001-{each}" for each in range(1, tills + 1)), "srv-001"][:broken]
    found = decided(*map(heard, hosts), there=there)
    suppressed = [each for each in found.decisions.values() if each.verdict is Verdict.SUPPRESS]
    assert (len(suppressed) == broken) is fault
    if fault:
        assert incidents([heard(host) for host in hosts], there) == ["store:001"]
        assert not found.repairs


def test_alerts_of_several_rules_make_a_store_fault() -> None:
    there = world(chain(3, 5))
    alerts = [heard("pos-001-1"), heard("pos-001-2"), heard("srv-001", "uplink-down")]
    found = decided(*alerts, there=there)
    assert {each.incident for each in found.decisions.values()} == {"store:001"}


def test_a_store_fault_is_high_whatever_its_rules_say() -> None:
    there = world(chain(3, 5))
    alerts = [heard(f"pos-001-{each}") for each in range(1, 4)]
    found = decided(*alerts, there=there).decisions
    (fault,) = faults_of([(each, found[each.key]) for each in alerts], RULES, there.devices)
    assert fault.priority is Impact.HIGH
    assert set(fault.items) == {"CI-pos-001-1", "CI-pos-001-2", "CI-pos-001-3"}


def test_hosts_without_a_store_make_no_store_fault() -> None:
    loose = [replace(each, store="") for each in TEN_STORES.devices.values()]
    found = decided(*spread(4), there=world(loose))
    assert Verdict.SUPPRESS not in {each.verdict for each in found.decisions.values()}
