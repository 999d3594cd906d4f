# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about windows: may this host be worked on, and what do the next days look like.

They need the inventory and the calendars and nothing else: no ledger, no controller, no host.
The whole inventory is read even for one host, so that a name in a calendar that no device has
(a misspelt store: a blackout that protects nobody) is told every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from zoneinfo import ZoneInfo

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.estate.device import Device, read_estate
from storewarden.domain.maintenance.almanac import Almanac, Profile
from storewarden.domain.maintenance.calendar import Calendar, House
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.judge import Question, WindowDecision, judge
from storewarden.domain.maintenance.outlook import Day, outlook, together
from storewarden.domain.maintenance.wallclock import instant, wall_at
from storewarden.ports.clock import Clock
from storewarden.ports.inventory import Inventory
from storewarden.ports.runner import FrozenInventory

type CalendarSource = Callable[[Sequence[int]], Calendar]
"""The site's calendar with the public holidays of these years; raises ConfigInvalid."""


class Grouping(Enum):
    """What one block of the calendar is about."""

    STORE = "store"  # each store; those that look alike share a block
    REGION = "region"  # each region


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowParts:
    """What questions are answered with; ``zone_known`` tells whether a zone exists."""

    inventory: Inventory
    clock: Clock
    calendar: CalendarSource
    zone_known: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowQuery:
    """About which hosts (names or groups, none is all), when, and for what kind of work.

    ``at`` without a zone is the clock on the wall of each host's store; None is now.
    ``days`` is how far a calendar looks.
    """

    sources: tuple[Path | str, ...]
    hosts: tuple[str, ...] = ()
    at: datetime | None = None
    needs: timedelta = timedelta(0)
    operation: OperationClass = OperationClass.CONFIGURATION
    days: int = 14
    grouping: Grouping = Grouping.STORE
    vault_password: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAnswer:
    """The decision for one host at ``at`` (UTC); ``zone`` is its store's."""

    device: Device
    at: datetime
    zone: ZoneInfo
    decision: WindowDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleName:
    """A name in a rule's scope that no device has; ``kind`` is store, region, ..."""

    source: str
    rule: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAnswers:
    """One answer for each host asked about, in the inventory's order."""

    answers: tuple[HostAnswer, ...]
    stale: tuple[StaleName, ...]

    @property
    def allowed(self) -> bool:
        """Whether it is yes for every host."""
        return all(answer.decision.allowed for answer in self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutlook:
    """Devices of ``roles`` in stores or regions (``names``) whose next days look the same."""

    names: tuple[str, ...]
    roles: tuple[str, ...]
    devices: int
    zones: tuple[str, ...]
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlooks:
    """The next days of every group; ``provisional`` are years without official holidays."""

    groups: tuple[GroupOutlook, ...]
    provisional: tuple[int, ...]
    stale: tuple[StaleName, ...]


def check_windows(parts: WindowParts, query: WindowQuery) -> WindowAnswers:
    """Whether work may begin on each host; ConfigInvalid for a host that is not there."""
    now = parts.clock.now()
    found = parts.inventory.resolve(query.sources, vault_password=query.vault_password)
    devices = read_estate(found.hosts, parts.zone_known).devices
    chosen = _chosen(found, devices, query.hosts)
    almanac = Almanac(parts.calendar(_years(query.at or now, 400)))
    answers = []
    for device in chosen:
        zone = ZoneInfo(device.tz or almanac.calendar.house.zone)
        at = _moment(query.at, zone, now)
        question = Question(device=device, operation=query.operation, needs=query.needs)
        answers.append(
            HostAnswer(device=device, at=at, zone=zone, decision=judge(question, almanac, at))
        )
    return WindowAnswers(answers=tuple(answers), stale=_stale(almanac, devices))


def look_ahead(parts: WindowParts, query: WindowQuery) -> Outlooks:
    """The next days of every role in every store or region, alike ones together."""
    now = parts.clock.now()
    found = parts.inventory.resolve(query.sources, vault_password=query.vault_password)
    devices = read_estate(found.hosts, parts.zone_known).devices
    almanac = Almanac(parts.calendar(_years(query.at or now, query.days)))
    first = _moment(query.at, ZoneInfo(almanac.calendar.house.zone), now)
    day = wall_at(first, ZoneInfo(almanac.calendar.house.zone)).date()
    return Outlooks(
        groups=_outlooks(_chosen(found, devices, query.hosts), almanac, query, day),
        provisional=_provisional(almanac, day, query.days),
        stale=_stale(almanac, devices),
    )


def _years(at: datetime, days: int) -> tuple[int, ...]:
    """The years that an answer may reach into, and those beside them."""
    return tuple(range(at.year - 1, (at + timedelta(days=days)).year + 2))


def _moment(at: datetime | None, zone: ZoneInfo, now: datetime) -> datetime:
    if at is None:
        return now.astimezone(UTC)
    return instant(at, zone) if at.tzinfo is None else at.astimezone(UTC)


def _chosen(
    found: FrozenInventory, devices: Sequence[Device], names: Sequence[str]
) -> tuple[Device, ...]:
    """The devices called ``names``, which may be hosts or groups; all when there are none."""
    wanted: set[str] = set()
    for name in names:
        if name not in found.hosts and name not in found.groups:
            close = get_close_matches(name, [*found.hosts, *found.groups], n=1)
            hint = f"did you mean {close[0]}?" if close else "a host or a group of the inventory"
            raise ConfigInvalid(f"no host or group {name!r}", where=found.source, hint=hint)
        wanted |= {name} if name in found.hosts else set(found.groups[name])
    return tuple(each for each in devices if not names or each.name in wanted)


type _Place = tuple[str, str]
"""A store or region, and a role in it."""
type _Look = tuple[tuple[Day, ...], tuple[str, ...]]
"""The days as they are drawn, and the time zones they are in."""


def _outlooks(
    devices: Sequence[Device], almanac: Almanac, query: WindowQuery, first: date
) -> tuple[GroupOutlook, ...]:
    places: dict[_Place, list[Profile]] = {}
    for device in devices:
        name = device.store if query.grouping is Grouping.STORE else device.region
        profile = almanac.profile(device, query.operation)
        places.setdefault((name, device.role), []).append(profile)
    drawn: dict[Profile, tuple[Day, ...]] = {}
    whole: dict[frozenset[Profile], _Look] = {}
    alike: dict[_Look, list[_Place]] = {}
    for place in sorted(places):
        profiles = frozenset(places[place])
        for profile in profiles - drawn.keys():
            drawn[profile] = outlook(profile, almanac, first, query.days)
        if profiles not in whole:
            zones = tuple(sorted({profile.zone for profile in profiles}))
            whole[profiles] = (together([drawn[profile] for profile in profiles]), zones)
        alike.setdefault(whole[profiles], []).append(place)
    return tuple(
        GroupOutlook(
            names=tuple(sorted({name for name, _role in block})),
            roles=tuple(sorted({role for _name, role in block})),
            devices=sum(len(places[place]) for place in block),
            zones=zones,
            days=days,
        )
        for (days, zones), found in alike.items()
        for block in _blocks(found, places)
    )


def _blocks(
    alike: Sequence[_Place], places: Mapping[_Place, object]
) -> Iterator[tuple[_Place, ...]]:
    """Places that look alike, cut so that "these roles in these stores" is true of each block."""
    roles: dict[str, set[str]] = {}
    for name, role in alike:
        roles.setdefault(name, set()).add(role)
    every = set().union(*roles.values())
    there = {name: {role for role in every if (name, role) in places} for name in roles}
    if there == roles:
        yield tuple(alike)
        return
    for same in sorted({tuple(sorted(each)) for each in roles.values()}):
        yield tuple(place for place in alike if tuple(sorted(roles[place[0]])) == same)


def _provisional(almanac: Almanac, first: date, days: int) -> tuple[int, ...]:
    years = {first.year, (first + timedelta(days=days)).year}
    return tuple(sorted({each.year for each in almanac.calendar.provisional} & years))


def _stale(almanac: Almanac, devices: Sequence[Device]) -> tuple[StaleName, ...]:
    scopes = tuple(
        StaleName(source=rule.source, rule=rule.name, kind=kind, name=name)
        for rule, kind, name in almanac.stale_names(devices)
    )
    return (*scopes, *_unheld(almanac.calendar.house, devices))


def _unheld(house: House, devices: Sequence[Device]) -> Iterator[StaleName]:
    """Roles of tills and of finance systems that no device has: their rules protect nothing.

    Most chains have no finance system in a store, so the default is not told of.
    """
    held = {device.role for device in devices}
    finance = house.finance_roles - House().finance_roles
    for key, roles in (("pos_roles", house.pos_roles), ("finance_roles", finance)):
        for role in sorted(roles - held):
            yield StaleName(source="storewarden.yml", rule=f"windows.{key}", kind="role", name=role)
