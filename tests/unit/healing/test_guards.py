# SPDX-License-Identifier: GPL-3.0-or-later
"""Every guard that judges by facts alone: what it lets pass, what it does not, and the edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.estate.hours import parse_hours
from storewarden.domain.healing.action import Limits
from storewarden.domain.healing.alert import Signal
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Occurrence, Stage, Verdict
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import (
    Maintenance,
    Recheck,
    Said,
    Standing,
    WindowAnswer,
    World,
    window_answer,
)
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import Calendar
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.judge import Question, judge
from tests.unit.healing.scenes import (
    ACTIONS,
    LINK,
    NIGHT,
    NOON,
    POLICY,
    SERVICE,
    TRUSTED,
    UPLINK,
    asked,
    decided,
    granted,
    guards,
    heard,
    minutes,
    only,
    repaired,
    rule,
    world,
)

SECOND = timedelta(seconds=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def verdict(occurrence: Occurrence, there: World | None = None, **more: object) -> Verdict:
    """What is done about it."""
    return only(occurrence, there=there or world(), **more).verdict


# Over.


def test_an_alert_that_is_over_is_dropped() -> None:
    ended = heard(resolved_at=NOON + minutes(1))
    assert verdict(ended, now=NOON + minutes(2)) is Verdict.DROP


def test_an_alert_that_was_never_seen_firing_is_dropped() -> None:
    decision = only(heard(resolved_at=NOON))
    assert decision.verdict is Verdict.DROP
    assert "first heard of" in decision.reasons[0].en


def test_an_acknowledgement_is_no_fault() -> None:
    noted = replace(heard().alert, signal=Signal.NOTED)
    assert verdict(heard(alert=noted)) is Verdict.DROP


def test_an_alert_that_is_over_needs_no_rule() -> None:
    assert verdict(heard(name="unheard-of", resolved_at=NOON)) is Verdict.DROP


# Hold-down and recheck.


@pytest.mark.parametrize(
    ("age", "done"), [(0, Verdict.WAIT), (59, Verdict.WAIT), (60, Verdict.ACT)]
)
def test_the_first_minute_is_waited_for(age: int, done: Verdict) -> None:
    now = NOON + timedelta(seconds=age)
    decision = only(heard(), now=now, policy=HealPolicy())
    assert decision.verdict is done
    if done is Verdict.WAIT:
        assert decision.due == NOON + timedelta(seconds=60)


def test_a_rule_may_have_a_hold_down_of_its_own() -> None:
    patient = rule(hold_down=minutes(3))
    assert verdict(heard(), rules=(patient,), now=NOON + minutes(2)) is Verdict.WAIT
    assert verdict(heard(), rules=(patient,), now=NOON + minutes(3)) is Verdict.ACT


@pytest.mark.parametrize(
    ("answer", "done"),
    [
        (Recheck.FIRING, Verdict.ACT),
        (Recheck.UNASKED, Verdict.ACT),
        (Recheck.QUIET, Verdict.DROP),
        (Recheck.SILENT, Verdict.WAIT),
    ],
)
def test_the_sender_is_asked_again(answer: Recheck, done: Verdict) -> None:
    occurrence = heard()
    assert verdict(occurrence, world(rechecks={occurrence.key: answer})) is done


def test_a_sender_that_never_answers_ends_with_a_person() -> None:
    occurrence = heard()
    there = world(rechecks={occurrence.key: Recheck.SILENT})
    assert verdict(occurrence, there, now=NOON + minutes(14.9)) is Verdict.ESCALATE


# Staleness.


def test_an_alert_is_fresh_for_a_quarter_of_an_hour() -> None:
    assert verdict(heard(), now=NOON + minutes(15)) is Verdict.ACT
    late = only(heard(), now=NOON + minutes(15) + SECOND)
    assert late.verdict is Verdict.ESCALATE
    assert guards(late)[0] == "staleness"


def test_its_age_counts_from_its_beginning_not_from_its_arrival() -> None:
    assert verdict(heard(began=NOON - minutes(16))) is Verdict.ESCALATE


def test_a_yes_makes_it_fresh() -> None:
    old = granted(heard(began=NOON - minutes(25)), NOON + minutes(5))
    assert verdict(old) is Verdict.ACT


# Modes and promotion.


def standing(**more: object) -> World:
    """A world in which the action's standing is changed."""
    return world(standings=dict.fromkeys(ACTIONS, replace(TRUSTED, **more)))


@pytest.mark.parametrize(
    ("mode", "ceiling", "done"),
    [
        (Mode.AUTO, Mode.AUTO, Verdict.ACT),
        (Mode.AUTO, Mode.APPROVE, Verdict.ASK),
        (Mode.AUTO, Mode.OBSERVE, Verdict.OBSERVE),
        (Mode.APPROVE, Mode.AUTO, Verdict.ASK),
        (Mode.APPROVE, Mode.OBSERVE, Verdict.OBSERVE),
        (Mode.OBSERVE, Mode.AUTO, Verdict.OBSERVE),
        (Mode.OBSERVE, Mode.APPROVE, Verdict.OBSERVE),
    ],
)
def test_the_lower_of_two_modes_counts(mode: Mode, ceiling: Mode, done: Verdict) -> None:
    assert verdict(heard(), standing(mode=mode), rules=(rule(mode=ceiling),)) is done


@pytest.mark.parametrize(
    ("runs", "good", "done"),
    [
        (0, 0, Verdict.ASK),
        (19, 19, Verdict.ASK),
        (20, 19, Verdict.ACT),
        (20, 18, Verdict.ASK),
        (40, 38, Verdict.ACT),
        (40, 37, Verdict.ASK),
    ],
)
def test_auto_has_to_be_earned(runs: int, good: int, done: Verdict) -> None:
    assert verdict(heard(), standing(runs=runs, verified=good)) is done


def test_an_action_that_nobody_set_a_mode_for_only_observes() -> None:
    decision = only(heard(), there=world(standings={}))
    assert decision.verdict is Verdict.OBSERVE
    assert "would run on pos-001-1" in decision.reasons[0].en


def test_a_question_runs_for_half_an_hour_and_is_not_prolonged() -> None:
    asking = standing(mode=Mode.APPROVE)
    first = only(heard(), there=asking)
    assert first.due == NOON + minutes(30)
    again = replace(heard(), stage=Stage.ASKING, decision=first, due=first.due)
    later = only(again, there=asking, now=NOON + minutes(10))
    assert later.verdict is Verdict.ASK
    assert later.due == first.due


@pytest.mark.parametrize(("after", "done"), [(14.99, Verdict.ASK), (30, Verdict.ESCALATE)])
def test_what_nobody_approved_is_not_run(after: float, done: Verdict) -> None:
    occurrence = asked(heard(), NOON + minutes(30), "storm:pos-down")
    decision = only(occurrence, there=standing(mode=Mode.APPROVE), now=NOON + minutes(after))
    assert decision.verdict is done
    if done is Verdict.ESCALATE:
        assert guards(decision)[0] == "expiry"
        assert decision.incident == "storm:pos-down"  # still told once


@pytest.mark.parametrize(("after", "done"), [(29, Verdict.ACT), (30, Verdict.ESCALATE)])
def test_a_yes_counts_until_its_moment(after: float, done: Verdict) -> None:
    occurrence = granted(heard(), NOON + minutes(30))
    decision = only(occurrence, there=standing(mode=Mode.APPROVE), now=NOON + minutes(after))
    assert decision.verdict is done
    if done is Verdict.ACT:
        assert decision.reasons[0].en == "wang said yes"


def test_a_yes_does_not_open_the_kill_switch_nor_a_window() -> None:
    yes = granted(heard(), NOON + minutes(30))
    assert verdict(yes, world(stopped=Said(en="x", zh="某"))) is Verdict.ESCALATE
    shut = WindowAnswer(allowed=False, reason=Said(en="campaign", zh="促销"))
    assert verdict(yes, world(windows=lambda _host, _class: shut)) is Verdict.ESCALATE


# What people stopped.


@pytest.mark.parametrize(
    ("facts", "guard"),
    [
        ({"stopped": Said(en="power cut", zh="停电")}, "kill-switch"),
        ({"frozen": Said(en="Spring Festival", zh="春节")}, "freeze"),
        ({"paused": {"rule:pos-down": Said(en="new release", zh="新版本")}}, "paused"),
        ({"paused": {"action:service": Said(en="broken", zh="有缺陷")}}, "paused"),
        ({"paused": {"source:prometheus": Said(en="moved", zh="迁移")}}, "paused"),
        ({"standings": {"service": replace(TRUSTED, change="")}}, "standing-change"),
        (
            {
                "standings": {
                    "service": Standing(
                        mode=Mode.AUTO,
                        runs=20,
                        verified=20,
                        against=Said(en="it has expired", zh="已过期"),
                    )
                }
            },
            "standing-change",
        ),
    ],
)
def test_what_is_stopped_calls_a_person(facts: dict[str, object], guard: str) -> None:
    decision = only(heard(), there=world(**facts))
    assert decision.verdict is Verdict.ESCALATE
    assert guards(decision)[0] == guard


def test_a_pause_of_something_else_stops_nothing() -> None:
    other = {"rule:other": Said(en="x", zh="某"), "action:link": Said(en="x", zh="某")}
    assert verdict(heard(), world(paused=other)) is Verdict.ACT


# Cooldown and quarantine.


def test_a_host_rests_after_a_repair() -> None:
    there = world(past=(repaired("pos-001-1", NOON),))  # it ended a minute later
    new = heard(at=NOON + minutes(30))
    assert verdict(new, there, now=NOON + minutes(31)) is Verdict.ACT
    waiting = only(heard(at=NOON + minutes(25)), there=there, now=NOON + minutes(26))
    assert waiting.verdict is Verdict.WAIT
    assert waiting.due == NOON + minutes(31)


def test_a_rest_that_is_longer_than_the_alert_is_fresh_calls_a_person_at_once() -> None:
    there = world(past=(repaired("pos-001-1", NOON),))
    decision = only(heard(at=NOON + minutes(5)), there=there, now=NOON + minutes(5))
    assert decision.verdict is Verdict.ESCALATE
    assert guards(decision)[0] == "cooldown"


def test_other_hosts_and_other_actions_do_not_rest() -> None:
    past = (repaired("pos-001-2", NOON), repaired("pos-001-1", NOON, action="link"))
    assert verdict(heard(), world(past=past), now=NOON + minutes(2)) is Verdict.ACT


def test_a_second_try_of_the_same_alert_is_no_second_repair() -> None:
    there = world(past=(repaired("pos-001-1", NOON, verified=None),))
    again = heard(tries=1)
    assert verdict(again, there, now=NOON + minutes(2)) is Verdict.ACT
    assert verdict(heard(tries=2), there, now=NOON + minutes(2)) is Verdict.ESCALATE


@pytest.mark.parametrize(
    ("hours", "done"),
    [
        ((1, 5.9), Verdict.ESCALATE),  # two in six hours
        ((1, 6), Verdict.ACT),
        ((1, 8, 23.9), Verdict.ESCALATE),  # three in a day
        ((1, 8, 24), Verdict.ACT),
    ],
)
def test_a_host_that_is_repaired_too_often_is_in_quarantine(
    hours: tuple[float, ...], done: Verdict
) -> None:
    past = [repaired("pos-001-1", NOON - timedelta(hours=each)) for each in hours]
    fleet = HealPolicy(hold_down=timedelta(0), hosts_day=100, hosts_hour=100)
    decision = only(heard(), there=world(past=past), policy=fleet)
    assert decision.verdict is done
    if done is Verdict.ESCALATE:
        assert guards(decision)[0] == "quarantine"


@pytest.mark.parametrize("where", ["rule", "action"])
def test_limits_of_a_rule_or_an_action_are_only_stricter(where: str) -> None:
    past = (repaired("pos-001-1", NOON - minutes(90)),)

    def done(limits: Limits) -> Verdict:
        if where == "rule":
            return verdict(heard(), world(past=past), rules=(rule(limits=limits),))
        action = replace(SERVICE, limits=limits)
        return verdict(heard(), world(past=past, actions={"service": action}))

    assert done(Limits(cooldown=timedelta(hours=2))) is Verdict.ESCALATE
    assert done(Limits(per_6h=1)) is Verdict.ESCALATE
    assert done(Limits(per_24h=1)) is Verdict.ESCALATE
    assert done(Limits()) is Verdict.ACT
    loose = Limits(cooldown=timedelta(0), per_6h=99, per_24h=99)
    recent = (repaired("pos-001-1", NOON - minutes(2)),)
    action = replace(SERVICE, limits=loose)
    there = world(past=recent, actions={"service": action})
    assert only(heard(), there=there, rules=(rule(limits=loose),)).verdict is not Verdict.ACT


# Windows.


def test_a_service_that_is_down_may_be_repaired_at_noon() -> None:
    almanac = Almanac(Calendar())
    there = world()

    def windows(host: str, operation: OperationClass) -> WindowAnswer:
        question = Question(device=there.devices[host], operation=operation)
        return window_answer(judge(question, almanac, NOON), SHANGHAI)

    assert verdict(heard(), world(windows=windows)) is Verdict.ACT
    decision = only(heard("srv-001", "uplink-down"), there=world(windows=windows))
    assert decision.verdict is Verdict.ESCALATE
    assert guards(decision)[:2] == ["window", "daytime"]


@pytest.mark.parametrize(
    ("wall", "done"),
    [
        ("07:59:59", Verdict.ACT),
        ("08:00:00", Verdict.ESCALATE),
        ("21:44:59", Verdict.ESCALATE),
        ("21:50:00", Verdict.WAIT),
        ("22:00:00", Verdict.ACT),
    ],
)
def test_what_disturbs_is_not_done_by_day(wall: str, done: Verdict) -> None:
    now = datetime.fromisoformat(f"2026-06-01T{wall}").replace(tzinfo=SHANGHAI)
    decision = only(heard("srv-001", "uplink-down", now), now=now)
    assert decision.verdict is done
    if done is Verdict.WAIT:
        assert decision.due == datetime(2026, 6, 1, 22, tzinfo=SHANGHAI)


def test_the_day_is_that_of_the_store() -> None:
    moved = [replace(each, tz="Europe/Berlin") for each in world().devices.values()]
    at = datetime(2026, 6, 1, 1, 0, tzinfo=SHANGHAI)  # 19:00 in Berlin
    assert verdict(heard("srv-001", "uplink-down", at), now=at) is Verdict.ACT
    assert verdict(heard("srv-001", "uplink-down", at), world(moved), now=at) is Verdict.ESCALATE


def test_a_rule_may_say_what_class_its_repair_is() -> None:
    down = rule("uplink-down", "link", operation=OperationClass.SERVICE_RECOVERY)
    assert verdict(heard("srv-001", "uplink-down"), rules=(down,)) is Verdict.ACT
    assert verdict(heard("srv-001", "uplink-down"), rules=(UPLINK,)) is Verdict.ESCALATE


def test_a_window_that_opens_soon_is_waited_for() -> None:
    soon = WindowAnswer(
        allowed=False, reason=Said(en="closed", zh="关闭"), opens=NOON + minutes(10)
    )
    decision = only(heard(), there=world(windows=lambda _host, _class: soon))
    assert decision.verdict is Verdict.WAIT
    assert decision.due == NOON + minutes(10)


def test_windows_are_asked_only_for_hosts_that_may_be_repaired() -> None:
    asked_for = []

    def windows(host: str, _operation: OperationClass) -> WindowAnswer:
        asked_for.append(host)
        return WindowAnswer(allowed=True, reason=Said(en="open", zh="开放"))

    there = world(windows=windows, stopped=Said(en="x", zh="某"))
    decided(*(heard(f"pos-001-{each}") for each in range(1, 7)), there=there)
    assert asked_for == []


def test_hours_of_the_device_do_not_matter_to_what_needs_no_window() -> None:
    open_now = [
        replace(each, hours=parse_hours("08:00-23:00")) for each in world().devices.values()
    ]
    assert verdict(heard(), world(open_now)) is Verdict.ACT


# Maintenance.


def maintained(ends: datetime) -> World:
    """A world in which a till has a maintenance that began an hour before its end."""
    work = Maintenance(why="GMBG-20260601-002", starts=ends - minutes(60), ends=ends)
    return world(maintenance={"pos-001-1": work})


def test_alerts_of_a_host_in_maintenance_are_suppressed_and_say_so() -> None:
    decision = only(heard(), there=maintained(NOON + SECOND))
    assert decision.verdict is Verdict.SUPPRESS
    assert "GMBG-20260601-002" in decision.reasons[0].en
    assert verdict(heard("pos-001-2"), maintained(NOON + SECOND)) is Verdict.ACT


def test_a_maintenance_that_has_not_begun_suppresses_nothing() -> None:
    assert verdict(heard(), maintained(NOON + minutes(61))) is Verdict.ACT


def test_after_a_maintenance_come_a_grace_and_a_ramp() -> None:
    there = maintained(NOON)
    waiting = only(heard(), there=there)
    assert waiting.verdict is Verdict.WAIT
    assert waiting.due is not None
    assert NOON + minutes(10) <= waiting.due < NOON + minutes(15)
    assert verdict(heard(), there, now=waiting.due) is Verdict.ACT


def test_what_began_in_a_maintenance_is_fresh_when_its_grace_ends() -> None:
    there = maintained(NOON)
    old = heard(began=NOON - minutes(50), at=NOON)
    assert verdict(old, there, now=NOON + minutes(16)) is Verdict.ACT
    assert verdict(old, there, now=NOON + minutes(26)) is Verdict.ESCALATE


def test_the_ramp_gives_hosts_different_turns() -> None:
    hosts = list(world().devices)
    work = Maintenance(why="x", starts=NOON - minutes(60), ends=NOON)
    there = world(maintenance=dict.fromkeys(hosts, work))
    far = replace(POLICY, storm_hosts=1000, fault_hosts=1000)
    found = decided(*map(heard, hosts), there=there, policy=far).decisions.values()
    assert len({each.due for each in found}) == len(hosts)


# Protected hosts.


def test_a_protected_host_is_always_asked_about() -> None:
    there = world(protected={"pos-001-1": ("payment-switch",)})
    decision = only(heard(), there=there)
    assert decision.verdict is Verdict.ASK
    assert "payment-switch" in decision.reasons[0].en
    assert verdict(granted(heard(), NOON + minutes(5)), there) is Verdict.ACT
    assert verdict(heard("pos-001-2"), there) is Verdict.ACT


# Weight.


def test_the_weightiest_reason_decides_and_all_are_told() -> None:
    there = world(
        stopped=Said(en="x", zh="某"),
        protected={"pos-001-1": ("payment-switch",)},
        standings={"service": replace(TRUSTED, mode=Mode.APPROVE, change="")},
    )
    decision = only(heard(began=NOON - minutes(20)), there=there)
    assert decision.verdict is Verdict.ESCALATE
    told = ["kill-switch", "standing-change", "staleness", "protected", "mode"]
    assert guards(decision) == told


def test_actions_are_what_these_tests_take_them_for() -> None:
    assert not SERVICE.disruptive
    assert LINK.disruptive
    assert verdict(heard("srv-001", "uplink-down", NIGHT), now=NIGHT) is Verdict.ACT
