# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows, blackouts, campaigns and holidays in the YAML files of a site.

All keys, with what they may say (``docs/operators/window.md`` explains them)::

    windows:
      - name: nights                     # unique in the folder
        rule: FREQ=DAILY                 # RFC 5545; or days: ["2026-06-01", "2026-06-08"]
        from: "2026-01-01"               # the first day, where the rule counts from it
        starts: "23:00"
        ends: "05:00"                    # on the clock on the wall; or duration: 6h, as it passes
        except: ["2026-02-16"]
        zone: Asia/Shanghai              # else each store's own clock
        scope: {regions: [east], roles: [server]}
        operations: [patch, release]     # else all that need a window
        note: agreed with the night shift
    blackouts:                           # the same; whole days without starts and ends
      - name: stocktaking
        days: ["2026-06-30"]
        operations: [pos, patch]         # what it forbids, else all that need a window
    campaigns:
      - {name: "6.18", days: "06-18", before: 2, after: 1}
    holidays:
      - {country: CN, before: 2, after: 1}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import yaml

from storewarden.adapters.calendars.page import Page
from storewarden.domain.maintenance.calendar import Rule, RuleKind, Scope, default_operations
from storewarden.domain.maintenance.campaign import campaign_days
from storewarden.domain.maintenance.grounds import NEEDS_NO_WINDOW, OperationClass
from storewarden.domain.maintenance.holiday import HolidayRequest
from storewarden.domain.maintenance.recurrence import (
    Recurrence,
    RuleMalformed,
    depends_on_start,
    read_rule,
)
from storewarden.ports.calendars import WrittenCalendar

SUFFIXES = (".yml", ".yaml")

_SECTIONS = ("windows", "blackouts", "campaigns", "holidays")
_WHO = ("scope", "operations")
_WHEN = ("rule", "from", "days", "starts", "ends", "duration", "except", "zone")
_RULE_KEYS = ("name", *_WHEN, *_WHO, "note")
_CAMPAIGN_KEYS = ("name", "days", "before", "after", *_WHO, "note")
_HOLIDAY_KEYS = ("country", "subdivision", "before", "after", *_WHO)
_SCOPES = ("hosts", "stores", "regions", "roles", "tiers")
_MOST_DAYS = 60  # before and after a campaign or holiday

_LONG_AGO = date(2020, 1, 1)
_TIME = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_DURATION = re.compile(r"(?:(\d{1,3})\s*h)?\s*(?:(\d{1,4})\s*m(?:in)?)?")
_DAY = timedelta(days=1)


def read_file(path: Path, shown: str) -> WrittenCalendar:
    """Everything in one file; ConfigInvalid with ``file:line``."""
    page = Page(shown=shown)
    root = page.root(path)
    if root is None:
        return WrittenCalendar()
    sections = page.mapping(root, "the file", _SECTIONS)
    reader = _Reader(page=page)

    def all_of[T](name: str, read: Callable[[yaml.Node], T]) -> tuple[T, ...]:
        nodes = page.entries(sections[name], name) if name in sections else []
        return tuple(read(node) for node in nodes)

    return WrittenCalendar(
        rules=(
            *all_of("windows", lambda node: reader.rule(node, RuleKind.WINDOW)),
            *all_of("blackouts", lambda node: reader.rule(node, RuleKind.BLACKOUT)),
            *all_of("campaigns", reader.campaign),
        ),
        holidays=all_of("holidays", reader.holiday),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Turns the entries of one file into rules."""

    page: Page

    def rule(self, node: yaml.Node, kind: RuleKind) -> Rule:
        parts = self.page.mapping(node, f"a {kind.value}", _RULE_KEYS)
        name = self._name(node, parts)
        zone = self.page.text(parts["zone"], "zone") if "zone" in parts else ""
        if zone and zone not in available_timezones():
            self.page.fail(parts["zone"], f"zone: {zone!r} is not a time zone", "as Asia/Shanghai")
        return Rule(
            name=name,
            kind=kind,
            recurrence=self._when(node, parts, kind),
            zone=zone,
            **self._who(parts, kind),
            note=self._note(parts),
            source=self.page.at(node),
        )

    def campaign(self, node: yaml.Node) -> Rule:
        parts = self.page.mapping(node, "a campaign", _CAMPAIGN_KEYS)
        name = self._name(node, parts)
        if "days" not in parts:
            self.page.fail(node, f"campaign {name}: lacks days", 'as in days: "06-16..06-20"')
        text = self.page.text(parts["days"], "days")
        before, after = (self._days_around(parts, key, 0) for key in ("before", "after"))
        try:
            recurrence = campaign_days(text, before, after)
        except RuleMalformed as error:
            self.page.fail(parts["days"], f"campaign {name}: {error}")
        return Rule(
            name=name,
            kind=RuleKind.CAMPAIGN,
            recurrence=recurrence,
            **self._who(parts, RuleKind.CAMPAIGN),
            note=self._note(parts),
            source=self.page.at(node),
        )

    def holiday(self, node: yaml.Node) -> HolidayRequest:
        parts = self.page.mapping(node, "a holiday entry", _HOLIDAY_KEYS)
        if "country" not in parts:
            self.page.fail(node, "holidays: lacks country", "as in country: CN")
        state = parts.get("subdivision")
        return HolidayRequest(
            country=self.page.text(parts["country"], "country"),
            subdivision=self.page.text(state, "subdivision") if state else "",
            before=self._days_around(parts, "before", 2),
            after=self._days_around(parts, "after", 1),
            **self._who(parts, RuleKind.HOLIDAY),
            source=self.page.at(node),
        )

    def _name(self, node: yaml.Node, parts: Mapping[str, yaml.Node]) -> str:
        if "name" not in parts:
            self.page.fail(node, "lacks a name")
        return self.page.text(parts["name"], "name")

    def _note(self, parts: Mapping[str, yaml.Node]) -> str:
        return self.page.text(parts["note"], "note") if "note" in parts else ""

    def _days_around(self, parts: Mapping[str, yaml.Node], key: str, default: int) -> int:
        return self.page.number(parts[key], key, _MOST_DAYS) if key in parts else default

    def _who(self, parts: Mapping[str, yaml.Node], kind: RuleKind) -> dict[str, Any]:
        return {"scope": self._scope(parts), "operations": self._operations(parts, kind)}

    def _scope(self, parts: Mapping[str, yaml.Node]) -> Scope:
        if "scope" not in parts:
            return Scope()
        kinds = self.page.mapping(parts["scope"], "a scope", _SCOPES)
        if not kinds:
            self.page.fail(parts["scope"], "scope: names nothing", "leave it out for all devices")
        return Scope(
            **{kind: frozenset(self.page.texts(node, kind)) for kind, node in kinds.items()}
        )

    def _operations(
        self, parts: Mapping[str, yaml.Node], kind: RuleKind
    ) -> frozenset[OperationClass]:
        if "operations" not in parts:
            return default_operations(kind)
        words = self.page.texts(parts["operations"], "operations")
        names = {each.value: each for each in OperationClass if each is not OperationClass.AUDIT}
        for word in words:
            if word not in names:
                hint = f"one of {', '.join(names)}"
                self.page.fail(parts["operations"], f"operations: {word!r} is not one", hint)
        found = frozenset(names[word] for word in words)
        needless = sorted(each.value for each in found & NEEDS_NO_WINDOW)
        if kind is RuleKind.WINDOW and needless:
            self.page.fail(parts["operations"], f"operations: {needless[0]} needs no window")
        return found

    def _when(self, node: yaml.Node, parts: Mapping[str, yaml.Node], kind: RuleKind) -> Recurrence:
        if ("rule" in parts) == ("days" in parts):
            self.page.fail(node, "needs either a rule or days", "as rule: FREQ=DAILY")
        if "days" in parts and "from" in parts:
            self.page.fail(parts["from"], "from: has no meaning beside days")
        starts, length = self._times(node, parts, kind)
        first, rule, more = self._first(node, parts)
        at = datetime.combine(first, time.min) + starts
        off = self._days(parts["except"], "except") if "except" in parts else ()
        try:
            rrule, until = read_rule(rule, at) if rule else ("", None)
            return Recurrence(
                starts=at,
                rrule=rrule,
                until=until,
                rdates=frozenset(datetime.combine(day, time.min) + starts for day in more),
                exdates=frozenset(datetime.combine(day, time.min) + starts for day in off),
                **length,
            )
        except RuleMalformed as error:
            self.page.fail(parts.get("rule", node), f"rule: {error}")

    def _first(
        self, node: yaml.Node, parts: Mapping[str, yaml.Node]
    ) -> tuple[date, str, tuple[date, ...]]:
        """The first day, the rule if any, and further days."""
        if "days" in parts:
            first, *more = self._days(parts["days"], "days")
            return first, "", tuple(more)
        rule = self.page.text(parts["rule"], "rule")
        if "from" in parts:
            return self._day(parts["from"], "from"), rule, ()
        try:
            counts = depends_on_start(rule)
        except RuleMalformed as error:
            self.page.fail(parts["rule"], f"rule: {error}")
        if counts:
            self.page.fail(node, "lacks from: this rule counts from its first day")
        return _LONG_AGO, rule, ()

    def _times(
        self, node: yaml.Node, parts: Mapping[str, yaml.Node], kind: RuleKind
    ) -> tuple[timedelta, dict[str, timedelta]]:
        """Start after midnight, and how long: on the wall or elapsed."""
        if not {"starts", "ends", "duration"} & parts.keys() and kind is not RuleKind.WINDOW:
            return timedelta(0), {"wall": _DAY}
        if "starts" not in parts or ("ends" in parts) == ("duration" in parts):
            self.page.fail(node, "needs starts, and either ends or duration")
        starts = self._time(parts["starts"], "starts")
        if starts == _DAY:
            self.page.fail(parts["starts"], "starts: 24:00 is 00:00 of the next day")
        if "duration" in parts:
            return starts, {"elapsed": self._duration(parts["duration"])}
        ends = self._time(parts["ends"], "ends")
        return starts, {"wall": ends - starts if ends > starts else ends - starts + _DAY}

    def _time(self, node: yaml.Node, what: str) -> timedelta:
        match = _TIME.fullmatch(self.page.text(node, what))
        length = timedelta(hours=int(match[1]), minutes=int(match[2])) if match else 2 * _DAY
        if length > _DAY:
            self.page.fail(node, f"{what}: must be a time of day", 'as "23:00"')
        return length

    def _duration(self, node: yaml.Node) -> timedelta:
        match = _DURATION.fullmatch(self.page.text(node, "duration"))
        hours, minutes = (int(part or 0) for part in match.groups()) if match else (0, 0)
        if not hours and not minutes:
            self.page.fail(node, "duration: must be a length of time", "as 6h, 90m or 1h 30m")
        return timedelta(hours=hours, minutes=minutes)

    def _days(self, node: yaml.Node, what: str) -> tuple[date, ...]:
        if isinstance(node, yaml.ScalarNode):
            return (self._day(node, what),)
        found = tuple(self._day(each, what) for each in self.page.entries(node, what))
        if not found:
            self.page.fail(node, f"{what}: is an empty list", "leave the key out")
        return found

    def _day(self, node: yaml.Node, what: str) -> date:
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        if day is None or day.isoformat() != text:
            self.page.fail(node, f'{what}: must be a day like "2026-03-31"')
        return day
