# SPDX-License-Identifier: GPL-3.0-or-later
"""iCalendar (RFC 5545) in and out, through the ``icalendar`` library.

One VEVENT is one rule; its CATEGORIES say which kind. A time without a zone ("floating") is
the clock on the wall of each store, which is just what iCalendar means by it. What is not
understood is refused with file, line and event, because half a calendar is a wrong one.

Two readings are ours. DTEND is a time on the wall, as people write it: a window to 05:00 ends
at 05:00 in the nights in which the clocks change, too. In DURATION, hours are time that
really passes and days are days on the wall, as RFC 5545 has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, available_timezones

import icalendar

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.maintenance.calendar import Rule, RuleKind, Scope, default_operations
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.recurrence import Recurrence, RuleMalformed, read_rule
from storewarden.domain.maintenance.wallclock import instant
from storewarden.ports.calendars import WrittenCalendar

SUFFIXES = (".ics",)

_OURS = "X-STOREWARDEN-"
_ELAPSED = f"{_OURS}ELAPSED"
_OPERATION = f"{_OURS}OPERATION"
_SCOPES = {
    f"{_OURS}{kind.upper()}": f"{kind}s" for kind in ("host", "store", "region", "role", "tier")
}
_KNOWN = frozenset({_ELAPSED, _OPERATION, *_SCOPES})
_NOT_FOLLOWED = ("RECURRENCE-ID", "EXRULE")
_DAY = timedelta(days=1)
_PRODID = "-//storewarden//windows//EN"


def read_file(path: Path, shown: str) -> WrittenCalendar:
    """Every event of one file; ConfigInvalid with file, line and event."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigInvalid(f"cannot be read: {reason}", where=shown) from error
    return WrittenCalendar(rules=IcsExchange().read(data, shown))


class IcsExchange:
    """The CalendarExchange port for iCalendar."""

    def read(self, data: bytes, shown: str, kind: RuleKind | None = None) -> tuple[Rule, ...]:
        """The rules in ``data``; cancelled events are none. ConfigInvalid."""
        try:
            calendars = icalendar.Calendar.from_ical(data, multiple=True)
        except (ValueError, IndexError, KeyError) as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigInvalid(f"is not iCalendar: {what}", where=shown) from error
        if not calendars or any(each.name != "VCALENDAR" for each in calendars):
            raise ConfigInvalid("is not iCalendar: no VCALENDAR in it", where=shown)
        lines = _event_lines(data)
        found = []
        for component in (part for each in calendars for part in each.subcomponents):
            if component.name == "VTIMEZONE":
                continue
            line = next(lines, 1) if component.name == "VEVENT" else 1
            reader = _Reader(event=component, where=f"{shown}:{line}", kind=kind)
            if str(component.get("STATUS", "")).upper() != "CANCELLED":
                found.append(reader.rule())
        return _apart(found)

    def write(self, rules: Sequence[Rule], at: datetime) -> bytes:
        """One calendar with one event for each rule."""
        calendar = icalendar.Calendar()
        calendar.add("prodid", _PRODID)
        calendar.add("version", "2.0")
        for rule in rules:
            calendar.add_component(_event(rule, at))
        if any(rule.zone not in ("", "UTC") for rule in rules):
            calendar.add_missing_timezones()
        return bytes(calendar.to_ical())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Turns one component into a rule."""

    event: Any  # icalendar.Component; its values are typed by property, at run time
    where: str
    kind: RuleKind | None

    def fail(self, what: str, hint: str = "") -> NoReturn:
        name = str(self.event.get("SUMMARY") or self.event.get("UID") or "without a name")
        raise ConfigInvalid(f'event "{name}": {what}', where=self.where, hint=hint)

    def rule(self) -> Rule:
        self._check()
        kind = self._kind()
        starts, zone = self._start()
        return Rule(
            name=" ".join(str(self.event.get("SUMMARY") or self.event.get("UID") or "").split())
            or self.fail("has neither SUMMARY nor UID"),
            kind=kind,
            recurrence=self._recurrence(starts, zone),
            zone=zone,
            scope=Scope(**self._scope()),
            operations=self._operations() or default_operations(kind),
            note=" ".join(str(self.event.get("DESCRIPTION", "")).split()),
            source=self.where,
        )

    def _check(self) -> None:
        if self.event.name != "VEVENT":
            self.fail(f"{self.event.name} is not followed, only VEVENT")
        for name, error in self.event.errors:
            self.fail(f"{name or 'a line'} cannot be read: {error}")
        for name in _NOT_FOLLOWED:
            if name in self.event:
                self.fail(f"{name} is not followed", "move the day with EXDATE and RDATE")
        for name in self.event:
            if str(name).startswith(_OURS) and str(name) not in _KNOWN:
                self.fail(f"{name} is not known", f"known: {', '.join(sorted(_KNOWN))}")

    def _kind(self) -> RuleKind:
        words = {word.strip().lower() for word in self._categories()}
        named = [kind for kind in RuleKind if kind.value in words]
        if len(named) > 1:
            self.fail(f"CATEGORIES says both {named[0].value} and {named[1].value}")
        if not named and self.kind is None:
            kinds = ", ".join(kind.value.upper() for kind in RuleKind)
            self.fail("CATEGORIES does not say what it is", f"one of {kinds}")
        return named[0] if named else self.kind or RuleKind.BLACKOUT

    def _categories(self) -> Iterator[str]:
        for each in _listed(self.event.get("CATEGORIES")):
            yield from (str(word) for word in each.cats)

    def _start(self) -> tuple[datetime, str]:
        """The naive first start, and the zone it is in (empty for each store's own)."""
        start = self._one("DTSTART")
        if start is None:
            self.fail("has no DTSTART")
        return _naive(start.dt), self._zone(start)

    def _zone(self, value: Any) -> str:
        named = str(value.params.get("TZID", ""))
        if not named:
            aware = isinstance(value.dt, datetime) and value.dt.tzinfo is not None
            return "UTC" if aware else ""
        name = icalendar.timezone.windows_to_olson.WINDOWS_TO_OLSON.get(named, named)
        if name not in available_timezones():
            self.fail(f"TZID={named} is not a time zone", "an IANA name, as Asia/Shanghai")
        return name

    def _recurrence(self, starts: datetime, zone: str) -> Recurrence:
        rules = _listed(self.event.get("RRULE"))
        if len(rules) > 1:
            self.fail("has more than one RRULE", "make one event of each")
        try:
            rrule, until = "", None
            if rules:
                rrule, until = read_rule(rules[0].to_ical().decode(), starts)
            found = Recurrence(
                starts=starts,
                rrule=rrule,
                until=until,
                exdates=frozenset(self._dates("EXDATE", starts, zone)),
                rdates=frozenset(self._dates("RDATE", starts, zone)),
                **self._length(starts),
            )
        except RuleMalformed as error:
            self.fail(str(error))
        if found.aligned() != found:  # RFC 5545 leaves open whether it counts
            self.fail("DTSTART is not one of the days of its RRULE")
        return found

    def _length(self, starts: datetime) -> dict[str, timedelta]:
        end, duration = self._one("DTEND"), self._one("DURATION")
        if end is not None and duration is not None:
            self.fail("has both DTEND and DURATION")
        if end is not None:
            if self._zone(end) != self._zone(self._one("DTSTART")):
                self.fail("DTSTART and DTEND are in different zones")
            return {"wall": _naive(end.dt) - starts}
        if duration is not None:
            length: timedelta = duration.dt
            if str(self.event.get(_ELAPSED, "")).upper() == "TRUE":
                return {"elapsed": length}
            whole = timedelta(days=length.days)
            return {"wall": whole, "elapsed": length - whole}
        if isinstance(self._one("DTSTART").dt, datetime):
            self.fail("has no end", "give DTEND or DURATION")
        return {"wall": _DAY}

    def _dates(self, name: str, starts: datetime, zone: str) -> Iterator[datetime]:
        for each in _listed(self.event.get(name)):
            for value in each.dts:
                if isinstance(value.dt, tuple):
                    self.fail(f"{name} with a PERIOD is not followed")
                yield self._date(name, value.dt, starts, zone)

    def _date(self, name: str, value: date, starts: datetime, zone: str) -> datetime:
        if not isinstance(value, datetime):
            return datetime.combine(value, starts.time())
        if value.tzinfo is None:
            return value
        if not zone:
            self.fail(f"{name} has a zone, DTSTART has none")
        return _naive(value.astimezone(ZoneInfo(zone)))

    def _one(self, name: str) -> Any:
        values = _listed(self.event.get(name))
        if len(values) > 1:
            self.fail(f"has more than one {name}")
        return values[0] if values else None

    def _scope(self) -> dict[str, frozenset[str]]:
        return {
            field: frozenset(str(each) for each in _listed(self.event.get(name)))
            for name, field in _SCOPES.items()
        }

    def _operations(self) -> frozenset[OperationClass]:
        words = [str(each) for each in _listed(self.event.get(_OPERATION))]
        names = {each.value: each for each in OperationClass if each is not OperationClass.AUDIT}
        for word in words:
            if word not in names:
                self.fail(f"{_OPERATION}: {word!r} is not one", f"one of {', '.join(names)}")
        return frozenset(names[word] for word in words)


def _event_lines(data: bytes) -> Iterator[int]:
    for number, line in enumerate(data.splitlines(), 1):
        if re.fullmatch(rb"BEGIN:VEVENT\s*", line, re.IGNORECASE):
            yield number


def _listed(value: Any) -> list[Any]:
    """A property that stands there once, several times or not at all, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _naive(value: date) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None, fold=0)
    return datetime.combine(value, time.min)


def _apart(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Events of one title get their first day added, so that every rule has its own name."""
    names = [rule.name for rule in rules]
    return tuple(
        replace(rule, name=f"{rule.name} {rule.recurrence.starts:%Y-%m-%d}")
        if names.count(rule.name) > 1
        else rule
        for rule in rules
    )


def _event(rule: Rule, at: datetime) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", f"{rule.kind.value}:{rule.name}@storewarden")
    event.add("dtstamp", at.astimezone(UTC))
    event.add("summary", rule.name)
    event.add("categories", [rule.kind.value.upper()])
    if rule.note:
        event.add("description", rule.note)
    _add_times(event, rule)
    for name, field in _SCOPES.items():
        for each in sorted(getattr(rule.scope, field)):
            event.add(name, each)
    if rule.operations != default_operations(rule.kind):
        for word in sorted(each.value for each in rule.operations):
            event.add(_OPERATION, word)
    return event


def _add_times(event: icalendar.Event, rule: Rule) -> None:
    again = rule.recurrence.aligned()  # other programs count DTSTART in any case

    def zoned(wall: datetime) -> datetime:
        if not rule.zone:
            return wall
        return wall.replace(tzinfo=UTC if rule.zone == "UTC" else ZoneInfo(rule.zone))

    event.add("dtstart", zoned(again.starts))
    if again.elapsed:
        event.add("duration", again.wall + again.elapsed)
        if not again.wall:
            event.add(_ELAPSED, "TRUE")
    else:
        event.add("dtend", zoned(again.starts + again.wall))
    if again.rrule:
        event.add("rrule", icalendar.vRecur.from_ical(f"{again.rrule}{_until(rule)}"))
    for name, dates in (("exdate", again.exdates), ("rdate", again.rdates)):
        if dates:
            event.add(name, [zoned(each) for each in sorted(dates)])


def _until(rule: Rule) -> str:
    """In UTC beside a start with a zone, else on the wall, as RFC 5545 wants it."""
    until = rule.recurrence.until
    if until is None:
        return ""
    if until.tzinfo is None and rule.zone:
        until = instant(until, ZoneInfo(rule.zone))
    return f";UNTIL={until:%Y%m%dT%H%M%S}{'Z' if until.tzinfo else ''}"
