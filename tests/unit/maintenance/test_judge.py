# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether work may begin: which rule forbids what, and what the answer says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.maintenance.calendar import Provisional, RuleKind, Scope
from storewarden.domain.maintenance.grounds import NEEDS_WINDOW, Ground, OperationClass
from storewarden.domain.maintenance.judge import WindowDecision, hard_stop
from storewarden.domain.maintenance.override import Objection, Override
from tests.unit.maintenance.site import (
    JUNE_18,
    NIGHTS,
    almanac,
    ask,
    device,
    rule,
    shown,
    wall,
)

ALL_DAY = rule("always", RuleKind.WINDOW, "2026-01-01T00:00", 24, "FREQ=DAILY")
TILL = device("pos")
OC = OperationClass


def grounds(decision: WindowDecision) -> set[Ground]:
    return {reason.ground for reason in decision.reasons}


# -- the table: class of operation against the rules -------------------------------

NOON, NIGHT = "2026-06-10T12:00", "2026-06-10T23:30"
CAMPAIGN_NIGHT, MONTH_END_NIGHT = "2026-06-17T23:30", "2026-06-29T23:30"
FORBIDDEN = {
    OC.NETWORK_RESTART: {NOON: Ground.FORBIDDEN_HOURS},
    OC.SCHEMA_CHANGE: {NOON: Ground.FORBIDDEN_HOURS},
    OC.PAYMENT_CONFIGURATION: {NOON: Ground.FORBIDDEN_HOURS},
    OC.POS: {NOON: Ground.OPENING_HOURS},
    OC.FINANCE: {MONTH_END_NIGHT: Ground.MONTH_END},
}


@pytest.mark.parametrize("operation", list(OperationClass))
@pytest.mark.parametrize("at", [NOON, NIGHT, CAMPAIGN_NIGHT, MONTH_END_NIGHT])
def test_which_rule_forbids_what(operation: OperationClass, at: str) -> None:
    """A window that is always open, so that nothing but the table decides."""
    decision = ask(almanac(ALL_DAY, JUNE_18), at, operation)
    expected = FORBIDDEN.get(operation, {}).get(at)
    if at == CAMPAIGN_NIGHT and operation in NEEDS_WINDOW:
        expected = Ground.CAMPAIGN
    assert decision.allowed is (expected is None)
    if expected is not None:
        assert grounds(decision) == {expected}


def test_deleting_records_needs_no_window_not_even_beside_a_till() -> None:
    """It touches the ledger alone; the item of such a change may be any device."""
    for at in (NOON, CAMPAIGN_NIGHT):
        decision = ask(almanac(JUNE_18), at, OC.RECORD_DELETION, device("pos"))
        assert (decision.allowed, grounds(decision)) == (True, {Ground.ALWAYS})


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        ("2026-06-10T08:59", True),
        ("2026-06-10T09:00", False),
        ("2026-06-10T21:59", False),
        ("2026-06-10T22:00", True),
    ],
)
def test_the_forbidden_hours_are_from_09_00_to_22_00(at: str, allowed: bool) -> None:
    books = almanac(ALL_DAY)
    assert ask(books, at, OC.NETWORK_RESTART, device("switch")).allowed is allowed


def test_any_work_on_a_till_is_work_on_a_till() -> None:
    books = almanac(ALL_DAY)
    assert ask(books, NOON, OC.PATCH).allowed
    refused = ask(books, NOON, OC.PATCH, TILL)
    (reason,) = refused.reasons
    assert (reason.ground, reason.detail, reason.guide) == (
        Ground.OPENING_HOURS, "10:00-22:00", "6.2.3",
    )  # fmt: skip
    assert ask(books, "2026-06-10T22:15", OC.PATCH, TILL).allowed
    assert not ask(books, "2026-06-10T22:15", OC.PATCH, device("pos", hours="10:30-22:30")).allowed


def test_a_service_that_is_down_is_restarted_at_noon_a_switch_that_works_is_not() -> None:
    books = almanac(NIGHTS)
    assert ask(books, NOON, OC.SERVICE_RECOVERY, TILL).allowed
    assert not ask(books, NOON, OC.NETWORK_RESTART, device("switch")).allowed
    assert not ask(books, NOON, OC.SERVICE_RESTART).allowed


def test_finance_systems_rest_at_month_end_by_class_or_by_role() -> None:
    books = almanac(ALL_DAY)
    for at, allowed in (
        ("2026-06-28T23:30", True),
        ("2026-06-29T00:00", False),
        ("2026-07-01T23:59", False),
        ("2026-07-02T00:00", True),
    ):
        assert ask(books, at, OC.FINANCE).allowed is allowed
        assert ask(books, at, OC.PATCH, device("finance")).allowed is allowed
        assert ask(books, at, OC.PATCH).allowed


def test_a_blackout_of_the_site_may_stop_even_emergencies_when_it_names_them() -> None:
    freeze = rule(
        "move of the data centre", RuleKind.BLACKOUT, "2026-06-10T00:00", 24,
        operations=frozenset({OC.EMERGENCY, OC.PATCH}),
    )  # fmt: skip
    books = almanac(ALL_DAY, freeze)
    assert not ask(books, NOON, OC.EMERGENCY).allowed
    assert ask(books, NOON, OC.AUDIT).allowed
    assert ask(books, "2026-06-11T12:00", OC.EMERGENCY).allowed


# -- windows -----------------------------------------------------------------------


def test_a_blackout_wins_over_a_window() -> None:
    books = almanac(NIGHTS, JUNE_18)
    decision = ask(books, CAMPAIGN_NIGHT)
    assert not decision.allowed
    (reason,) = decision.reasons
    assert (reason.ground, reason.name, reason.guide) == (Ground.CAMPAIGN, "6.18", "12.1.2")
    assert shown(reason.ends) == "2026-06-21T00:00"
    assert shown(decision.next_start) == "2026-06-21T00:00"  # the rest of Saturday's window
    assert shown(decision.next_end) == "2026-06-21T05:00"


def test_a_yes_says_why_and_until_when() -> None:
    decision = ask(almanac(NIGHTS), NIGHT)
    assert decision.allowed
    (reason,) = decision.reasons
    assert (reason.ground, reason.name) == (Ground.WINDOW, "nights")
    assert shown(decision.until) == "2026-06-11T05:00"
    assert shown(decision.hard_stop) == "2026-06-11T09:30"


@pytest.mark.parametrize(("minutes", "allowed"), [(30, True), (31, False)])
def test_the_work_must_fit_before_the_window_closes(minutes: int, allowed: bool) -> None:
    decision = ask(almanac(NIGHTS), "2026-06-10T04:30", minutes=minutes)
    assert decision.allowed is allowed
    if not allowed:
        assert grounds(decision) == {Ground.TOO_SHORT}
        assert shown(decision.next_start) == "2026-06-10T23:00"


def test_what_shortens_the_window_is_named_as_well() -> None:
    decision = ask(almanac(NIGHTS, JUNE_18), "2026-06-15T23:40", minutes=60)
    assert grounds(decision) == {Ground.TOO_SHORT, Ground.CAMPAIGN}
    assert shown(decision.next_start) == "2026-06-21T00:00"


def test_work_that_is_longer_than_any_window_never_fits() -> None:
    decision = ask(almanac(NIGHTS), NIGHT, minutes=7 * 60)
    assert not decision.allowed
    assert decision.next_start is None


def test_windows_that_touch_are_one() -> None:
    late = rule("late", RuleKind.WINDOW, "2026-01-01T05:00", 3, "FREQ=DAILY")
    decision = ask(almanac(NIGHTS, late), "2026-06-10T04:00", minutes=200)
    assert decision.allowed
    assert shown(decision.until) == "2026-06-10T08:00"


def test_the_next_window_may_be_months_away() -> None:
    yearly = rule("stocktaking", RuleKind.WINDOW, "2026-03-01T01:00", 2, "FREQ=YEARLY")
    decision = ask(almanac(yearly), NOON)
    assert shown(decision.next_start) == "2027-03-01T01:00"


def test_a_window_of_months_ends_when_it_ends_and_one_without_end_has_none() -> None:
    quarter = rule("rebuilding", RuleKind.WINDOW, "2026-06-01T00:00", 24 * 90)
    decision = ask(almanac(quarter), NOON)
    assert decision.allowed
    assert shown(decision.until) == "2026-08-30T00:00"
    assert ask(almanac(ALL_DAY), NOON).until is None


def test_windows_hold_for_their_scope_and_their_classes() -> None:
    patches = rule(
        "patches", RuleKind.WINDOW, "2026-01-01T00:00", 24, "FREQ=DAILY",
        scope=Scope(roles=frozenset({"server"})), operations=frozenset({OC.PATCH}),
    )  # fmt: skip
    books = almanac(patches)
    assert ask(books, NOON, OC.PATCH).allowed
    assert grounds(ask(books, NOON, OC.RELEASE)) == {Ground.NO_WINDOW}
    # a switch has no window at all, so it has the quiet hours
    assert grounds(ask(books, NOON, OC.PATCH, device("switch"))) == {Ground.BUSY_HOURS}


def test_without_any_window_the_quiet_hours_count() -> None:
    books = almanac()
    assert grounds(ask(books, "2026-06-10T09:30")) == {Ground.BUSY_HOURS}
    late = device(hours="12:00-02:00")
    decision = ask(books, "2026-06-11T01:00", on=late)
    assert not decision.allowed
    assert shown(decision.next_start) == "2026-06-11T02:00"
    quiet = ask(books, "2026-06-11T03:00", on=late)
    assert quiet.allowed
    assert grounds(quiet) == {Ground.QUIET_HOURS}
    assert shown(quiet.until) == "2026-06-11T09:00"


def test_every_store_has_its_own_clock() -> None:
    books = almanac(NIGHTS)
    berlin = device(tz="Europe/Berlin")
    assert ask(books, NIGHT).allowed  # 23:30 in Shanghai, 17:30 in Berlin
    assert not ask(books, NIGHT, on=berlin).allowed
    assert ask(books, "2026-06-11T05:30", on=berlin).allowed  # 23:30 in Berlin
    fixed = replace(NIGHTS, zone="Asia/Shanghai")
    assert ask(almanac(fixed), NIGHT, on=berlin).allowed


def test_what_had_to_be_assumed_is_said() -> None:
    unknown = device(hours="", tz="")
    decision = ask(almanac(NIGHTS), NIGHT, on=unknown)
    assert decision.allowed
    assert [note.ground for note in decision.notes] == [
        Ground.ZONE_ASSUMED, Ground.HOURS_ASSUMED,
    ]  # fmt: skip
    assert ask(almanac(NIGHTS), NIGHT).notes == ()


def test_a_year_without_official_holidays_is_said_where_the_answer_reaches_into_it() -> None:
    year = Provisional(year=2027, country="CN")
    books = almanac(NIGHTS, provisional=(year,))
    assert ask(books, NIGHT).provisional == ()
    assert ask(books, "2027-02-03T23:30").provisional == (2027,)
    assert ask(books, "2026-12-31T23:30").provisional == (2027,)  # until 05:00 of New Year
    elsewhere = replace(year, scope=Scope(stores=frozenset({"000999"})))
    assert ask(almanac(NIGHTS, provisional=(elsewhere,)), "2027-02-03T23:30").provisional == ()
    assert ask(books, "2027-02-03T23:30", OC.EMERGENCY).provisional == ()


# -- the hard stop -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "at", "stop"),
    [
        ("10:00-22:00", "2026-06-10T23:30", "2026-06-11T09:30"),
        ("closed", "2026-06-10T23:30", "2026-06-11T05:00"),  # nobody opens: the window's end
        ("00:00-24:00", "2026-06-10T23:30", "2026-06-11T05:00"),
        ("Tue-Sun 10:00-22:00", "2026-06-14T23:30", "2026-06-16T09:30"),
        ("10:00-22:00", "2026-06-11T09:50", "2026-06-11T09:50"),  # too late already: at once
    ],
)
def test_all_is_done_or_undone_half_an_hour_before_the_store_opens(
    hours: str, at: str, stop: str
) -> None:
    closes = wall("2026-06-11T05:00")
    assert shown(hard_stop(device(hours=hours), almanac(), wall(at), closes)) == stop


def test_the_hard_stop_is_configurable() -> None:
    books = almanac(NIGHTS, hard_stop=timedelta(hours=2))
    assert shown(ask(books, NIGHT).hard_stop) == "2026-06-11T08:00"


# -- overrides ---------------------------------------------------------------------


def override(*people: str, reason: str = "the till is dead", until: str = "2026-06-18T02:00",
             requester: str = "") -> Override:  # fmt: skip
    return Override(people=people, reason=reason, expires=wall(until), requester=requester)


def test_two_people_a_reason_and_an_end_set_a_blackout_aside() -> None:
    books = almanac(NIGHTS, JUNE_18)
    decision = ask(books, CAMPAIGN_NIGHT, override=override("li", "wang"))
    assert decision.allowed
    assert grounds(decision) == {Ground.OVERRIDE}
    assert [reason.ground for reason in decision.overridden] == [Ground.CAMPAIGN]
    assert shown(decision.until) == "2026-06-18T02:00"


@pytest.mark.parametrize(
    ("given", "objection"),
    [
        (override("li"), Objection.FEW_PEOPLE),
        (override("li", "li"), Objection.FEW_PEOPLE),
        (override("li", " "), Objection.FEW_PEOPLE),
        (override("li", "wang", requester="wang"), Objection.FEW_PEOPLE),
        (override("li", "wang", reason=" "), Objection.NO_REASON),
        (override("li", "wang", until="2026-06-17T23:30"), Objection.EXPIRED),
        (override("li", "wang", until="2026-06-17T23:45"), Objection.TOO_SHORT),
    ],
)
def test_anything_less_sets_nothing_aside(given: Override, objection: Objection) -> None:
    decision = ask(almanac(NIGHTS, JUNE_18), CAMPAIGN_NIGHT, minutes=30, override=given)
    assert not decision.allowed
    assert decision.reasons[-1].objections == (objection,)
    assert grounds(decision) == {Ground.CAMPAIGN, Ground.OVERRIDE_INVALID}
    assert decision.next_start is not None


def test_an_override_that_is_not_needed_changes_nothing() -> None:
    decision = ask(almanac(NIGHTS), NIGHT, override=override("li"))
    assert decision.allowed
    assert grounds(decision) == {Ground.WINDOW}
