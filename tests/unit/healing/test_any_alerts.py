# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever alerts come, in whatever order: nobody is repaired who must not be.

The promises are checked against the facts again, with arithmetic of their own: a guard that was
forgotten in the table, or counts wrongly, is found here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.healing.decide import Decisions, decide
from storewarden.domain.healing.history import PastRepair, history_of
from storewarden.domain.healing.incident_open import faults_of, incidents_for
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import MOST_HOSTS, Occurrence, Repair, Stage, Verdict
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import Busy, Maintenance, Said, World
from tests.amount import examples
from tests.unit.healing.scenes import (
    NIGHT,
    RULES,
    TRUSTED,
    asked,
    chain,
    granted,
    heard,
    minutes,
    repaired,
    world,
)

DEVICES = chain(5, 4)
HOSTS = [each.name for each in DEVICES]
WILD = [*HOSTS, "all", "pos-001-*", "pos-001-1,pos-001-2", "gone", ""]
EMPTY = world(DEVICES)
HOSTS_DRAWN = st.sets(st.sampled_from(HOSTS), max_size=6)
AGES = st.integers(-20, 0).map(minutes)
POLICIES = st.sampled_from(
    (
        HealPolicy(hold_down=timedelta(0)),
        HealPolicy(),
        HealPolicy(hold_down=timedelta(0), hosts_10min=2, runs=2, stores=1),
        HealPolicy(hold_down=timedelta(0), storm_hosts=100, hosts_hour=100, hosts_day=100),
    )
)


@st.composite
def occurrences(draw: st.DrawFn) -> list[Occurrence]:
    """Alerts of any age, some over, some asked about, some granted."""
    found: dict[str, Occurrence] = {}
    for number in range(draw(st.integers(0, 25))):
        made = heard(
            draw(st.sampled_from(WILD)),
            draw(st.sampled_from(("pos-down", "pos-down", "uplink-down", "nobody's"))),
            NIGHT + draw(AGES),
            number=number,
            labels={"extra": draw(st.sampled_from(("a", "b")))},
            tries=draw(st.sampled_from((0, 0, 0, 1, 2))),
        )
        how = draw(st.sampled_from(("new", "new", "new", "over", "asked", "granted", "done")))
        until = NIGHT + draw(st.integers(-10, 30).map(minutes))
        found[made.key] = {
            "new": lambda it, _until: it,
            "over": lambda it, _until: replace(it, resolved_at=NIGHT),
            "asked": asked,
            "granted": granted,
            "done": lambda it, _until: replace(it, stage=Stage.HEALED, due=None),
        }[how](made, until)
    return list(found.values())


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Anything may be busy, away, in maintenance, protected, paused, repaired before."""
    past = [
        repaired(host, NIGHT - minutes(age), verified=verified, action=action)
        for host, age, verified, action in draw(
            st.lists(
                st.tuples(
                    st.sampled_from(HOSTS),
                    st.integers(2, 26 * 60),
                    st.sampled_from((True, True, False, None)),
                    st.sampled_from(("service", "link")),
                ),
                max_size=15,
            )
        )
    ]
    open_hosts = sorted(draw(HOSTS_DRAWN))
    running = tuple(
        Repair(
            id=f"C-H{number}",
            change="C",
            action="link",
            rule="uplink-down",
            hosts=(host,),
            occurrences=(),
            opened_at=NIGHT,
            disruptive=draw(st.booleans()),
        )
        for number, host in enumerate(open_hosts)
    )
    facts: dict[str, Any] = {
        "busy": {host: Busy(who="rollout R-1") for host in draw(HOSTS_DRAWN)},
        "unavailable": frozenset(draw(HOSTS_DRAWN)),
        "protected": dict.fromkeys(draw(HOSTS_DRAWN), ("payment",)),
        "maintenance": {
            host: Maintenance(why="x", starts=NIGHT - minutes(30), ends=NIGHT + minutes(5))
            for host in draw(HOSTS_DRAWN)
        },
        "running": running,
        "stopped": draw(st.sampled_from((None, None, None, None, Said(en="x", zh="某")))),
        "standings": {
            name: replace(TRUSTED, mode=draw(st.sampled_from((*Mode, Mode.AUTO, Mode.AUTO))))
            for name in ("service", "link")
        },
    }
    return replace(EMPTY, history=history_of(past), **facts)


STREAM = {"alerts": occurrences(), "there": worlds(), "policy": POLICIES}


def decided(alerts: list[Occurrence], there: World, policy: HealPolicy) -> Decisions:
    """What is decided about them at night, when even disruptive work is allowed."""
    return decide(alerts, RULES, there, policy, NIGHT)


@settings(max_examples=examples(60))
@given(**STREAM)
def test_nobody_is_repaired_who_must_not_be(
    alerts: list[Occurrence], there: World, policy: HealPolicy
) -> None:
    found = decided(alerts, there, policy)
    known = {each.key: each for each in alerts}
    at_work = {host for each in there.running for host in each.hosts}
    for repair in found.repairs:
        assert there.stopped is None
        assert there.standings[repair.action].mode is not Mode.OBSERVE
        for host in repair.hosts:
            assert host in there.devices
            assert host not in there.busy
            assert host not in at_work
            assert host not in there.maintenance
        for key in repair.occurrences:
            occurrence = known[key]
            yes = occurrence.granted_until is not None and occurrence.granted_until > NIGHT
            host = occurrence.alert.labels["host"]
            assert occurrence.resolved_at is None
            assert occurrence.tries < policy.tries
            assert yes or host not in there.protected
            assert yes or there.standings[repair.action].mode is Mode.AUTO
            assert yes or NIGHT - occurrence.alert.starts_at <= policy.staleness


@settings(max_examples=examples(60))
@given(**STREAM)
def test_no_budget_is_overdrawn(alerts: list[Occurrence], there: World, policy: HealPolicy) -> None:
    found = decided(alerts, there, policy)
    hosts = [host for repair in found.repairs for host in repair.hosts]
    assert len(hosts) == len(set(hosts)), "a host is in one repair only"
    assert len(found.repairs) + len(there.running) <= max(policy.runs, len(there.running))
    for repair in found.repairs:
        assert 1 <= len(repair.hosts) <= MOST_HOSTS
    _rates(found, there, policy)
    _stores(found, there, policy)


def _rates(found: Decisions, there: World, policy: HealPolicy) -> None:
    for action in ("service", "link"):
        new = sum(len(each.hosts) for each in found.repairs if each.action == action)
        past: tuple[PastRepair, ...] = there.history.by_action.get(action, ())
        for span, most in ((minutes(10), policy.hosts_10min), (minutes(60), policy.hosts_hour)):
            before = sum(NIGHT - each.at < span for each in past)
            assert new == 0 or before + new <= most


def _stores(found: Decisions, there: World, policy: HealPolicy) -> None:
    new = [host for each in found.repairs if each.disruptive for host in each.hosts]
    per_store = Counter(there.devices[host].store for host in new)
    assert all(count == 1 for count in per_store.values())
    old = {
        there.devices[host].store
        for each in there.running
        if each.disruptive
        for host in each.hosts
    }
    assert not new or len(old | set(per_store)) <= policy.stores
    away = {*there.unavailable, *there.busy, *(h for each in there.running for h in each.hosts)}
    for host in new:
        others = set(there.members[f"store:{there.devices[host].store}"]) - {host}
        assert not others & away, "work in a store is one piece at a time"


@settings(max_examples=examples(50))
@given(random=st.randoms(use_true_random=False), **STREAM)
def test_the_order_of_alerts_does_not_matter(
    alerts: list[Occurrence], there: World, policy: HealPolicy, random: Any
) -> None:
    first = decided(alerts, there, policy)
    random.shuffle(alerts)
    assert decided(alerts, there, policy) == first


@settings(max_examples=examples(50))
@given(**STREAM)
def test_every_alert_is_decided_exactly_once_and_says_why(
    alerts: list[Occurrence], there: World, policy: HealPolicy
) -> None:
    found = decided(alerts, there, policy)
    undecided = {each.key for each in alerts if each.stage is not Stage.HEALED}
    assert found.decisions.keys() == undecided
    acts = [key for key, each in found.decisions.items() if each.verdict is Verdict.ACT]
    assert sorted(key for each in found.repairs for key in each.occurrences) == sorted(acts)
    for each in found.decisions.values():
        assert each.reasons
        assert all(reason.en and reason.zh for reason in each.reasons)
        assert all(any("\u4e00" <= sign <= "\u9fff" for sign in one.zh) for one in each.reasons)
        waits = each.verdict in (Verdict.WAIT, Verdict.ASK, Verdict.SUPPRESS)
        assert (each.due is not None) is waits
        assert each.due is None or each.due > NIGHT


@settings(max_examples=examples(50))
@given(count=st.integers(10, 25), order=st.randoms(use_true_random=False))
def test_a_storm_of_any_size_is_one_incident(count: int, order: Any) -> None:
    hosts = list(HOSTS)
    order.shuffle(hosts)
    alerts = [heard(host, at=NIGHT, number=n) for n, host in enumerate(hosts[:count])]
    far = HealPolicy(hold_down=timedelta(0), fault_hosts=1000)
    found = decide(alerts, RULES, EMPTY, far, NIGHT)
    assert found.repairs == ()
    faults = faults_of([(each, found.decisions[each.key]) for each in alerts], RULES, EMPTY.devices)
    plan = incidents_for(faults, {}, lambda: "I-1")
    assert [each.name for each in plan.opened] == ["storm:pos-down"]
    assert len(plan.opened[0].occurrences) == count
