# SPDX-License-Identifier: GPL-3.0-or-later
"""Dates of waves: by table, and against a clock that walks through the minutes.

The brute force asks every store at every minute whether all minutes that the work needs are
allowed there; it knows nothing of queues, stretches or events.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.capacity.groups import groups_of, members_of
from storewarden.domain.capacity.undo import Bound
from storewarden.domain.estate.device import Device
from storewarden.domain.rollout.plan import Plan, plan
from storewarden.domain.rollout.schedule import Estate, Schedule, needs, schedule
from storewarden.domain.rollout.spec import RolloutSpec, Soak, Timing, WaveSize
from storewarden.domain.rollout.spec_defaults import REST_AT_ONCE
from tests.amount import examples
from tests.unit.rollout.planned_stores import chain, device, spec, stores

NOW = datetime(2026, 6, 8, tzinfo=UTC)  # a Monday, 00:00
MINUTE = timedelta(minutes=1)
DAY = 1440

type Spans = tuple[tuple[int, int], ...]
"""Minutes since NOW: from (included), to (excluded)."""


def nights(days: int = 20, begin: int = 60, end: int = 300) -> Spans:
    """Every night from 01:00 to 05:00."""
    return tuple((day * DAY + begin, day * DAY + end) for day in range(days))


def daytimes(days: int = 20, begin: int = 600, end: int = 1320) -> Spans:
    """Open every day from 10:00 to 22:00."""
    return nights(days, begin, end)


@dataclass(frozen=True)
class MinuteClock:
    """A StoreClock out of spans of minutes; stores that are not named have the usual ones."""

    windows: Mapping[str, Spans] = field(default_factory=dict)
    opening: Mapping[str, Spans] = field(default_factory=dict)

    def allowed(self, store: str) -> Spans:
        return self.windows.get(store, nights())

    def open(self, store: str) -> Spans:
        return self.opening.get(store, daytimes())

    def alike(self, store: str) -> Hashable:
        return self.allowed(store), self.open(store)

    def fits(
        self, store: str, needs: timedelta, after: datetime
    ) -> tuple[datetime, datetime] | None:
        for begin, end in self.allowed(store):
            starts = max(NOW + begin * MINUTE, after)
            if starts + needs <= NOW + end * MINUTE:
                return starts, NOW + end * MINUTE
        return None

    def traded(self, store: str, since: datetime, long: timedelta) -> datetime | None:
        left = long
        for begin, end in self.open(store):
            starts = max(NOW + begin * MINUTE, since)
            length = NOW + end * MINUTE - starts
            if length >= left:
                return starts + left
            left -= max(length, timedelta(0))
        return None


def estate(devices: Sequence[Device]) -> Estate:
    groups = {each.name: groups_of(each) for each in devices}
    return Estate(groups=groups, members=members_of(groups))


def laid(
    asked: RolloutSpec,
    devices: Sequence[Device],
    clock: MinuteClock | None = None,
    now: datetime = NOW,
) -> Schedule:
    return schedule(plan(asked, devices), clock or MinuteClock(), now, estate(devices))


def told(at: datetime | None) -> str:
    return f"{at:%a %H:%M}" if at else "-"


# A turn is 2 + 5 + 3 minutes, and needs 6 more for its undo. One region takes 20 % at a time.
WIDE = Budgets(region=Fraction(1), single_consent=True)


def test_waves_wait_for_windows_and_soaks() -> None:
    found = laid(spec(stores(1), stores(3), REST_AT_ONCE, budgets=WIDE), chain(5))
    times = [(told(w.begins), told(w.ends), told(w.promoted)) for w in found.waves]
    assert times == [
        ("Mon 01:00", "Mon 01:10", "Tue 01:10"),
        ("Tue 01:10", "Tue 01:20", "Wed 01:20"),
        ("Wed 01:20", "Wed 01:30", "Thu 01:30"),
    ]
    assert told(found.begins) == "Mon 01:00"
    assert told(found.done) == "Wed 01:30"
    assert told(found.over) == "Thu 01:30"


def test_work_begins_only_where_its_undo_fits_too() -> None:
    clock = MinuteClock(windows={"000000": ((60, 75), (200, 216))})
    found = laid(spec(REST_AT_ONCE, budgets=WIDE), chain(1), clock)
    assert needs(found_spec()) == timedelta(minutes=16)
    assert told(found.begins) == "Mon 03:20"


def found_spec() -> RolloutSpec:
    return plan(spec(REST_AT_ONCE), chain(1)).spec


def test_a_soak_asks_for_trade_as_well() -> None:
    asked = spec(REST_AT_ONCE, soak=Soak(wall=timedelta(hours=2), trading=timedelta(hours=1)))
    wave = laid(asked, chain(1)).waves[0]
    assert (told(wave.wall), told(wave.traded), told(wave.promoted)) == (
        "Mon 03:10",
        "Mon 11:00",
        "Mon 11:00",
    )


def test_the_store_that_trades_least_counts_and_one_that_never_opens_does_not() -> None:
    asked = spec(REST_AT_ONCE, soak=Soak(wall=timedelta(0), trading=timedelta(hours=1)))
    clock = MinuteClock(opening={"000000": daytimes(begin=900), "000001": ()})
    wave = laid(asked, chain(3), clock).waves[0]
    assert told(wave.promoted) == "Mon 16:00"
    assert not wave.never_open


def test_where_no_store_ever_opens_only_time_passes() -> None:
    asked = spec(REST_AT_ONCE, soak=Soak(wall=timedelta(0), trading=timedelta(hours=1)))
    wave = laid(asked, chain(1), MinuteClock(opening={"000000": ()})).waves[0]
    assert told(wave.promoted) == "Mon 02:10"
    assert wave.never_open


def test_the_emergency_lane_shortens_soaks_and_nothing_else() -> None:
    asked = spec(
        stores(1),
        REST_AT_ONCE,
        soak=Soak(wall=timedelta(hours=24), trading=timedelta(hours=2)),
        budgets=WIDE,
    )
    quick = laid(replace(asked, emergency=True), chain(4))
    assert [told(wave.promoted) for wave in quick.waves] == ["Mon 01:20", "Mon 01:40"]
    assert laid(asked, chain(4)).waves[0].begins == quick.waves[0].begins


def test_devices_of_a_store_take_turns() -> None:
    devices = [device(f"d{n}", "000000") for n in range(3)]
    found = laid(spec(REST_AT_ONCE, budgets=WIDE), devices)
    assert told(found.done) == "Mon 01:30"
    together = laid(spec(REST_AT_ONCE, budgets=replace(WIDE, store=3)), devices)
    assert told(together.done) == "Mon 01:10"


def test_tills_of_a_store_take_turns_even_where_a_store_may_have_more_work() -> None:
    devices = [device(f"pos{n}", "000000", "pos") for n in range(4)]
    found = laid(spec(REST_AT_ONCE, budgets=replace(WIDE, store=4)), devices)
    assert told(found.done) == "Mon 01:40"


def test_a_region_keeps_four_fifths_of_its_devices() -> None:
    budgets = replace(WIDE, region=Fraction(1, 5))
    found = laid(spec(REST_AT_ONCE, budgets=budgets), chain(10))
    assert told(found.done) == "Mon 01:50"


def test_lanes_and_shards_bound_what_goes_at_once() -> None:
    found = laid(spec(REST_AT_ONCE, budgets=WIDE, lanes=2, shard=3), chain(20))
    assert told(found.done) == "Mon 01:40"  # 6 at once: four turns
    few = laid(spec(REST_AT_ONCE, budgets=replace(WIDE, site=5)), chain(20))
    assert told(few.done) == "Mon 01:40"


def test_a_lane_is_taken_until_its_run_has_ended() -> None:
    clock = MinuteClock(windows={"000001": ((65, 300),)})
    one = laid(spec(REST_AT_ONCE, budgets=WIDE, lanes=1), chain(2), clock)
    assert told(one.stores["000001"].begins) == "Mon 01:10"
    two = laid(spec(REST_AT_ONCE, budgets=WIDE, lanes=2), chain(2), clock)
    assert told(two.stores["000001"].begins) == "Mon 01:05"


def test_a_wave_that_a_night_does_not_hold_goes_on_in_the_next() -> None:
    found = laid(spec(REST_AT_ONCE, budgets=replace(WIDE, site=1)), chain(30))
    assert told(found.done) == "Tue 02:10"  # 23 turns fit before 05:00, then seven more
    late = max(found.stores.values(), key=lambda times: times.begins)
    assert told(late.begins) == "Tue 02:00"


def test_a_store_without_a_window_stops_its_wave_and_is_named() -> None:
    made = plan(spec(stores(1), REST_AT_ONCE, budgets=WIDE), chain(4))
    shut = made.waves[1].stores[1]
    found = schedule(made, MinuteClock(windows={shut: ((60, 70),)}), NOW, estate(chain(4)))
    assert found.stuck == (shut,)
    assert told(found.waves[1].begins) == "Tue 01:10"
    assert (found.waves[1].ends, found.done, found.over) == (None, None, None)
    assert shut not in found.stores


def test_what_is_exposed_has_to_be_undone_within_the_hour() -> None:
    asked = spec(
        stores(5),
        REST_AT_ONCE,
        budgets=replace(WIDE, site=200),
        lanes=1,
        forks=2,
        timing=Timing(undo=timedelta(minutes=20)),
    )
    first, last = laid(asked, chain(20)).waves
    assert (first.exposed, first.undo.takes, first.undo.fits) == (5, timedelta(hours=1), True)
    assert (last.exposed, last.undo.takes, last.undo.fits) == (20, timedelta(minutes=200), False)
    assert last.undo.bound is Bound.FORKS
    assert (last.undo.enough_at_once, last.undo.most_exposed) == (7, 6)


def test_turns_of_a_store_bound_an_undo_too() -> None:
    devices = [device(f"d{n:02d}", "000000") for n in range(12)]
    wave = laid(spec(REST_AT_ONCE, budgets=WIDE), devices).waves[0]
    assert (wave.undo.group, wave.undo.takes) == ("store:000000", timedelta(minutes=72))
    assert not wave.undo.fits


@pytest.mark.parametrize("begin", [0, 59, 60, 61, 299, 300])
def test_a_plan_never_begins_before_it_was_asked_for(begin: int) -> None:
    now = NOW + begin * MINUTE
    found = laid(spec(REST_AT_ONCE, budgets=WIDE), chain(2), now=now)
    assert found.begins is not None
    assert found.begins >= now


@dataclass
class Walk:
    """The brute force: one wave, minute by minute."""

    clock: MinuteClock
    spec: RolloutSpec
    waiting: dict[str, int]
    caps: Mapping[str, int]
    region_of: Mapping[str, str]
    region_caps: Mapping[str, int]
    running: list[tuple[int, int, dict[str, int]]] = field(default_factory=list)
    times: dict[str, tuple[int, int]] = field(default_factory=dict)

    def run(self, start: int, until: int) -> bool:
        """Whether all of it was done before ``until``."""
        for minute in range(start, until):
            self.running = [turn for turn in self.running if turn[0] > minute]
            self.begin(minute)
            if not self.waiting and not self.running:
                return True
        return not self.waiting

    def begin(self, minute: int) -> None:
        length = int((self.spec.timing.preflight + self.spec.timing.change) / MINUTE)
        lanes = self.spec.lanes - sum(turn[1] for turn in self.running)
        going = [count for turn in self.running for count in turn[2].values()]
        free = min(lanes * self.spec.shard, self.spec.budgets.site - sum(going))
        taken: dict[str, int] = {}
        for store in list(self.waiting):
            if not self.fits(store, minute) or self.busy(store, minute):
                continue
            room = min(free - sum(taken.values()), self.region_room(store, taken))
            count = min(self.waiting[store], self.caps[store], room)
            if count > 0:
                taken[store] = count
                self.note(store, minute, minute + length, count)
        if taken:
            lanes_used = -(-sum(taken.values()) // self.spec.shard)
            self.running.append((minute + length, lanes_used, taken))

    def fits(self, store: str, minute: int) -> bool:
        needed = int(needs(self.spec) / MINUTE)
        allowed = {m for begin, end in self.clock.allowed(store) for m in range(begin, end)}
        return all(each in allowed for each in range(minute, minute + needed))

    def busy(self, store: str, minute: int) -> bool:
        return any(store in turn[2] for turn in self.running if turn[0] > minute)

    def region_room(self, store: str, taken: Mapping[str, int]) -> int:
        region = self.region_of[store]
        counts = [taken, *(turn[2] for turn in self.running)]
        used = sum(
            count for each in counts for name, count in each.items()
            if self.region_of[name] == region
        )  # fmt: skip
        return self.region_caps[region] - used

    def note(self, store: str, begins: int, ends: int, count: int) -> None:
        self.times[store] = (self.times.get(store, (begins, 0))[0], ends)
        self.waiting[store] -= count
        if not self.waiting[store]:
            del self.waiting[store]


SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(5, 120)), min_size=1, max_size=3).map(
    lambda found: joined([(begin, begin + long) for begin, long in found])
)


def joined(spans: list[tuple[int, int]]) -> Spans:
    """In order, with those that touch made one."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[RolloutSpec, list[Device], MinuteClock]:
    count = draw(st.integers(1, 5))
    kinds = draw(st.lists(SPANS, min_size=1, max_size=3))
    names = [f"{n:06d}" for n in range(count)]
    windows = {name: draw(st.sampled_from(kinds)) for name in names}
    regions = {name: draw(st.sampled_from(["east", "west"])) for name in names}
    devices = [
        device(f"{name}.{n}", name, region=regions[name])
        for name in names
        for n in range(draw(st.integers(1, 3)))
    ]
    budgets = Budgets(
        store=draw(st.integers(1, 2)),
        region=draw(st.sampled_from([Fraction(1, 5), Fraction(1, 2), Fraction(1)])),
        site=draw(st.integers(1, 5)),
        single_consent=True,
    )
    asked = spec(
        WaveSize(kind=REST_AT_ONCE.kind, share=Fraction(1)),
        budgets=budgets,
        lanes=draw(st.integers(1, 2)),
        shard=draw(st.integers(1, 3)),
        timing=Timing(
            preflight=MINUTE, apply=draw(st.integers(1, 20)) * MINUTE, judge=MINUTE, undo=2 * MINUTE
        ),
    )
    return asked, devices, MinuteClock(windows=windows)


@settings(max_examples=examples(150))
@given(scenes(), st.integers(0, 120))
def test_work_is_laid_out_as_minute_by_minute(
    scene: tuple[RolloutSpec, list[Device], MinuteClock], start: int
) -> None:
    asked, devices, clock = scene
    made = plan(asked, devices)
    found = schedule(made, clock, NOW + start * MINUTE, estate(devices))
    walk = walked(made, devices, clock)
    done = walk.run(start, 700)
    times = {
        store: (int((each.begins - NOW) / MINUTE), int((each.ends - NOW) / MINUTE))
        for store, each in found.stores.items()
    }
    assert times == walk.times
    assert bool(found.stuck) == (not done)
    assert set(found.stuck) == set(walk.waiting)


def walked(made: Plan, devices: Sequence[Device], clock: MinuteClock) -> Walk:
    hosts = dict.fromkeys(made.stores, 0)
    for host in made.hosts:
        hosts[host.store] += 1
    budgets = made.spec.budgets
    regions = {each.store: each.region for each in devices}
    sizes = {name: [each.region for each in devices].count(name) for name in regions.values()}
    # So many turns, as even as they can be: five hosts two at a time are 2, 2 and 1.
    turns = {}
    for store, count in hosts.items():
        cap = max(int(budgets.region * sizes[regions[store]]), 1)
        turns[store] = max(-(-count // budgets.store), -(-count // cap))
    return Walk(
        clock=clock,
        spec=made.spec,
        waiting=hosts,
        caps={store: -(-count // turns[store]) for store, count in hosts.items()},
        region_of=regions,
        region_caps={name: max(int(budgets.region * size), 1) for name, size in sizes.items()},
    )


@settings(max_examples=examples(100))
@given(
    SPANS,
    st.integers(0, 200),
    st.integers(0, 90),
    st.integers(1, 90),
)
def test_a_soak_ends_as_minute_by_minute(opening: Spans, start: int, wall: int, trade: int) -> None:
    always = {"000000": ((0, 5000),)}
    clock = MinuteClock(windows=always, opening={"000000": opening})
    asked = spec(REST_AT_ONCE, soak=Soak(wall=wall * MINUTE, trading=trade * MINUTE))
    wave = laid(asked, chain(1), clock, NOW + start * MINUTE).waves[0]
    assert wave.ends is not None
    assert wave.promoted is not None
    since = int((wave.ends - NOW) / MINUTE)
    minutes = [m for begin, end in opening for m in range(begin, end) if m >= since]
    if len(minutes) >= trade:
        assert wave.promoted == NOW + max(since + wall, minutes[trade - 1] + 1) * MINUTE
    else:
        assert wave.never_open
