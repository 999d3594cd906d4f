# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards that share out places: hosts, groups, rates, runs, and the way back after failures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.healing.breaker import breaker_of
from storewarden.domain.healing.decide import Decisions
from storewarden.domain.healing.guards.rate import limits
from storewarden.domain.healing.history import PastRepair
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import MOST_HOSTS, Repair, RepairState, Verdict
from storewarden.domain.healing.world import Busy, World
from tests.unit.healing.scenes import (
    NIGHT,
    NOON,
    POLICY,
    SERVICE,
    chain,
    decided,
    device,
    granted,
    guards,
    heard,
    minutes,
    only,
    repaired,
    rule,
    world,
)

WIDE = replace(
    POLICY, hosts_10min=1000, hosts_hour=1000, hosts_day=1000, storm_hosts=1000, fault_hosts=1000
)
"""Without rates, storms and store faults, which have tests of their own."""


def verdicts(found: Decisions) -> list[Verdict]:
    """What was decided, in the order of the keys."""
    return [each.verdict for each in found.decisions.values()]


def links(hosts: list[str], there: World, policy: HealPolicy = WIDE) -> list[str]:
    """Which of the hosts a disruptive action is let onto at night."""
    alerts = [heard(host, "uplink-down", NIGHT, number=number) for number, host in enumerate(hosts)]
    found = decided(*alerts, there=there, now=NIGHT, policy=policy)
    return [host for repair in found.repairs for host in repair.hosts]


def running(*hosts: str, ident: str = "C-H1", **more: object) -> Repair:
    """An open repair."""
    given: dict[str, object] = {"action": "service", "rule": "pos-down", "opened_at": NOON, **more}
    return Repair(id=ident, change="C", hosts=hosts, occurrences=(), **given)


# One piece of work per host.


@pytest.mark.parametrize(
    "facts",
    [
        {"busy": {"pos-001-1": Busy(who="rollout R-7")}},
        {"running": (running("pos-001-1"),)},
    ],
)
def test_a_busy_host_is_waited_for_ten_minutes(facts: dict[str, object]) -> None:
    there = world(**facts)
    waiting = only(heard(), there=there, now=NOON + minutes(9))
    assert waiting.verdict is Verdict.WAIT
    assert guards(waiting) == ["busy"]
    assert only(heard(), there=there, now=NOON + minutes(10)).verdict is Verdict.ESCALATE
    assert only(heard("pos-001-2"), there=there).verdict is Verdict.ACT


def test_a_repair_that_has_ended_keeps_nobody_away() -> None:
    over = running("pos-001-1", state=RepairState.ENDED)
    assert only(heard(), there=world(running=(over,))).verdict is Verdict.ACT


def test_the_same_host_asked_twice_for_the_same_thing_joins_one_repair() -> None:
    first, second = heard(), heard(labels={"service": "sales"})
    found = decided(first, second)
    assert verdicts(found) == [Verdict.ACT, Verdict.ACT]
    (repair,) = found.repairs
    assert repair.hosts == ("pos-001-1",)
    assert set(repair.occurrences) == {first.key, second.key}


def test_the_same_host_asked_for_two_things_does_one_of_them() -> None:
    other = rule("disk-full", action="service")
    first = heard(number=1)
    second = heard(name="disk-full", number=2)
    found = decided(first, second, rules=(rule(), other))
    assert found.decisions[first.key].verdict is Verdict.ACT
    assert found.decisions[second.key].verdict is Verdict.WAIT
    assert guards(found.decisions[second.key]) == ["busy"]
    assert len(found.repairs) == 1


# Redundancy.


def test_one_of_a_pair_stays() -> None:
    pair = [
        device("gw-a", "", "gateway", failure_groups=("uplink",)),
        device("gw-b", "", "gateway", failure_groups=("uplink",)),
        *chain(1),
    ]
    assert links(["gw-a", "gw-b"], world(pair)) == ["gw-a"]
    away = world(pair, unavailable=frozenset({"gw-a"}))
    assert links(["gw-b"], away) == []
    gone = only(heard("gw-b", "uplink-down", NIGHT), there=away, now=NIGHT)
    assert gone.verdict is Verdict.WAIT
    assert "group:uplink" in gone.reasons[0].en


def test_one_disruptive_repair_per_store() -> None:
    assert links(["pos-001-1", "pos-001-2", "pos-002-1"], world()) == ["pos-001-1", "pos-002-1"]


@pytest.mark.parametrize(("tills", "let"), [(6, 1), (10, 2), (15, 3)])
def test_four_fifths_of_the_tills_stay(tills: int, let: int) -> None:
    there = world(chain(1, tills), budgets=Budgets(store=100))
    assert len(links([f"pos-001-{each}" for each in range(1, tills + 1)], there)) == let


def test_the_only_one_of_its_kind_is_asked_about() -> None:
    alone = [device("gw", "", "gateway", failure_groups=("uplink",)), *chain(1)]
    occurrence = heard("gw", "uplink-down", NIGHT)
    decision = only(occurrence, there=world(alone), now=NIGHT)
    assert decision.verdict is Verdict.ASK
    assert guards(decision) == ["redundancy"]
    yes = granted(occurrence, NIGHT + minutes(10))
    assert only(yes, there=world(alone), now=NIGHT).verdict is Verdict.ACT


def test_a_host_that_counts_as_away_itself_may_be_repaired() -> None:
    assert links(["pos-001-1"], world(unavailable=frozenset({"pos-001-1"}))) == ["pos-001-1"]


def test_what_disturbs_nobody_asks_for_no_place() -> None:
    pair = [device(each, "", "gateway", failure_groups=("x",)) for each in ("gw-a", "gw-b")]
    found = decided(heard("gw-a"), heard("gw-b"), there=world([*pair, *chain(1)]))
    assert verdicts(found) == [Verdict.ACT, Verdict.ACT]


# Rates.


@pytest.mark.parametrize(
    ("fleet", "hour", "day"),
    [(1, 3, 3), (300, 3, 15), (399, 3, 19), (400, 4, 20), (10_000, 100, 500)],
)
def test_rates_grow_with_the_fleet(fleet: int, hour: int, day: int) -> None:
    found = limits(fleet, HealPolicy())
    assert found == {minutes(10): 10, timedelta(hours=1): hour, timedelta(hours=24): day}


@pytest.mark.parametrize(
    ("ages", "done"),
    [
        ((9.9, 9.8, 9.7), Verdict.ACT),
        ((10, 10, 10), Verdict.ACT),
        ((9.9, 9.8, 9.7, 9.6), Verdict.WAIT),
        ((10, 9.8, 9.7, 9.6), Verdict.ACT),
    ],
)
def test_so_many_hosts_in_ten_minutes(ages: tuple[float, ...], done: Verdict) -> None:
    past = [
        repaired(f"pos-002-{number}", NOON - minutes(age)) for number, age in enumerate(ages, 1)
    ]
    policy = replace(WIDE, hosts_10min=4)
    decision = only(heard(), there=world(past=past), policy=policy)
    assert decision.verdict is done
    if done is Verdict.WAIT:  # until the oldest of them no longer counts
        assert decision.due == NOON + minutes(10 - ages[0])


@pytest.mark.parametrize(("number", "hours"), [("hosts_hour", 0.9), ("hosts_day", 23.9)])
def test_so_many_hosts_in_an_hour_and_a_day(number: str, hours: float) -> None:
    past = [repaired(f"pos-002-{each}", NOON - timedelta(hours=hours)) for each in (1, 2, 3)]
    policy = replace(WIDE, **{number: 3})
    assert only(heard(), there=world(past=past), policy=policy).verdict is not Verdict.ACT
    assert only(heard(), there=world(past=past[:2]), policy=policy).verdict is Verdict.ACT


def test_one_round_takes_no_more_places_than_there_are() -> None:
    policy = replace(WIDE, hosts_hour=3)
    alerts = [heard(f"pos-{store:03}-1", number=store) for store in range(1, 5)]
    found = decided(*alerts, policy=policy)
    assert verdicts(found).count(Verdict.ACT) == 3
    assert found.decisions[alerts[3].key].verdict is Verdict.ESCALATE  # an hour is too long


# Runs and stores.


def test_ten_runs_at_once() -> None:
    many = tuple(running(f"srv-{each:03}", ident=f"C-H{each}") for each in range(1, 11))
    assert only(heard(), there=world(running=many[:9]), policy=WIDE).verdict is Verdict.ACT
    full = only(heard(), there=world(running=many), policy=WIDE)
    assert full.verdict is Verdict.WAIT
    assert guards(full) == ["concurrency"]


def test_hosts_of_one_run_count_as_one() -> None:
    many = tuple(running(f"srv-{each:03}", ident=f"C-H{each}") for each in range(1, 10))
    alerts = [heard(f"pos-001-{each}") for each in range(1, 4)]
    found = decided(*alerts, there=world(running=many), policy=WIDE)
    assert len(found.repairs) == 1
    assert len(found.repairs[0].hosts) == 3


def test_five_disturbed_stores_at_once() -> None:
    there = world(chain(8))
    stores = [f"srv-{each:03}" for each in range(1, 9)]
    assert links(stores, there) == stores[:5]
    busy = running("srv-008", disruptive=True)
    assert links(stores[:6], replace(there, running=(busy,))) == stores[:4]


# Batches.


def test_alerts_for_the_same_thing_share_a_repair_of_fifty_hosts_at_most() -> None:
    there = world(chain(20, 6))
    hosts = [name for name in there.devices if name.startswith("pos")]
    alerts = [heard(host, number=number) for number, host in enumerate(hosts)]
    found = decided(*alerts, there=there, policy=WIDE)
    assert [len(each.hosts) for each in found.repairs] == [MOST_HOSTS, MOST_HOSTS, 20]
    assert sorted(host for each in found.repairs for host in each.hosts) == sorted(hosts)


def test_other_options_are_another_repair() -> None:
    needs = rule(options={"unit": "{unit}"})
    alerts = [
        heard(f"pos-001-{number}", labels={"unit": unit}, number=number)
        for number, unit in enumerate(("a", "b", "a"), 1)
    ]
    found = decided(*alerts, rules=(needs,))
    assert [(each.options["unit"], each.hosts) for each in found.repairs] == [
        ("a", ("pos-001-1", "pos-001-3")),
        ("b", ("pos-001-2",)),
    ]


# The failure breaker.


def series(outcomes: str, spaced: float = 1) -> list[PastRepair]:
    """Repairs one after the other up to noon: "+" verified, "-" failed, "?" unknown."""
    many = len(outcomes)
    return [
        repaired(
            f"srv-{number % 4 + 1:03}",
            NOON - minutes((many - number) * spaced + 1),
            verified={"+": True, "-": False, "?": None}[each],
        )
        for number, each in enumerate(outcomes)
    ]


@pytest.mark.parametrize(
    ("outcomes", "open_now"),
    [
        ("", False),
        ("--", False),
        ("---", True),
        ("--+-", False),
        ("-?-?-", True),  # what nobody knows is no success
        ("--+-++-+++", True),  # four of the last ten
        ("+-+-++-+++", True),  # three of them are 30 %
        ("+-+-++++++", False),
        ("+-+--", False),  # three of five, but ten are asked for
    ],
)
def test_the_breaker_opens(outcomes: str, open_now: bool) -> None:
    state = breaker_of(series(outcomes), POLICY)
    assert (state.until is not None) is open_now
    decision = only(heard(), there=world(past=series(outcomes)), policy=WIDE)
    assert (decision.verdict is Verdict.ACT) is not open_now
    if open_now:
        assert guards(decision)[0] == "failure-breaker"


def test_after_an_hour_one_canary_goes_alone() -> None:
    past = series("---")
    later = NOON + minutes(60)
    alerts = [heard(f"pos-001-{each}", at=later, number=each) for each in (1, 2, 3)]
    early = decided(*alerts, there=world(past=past), policy=WIDE, now=later - minutes(2))
    assert early.repairs == ()
    found = decided(*alerts, there=world(past=past), policy=WIDE, now=later)
    (repair,) = found.repairs
    assert repair.canary
    assert repair.hosts == ("pos-001-1",)
    assert verdicts(found).count(Verdict.WAIT) == 2


def test_others_wait_while_the_canary_is_under_way() -> None:
    later = NOON + minutes(61)
    trying = PastRepair(host="srv-001", action="service", rule="x", at=later, canary=True)
    there = world(past=[*series("---"), trying])
    waiting = only(heard(at=later), there=there, policy=WIDE, now=later + minutes(1))
    assert waiting.verdict is Verdict.WAIT
    assert "srv-001 goes first" in waiting.reasons[0].en


@pytest.mark.parametrize(("well", "done"), [(True, Verdict.ACT), (False, Verdict.ESCALATE)])
def test_the_canary_decides(well: bool, done: Verdict) -> None:
    later = NOON + minutes(61)
    past = [*series("---"), repaired("srv-001", later, verified=well)]
    now = later + minutes(2)
    decision = only(heard(at=now), there=world(past=past), policy=WIDE, now=now)
    assert decision.verdict is done
    if well:
        found = decided(heard(at=now), there=world(past=past), policy=WIDE, now=now)
        assert not found.repairs[0].canary


def test_a_run_that_was_under_way_when_the_breaker_opened_is_no_canary() -> None:
    past = [*series("---"), repaired("srv-001", NOON - minutes(2), verified=True)]
    past[-1] = replace(past[-1], ended_at=NOON + minutes(5))
    state = breaker_of(past, POLICY)
    assert state.until is not None


def test_the_breaker_of_one_action_does_not_stop_another() -> None:
    past = [replace(each, action="link") for each in series("---")]
    assert only(heard(), there=world(past=past), policy=WIDE).verdict is Verdict.ACT
    assert SERVICE.name == "service"
