# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowed time against brute force: every minute looked at on the clock on the wall.

The brute force shares no code with what it checks: it walks through UTC minute by minute, reads
the wall clock there, and finds out when a wall-clock time happens by looking for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.estate.device import Device
from storewarden.domain.estate.hours import parse_hours
from storewarden.domain.maintenance.almanac import Almanac
from storewarden.domain.maintenance.calendar import (
    Calendar,
    House,
    Rule,
    RuleKind,
    default_operations,
)
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.recurrence import Recurrence, read_rule
from tests.amount import examples

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

# (zone, the UTC day in whose neighbourhood its clocks change, or some day in Shanghai)
PLACES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 10, 3)),
    ("Australia/Lord_Howe", date(2026, 4, 4)),
    ("Asia/Shanghai", date(2026, 6, 18)),
]


@dataclass(frozen=True)
class Sketch:
    """A rule as the brute force understands it: weekdays, a start, a length."""

    kind: RuleKind
    weekdays: frozenset[int]
    starts: int  # minutes after midnight
    wall: int
    elapsed: int
    left_out: date | None

    def rule(self, name: str, first: date) -> Rule:
        start = datetime.combine(first, time.min) + self.starts * MINUTE
        byday = ",".join(NAMES[day] for day in sorted(self.weekdays))
        rrule, _ = read_rule(f"FREQ=WEEKLY;BYDAY={byday}", start)
        out = {datetime.combine(self.left_out, start.time())} if self.left_out else set()
        return Rule(
            name=name,
            kind=self.kind,
            recurrence=Recurrence(
                starts=start,
                rrule=rrule,
                exdates=frozenset(out),
                wall=self.wall * MINUTE,
                elapsed=self.elapsed * MINUTE,
            ),
            operations=default_operations(self.kind),
        )


@cache
def walls(zone: str, day: date) -> dict[datetime, list[datetime]]:
    """Wall-clock minute -> the UTC minutes that show it, some days around ``day``."""
    found: dict[datetime, list[datetime]] = {}
    moment = datetime.combine(day, time.min, tzinfo=UTC) - 9 * DAY
    for _ in range(18 * 1440):
        wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        found.setdefault(wall, []).append(moment)
        moment += MINUTE
    return found


def shown_at(zone: str, day: date, wall: datetime) -> datetime:
    """When the clock shows ``wall`` first; in a gap, as many minutes after its beginning."""
    table = walls(zone, day)
    skipped = 0
    while wall not in table:
        wall -= MINUTE
        skipped += 1
    return table[wall][0] + skipped * MINUTE


def brute_rule(sketch: Sketch, zone: str, day: date, first: date) -> set[datetime]:
    minutes: set[datetime] = set()
    for step in range(-6, 6):
        on = day + step * DAY
        if on < first or on.weekday() not in sketch.weekdays or on == sketch.left_out:
            continue
        start = datetime.combine(on, time.min) + sketch.starts * MINUTE
        moment = shown_at(zone, day, start)
        ends = shown_at(zone, day, start + sketch.wall * MINUTE) + sketch.elapsed * MINUTE
        while moment < ends:
            minutes.add(moment)
            moment += MINUTE
    return minutes


lengths = st.one_of(
    st.tuples(st.integers(1, 1500), st.just(0)), st.tuples(st.just(0), st.integers(1, 1500))
)


@st.composite
def sketches(draw: st.DrawFn, day: date) -> Sketch:
    wall, elapsed = draw(lengths)
    return Sketch(
        kind=draw(st.sampled_from([RuleKind.WINDOW, RuleKind.BLACKOUT, RuleKind.CAMPAIGN])),
        weekdays=frozenset(draw(st.sets(st.integers(0, 6), min_size=1))),
        starts=draw(st.one_of(st.integers(0, 1439), st.integers(90, 210))),
        wall=wall,
        elapsed=elapsed,
        left_out=draw(st.none() | st.integers(-1, 1).map(lambda step: day + step * DAY)),
    )


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_allowed_time_is_what_looking_at_every_minute_finds(data: st.DataObject) -> None:
    zone, day = data.draw(st.sampled_from(PLACES))
    drawn = data.draw(st.lists(sketches(day), min_size=1, max_size=4))
    window = Sketch(RuleKind.WINDOW, frozenset(range(7)), 1380, 360, 0, None)
    several = [window, *drawn]
    first = day - 5 * DAY
    calendar = Calendar(
        rules=tuple(each.rule(f"r{n}", first) for n, each in enumerate(several)),
        house=House(zone=zone, month_end=()),
    )
    begin = datetime.combine(day, time.min, tzinfo=UTC) - DAY
    device = Device(name="h", tz=zone, hours=parse_hours("closed"))
    allowed = Almanac(calendar).openings(device, OperationClass.PATCH, begin, begin + 3 * DAY)

    windows: set[datetime] = set()
    blackouts: set[datetime] = set()
    for each in several:
        target = windows if each.kind is RuleKind.WINDOW else blackouts
        target |= brute_rule(each, zone, day, first)
    every = {begin + n * MINUTE for n in range(3 * 1440)}
    assert {m for m in every if any(m in each for each in allowed)} == (windows - blackouts) & every


hours_texts = st.sampled_from(
    ["09:00-22:00", "10:00-14:00,16:00-22:00", "18:00-02:30", "00:00-24:00", "closed",
     "Mon-Fri 10:00-21:00; Sun 22:00-03:00", "01:30-02:15"]
)  # fmt: skip


@settings(max_examples=examples(40), deadline=None)
@given(st.sampled_from(PLACES), hours_texts)
def test_a_till_is_never_touched_while_its_store_is_open(
    place: tuple[str, date], text: str
) -> None:
    zone, day = place
    hours = parse_hours(text)
    window = Sketch(RuleKind.WINDOW, frozenset(range(7)), 0, 1440, 0, None)
    calendar = Calendar(
        rules=(window.rule("always", day - 6 * DAY),), house=House(zone=zone, month_end=())
    )
    till = Device(name="pos", role="pos", tz=zone, hours=hours)
    begin = datetime.combine(day, time.min, tzinfo=UTC) - DAY
    allowed = Almanac(calendar).openings(till, OperationClass.PATCH, begin, begin + 3 * DAY)
    changes = {
        moment
        for moments in walls(zone, day).values() if len(moments) > 1 for moment in moments
    }  # fmt: skip
    for n in range(3 * 1440):
        moment = begin + n * MINUTE
        open_now = hours.open_at(moment.astimezone(ZoneInfo(zone)))
        free = any(moment in each for each in allowed)
        assert not (open_now and free)
        # rounded outwards, so never free too much; exactly free where no clock changes
        if not changes and zone == "Asia/Shanghai":
            assert free is not open_now
