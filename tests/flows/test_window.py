# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about windows over an inventory: which hosts, when, and which stores look alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.maintenance.calendar import (
    Calendar,
    House,
    Provisional,
    Rule,
    RuleKind,
    Scope,
    default_operations,
)
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.recurrence import Recurrence
from storewarden.flows.window import (
    Grouping,
    WindowParts,
    WindowQuery,
    check_windows,
    look_ahead,
)
from storewarden.ports.runner import FrozenInventory
from storewarden.testing.inventory import FixedInventory

NOW = datetime(2026, 6, 10, 15, 30, tzinfo=UTC)  # 23:30 in Shanghai, 17:30 in Berlin
SITE = WindowQuery(sources=("stores,",))


class FixedClock:
    def now(self) -> datetime:
        return NOW


def host(store: str, role: str, **more: object) -> dict[str, object]:
    return {
        "sw_store": store, "sw_region": f"r{store[0]}", "sw_role": role, "sw_ci": store + role,
        "sw_tier": "ordinary", "sw_failure_groups": [], "sw_tz": "Asia/Shanghai",
        "sw_hours": "10:00-22:00", **more,
    }  # fmt: skip


HOSTS = {
    "srv.101": host("101", "server"),
    "pos.101": host("101", "pos"),
    "srv.102": host("102", "server"),
    "pos.102": host("102", "pos"),
    "srv.201": host("201", "server", sw_tz="Europe/Berlin"),
}
GROUPS = {"role_pos": ("pos.101", "pos.102")}


def nights(scope: Scope | None = None) -> Rule:
    return Rule(
        name="nights",
        kind=RuleKind.WINDOW,
        recurrence=Recurrence(
            starts=datetime(2026, 1, 1, 23),  # noqa: DTZ001 - a time on the wall
            rrule="FREQ=DAILY",
            wall=timedelta(hours=6),
        ),
        scope=scope or Scope(),
        operations=default_operations(RuleKind.WINDOW),
        source="windows/a.yml:2",
    )


def parts(
    *rules: Rule,
    asked: list[Sequence[int]] | None = None,
    hosts: Mapping[str, Mapping[str, object]] = HOSTS,
    house: House | None = None,
) -> WindowParts:
    def calendar(years: Sequence[int]) -> Calendar:
        if asked is not None:
            asked.append(years)
        return Calendar(
            rules=rules,
            provisional=(Provisional(year=2027, country="CN"),),
            house=house or House(zone="Asia/Shanghai"),
        )

    return WindowParts(
        inventory=FixedInventory(FrozenInventory(hosts=hosts, groups=GROUPS, source="stores")),
        clock=FixedClock(),
        calendar=calendar,
        zone_known=available_timezones().__contains__,
    )


def query(*hosts: str, at: datetime | None = None) -> WindowQuery:
    return WindowQuery(sources=SITE.sources, hosts=hosts, at=at)


def test_hosts_and_groups_in_the_inventorys_order() -> None:
    found = check_windows(parts(nights()), query("role_pos", "srv.101"))
    assert [answer.device.name for answer in found.answers] == ["srv.101", "pos.101", "pos.102"]
    assert found.allowed
    assert len(check_windows(parts(nights()), query()).answers) == len(HOSTS)


def test_one_no_is_no() -> None:
    found = check_windows(parts(nights()), query("srv.101", "srv.201"))
    assert [answer.decision.allowed for answer in found.answers] == [True, False]
    assert not found.allowed


def test_a_host_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        check_windows(parts(nights()), query("srv.10l"))
    assert str(caught.value).startswith("stores: no host or group 'srv.10l' (did you mean srv.10")


def test_a_time_without_a_zone_is_on_every_stores_own_wall() -> None:
    at = datetime(2026, 6, 10, 23, 30)  # noqa: DTZ001 - a time on the wall
    found = check_windows(parts(nights()), query("srv.101", "srv.201", at=at))
    assert found.allowed
    assert [answer.at.hour for answer in found.answers] == [15, 21]
    fixed = check_windows(parts(nights()), query("srv.101", "srv.201", at=at.replace(tzinfo=UTC)))
    assert [answer.at.hour for answer in fixed.answers] == [23, 23]


def test_the_calendar_is_asked_for_every_year_the_answer_may_reach() -> None:
    asked: list[Sequence[int]] = []
    check_windows(parts(nights(), asked=asked), query())
    assert asked == [(2025, 2026, 2027, 2028)]


def test_a_name_that_no_device_has_is_told_even_when_another_host_is_asked_about() -> None:
    stale = nights(Scope(stores=frozenset({"101", "109"})))
    found = check_windows(parts(stale), query("srv.201"))
    assert [(each.source, each.kind, each.name) for each in found.stale] == [
        ("windows/a.yml:2", "store", "109")
    ]
    assert check_windows(parts(nights()), query("srv.201")).stale == ()


def test_roles_of_tills_that_no_device_has_are_told_since_they_protect_nothing() -> None:
    house = House(
        zone="Asia/Shanghai", pos_roles=frozenset({"pos", "till"}), finance_roles=frozenset({"erp"})
    )
    stale = check_windows(parts(house=house), query("srv.101")).stale
    assert [(each.rule, each.name) for each in stale] == [
        ("windows.pos_roles", "till"),
        ("windows.finance_roles", "erp"),
    ]
    assert check_windows(parts(), query("srv.101")).stale == ()
    without = {name: facts for name, facts in HOSTS.items() if facts["sw_role"] != "pos"}
    [only] = check_windows(parts(hosts=without), query("srv.101")).stale
    assert (only.source, only.rule, only.name) == ("storewarden.yml", "windows.pos_roles", "pos")


def test_stores_that_look_alike_share_a_block() -> None:
    found = look_ahead(parts(nights()), SITE)
    assert [(each.roles, each.names, each.devices, each.zones) for each in found.groups] == [
        (("pos",), ("101", "102"), 2, ("Asia/Shanghai",)),
        (("server",), ("101", "102"), 2, ("Asia/Shanghai",)),
        (("server",), ("201",), 1, ("Europe/Berlin",)),
    ]
    days = found.groups[0].days
    assert [day.day for day in days] == [date(2026, 6, 10) + timedelta(n) for n in range(14)]
    assert found.provisional == ()


def test_a_heading_is_true_of_every_store_and_role_it_names() -> None:
    own = nights(Scope(hosts=frozenset({"srv.101"})))
    emergency = WindowQuery(sources=SITE.sources, operation=OperationClass.EMERGENCY)
    alike = look_ahead(parts(nights()), emergency).groups
    assert [(each.roles, each.names) for each in alike] == [
        (("pos", "server"), ("101", "102")),
        (("server",), ("201",)),
    ]
    split = look_ahead(parts(own), SITE).groups
    assert (("server",), ("101",)) in [(each.roles, each.names) for each in split]


def test_stores_that_look_alike_in_other_roles_are_blocks_of_their_own() -> None:
    """The router of 101 and the server of 102 have nights, the others a night long ago."""
    hosts = {f"{role}.{store}": host(store, role) for store in ("101", "102")
             for role in ("router", "server")}  # fmt: skip
    books = parts(
        nights(Scope(hosts=frozenset({"router.101", "server.102"}))),
        other("server.101"),
        other("router.102"),
        hosts=hosts,
    )
    found = look_ahead(books, SITE).groups
    assert sorted((*each.roles, *each.names) for each in found) == [
        ("router", "101"), ("router", "102"), ("server", "101"), ("server", "102"),
    ]  # fmt: skip
    assert found[0].days == found[1].days != found[2].days


def other(host: str) -> Rule:
    starts = datetime(2020, 1, 1, 2)  # noqa: DTZ001 - a time on the wall
    return replace(
        nights(Scope(hosts=frozenset({host}))),
        name=host,
        recurrence=Recurrence(starts=starts, wall=timedelta(hours=1)),
    )


def test_regions_and_the_days_asked_for() -> None:
    at = datetime(2026, 12, 25, 12, tzinfo=UTC)
    wanted = WindowQuery(sources=("x,",), at=at, days=10, grouping=Grouping.REGION)
    found = look_ahead(parts(nights()), wanted)
    assert [(each.roles, each.names) for each in found.groups] == [
        (("pos",), ("r1",)),
        (("server",), ("r1",)),
        (("server",), ("r2",)),
    ]
    assert len(found.groups[0].days) == 10
    assert found.provisional == (2027,)
