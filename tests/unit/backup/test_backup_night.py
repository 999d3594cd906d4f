# SPDX-License-Identifier: GPL-3.0-or-later
"""The night of a chain: nothing overruns a line or a hub, and what does not fit is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.backup.night import Hub, Night, Slot, Wanted, plan_night
from storewarden.domain.backup.policy import SetKind
from storewarden.domain.maintenance.interval import Interval

NIGHT = datetime(2026, 11, 22, 23, tzinfo=UTC)
WINDOW = Interval(starts=NIGHT, ends=NIGHT + timedelta(hours=7))
MIB = 1 << 20


def wanted(store: int, *, size: int = 100 * MIB, rate: int = 256, **more: object) -> Wanted:
    given = {
        "host": f"s{store:06}-sv01",
        "policy": "db",
        "kind": SetKind.FULL,
        "line": f"{store:06}",
        "hub": "east",
        "window": WINDOW,
        "size": size,
        "rate": rate,
        "splay": timedelta(hours=3),
    }
    return Wanted(**(given | more))  # type: ignore[arg-type]


def at_once(night: Night, moment: datetime, hub: str) -> int:
    return sum(moment in each.time for each in night.slots if each.wanted.hub == hub)


def test_a_set_takes_as_long_as_its_bytes_on_its_line() -> None:
    night = plan_night([wanted(1, size=256 * 1024 * 600, rate=256)], {})
    (slot,) = night.slots
    assert slot.time.length == timedelta(minutes=11)  # ten of bytes, one of setting up


def test_stores_begin_at_places_of_their_own_and_always_the_same() -> None:
    first = plan_night([wanted(each) for each in range(1, 30)], {})
    again = plan_night([wanted(each) for each in range(29, 0, -1)], {})
    assert first == again
    begins = {slot.time.starts for slot in first.slots}
    assert len(begins) > 25
    assert all(NIGHT <= each <= NIGHT + timedelta(hours=3) for each in begins)


def test_a_short_window_leaves_no_store_out_by_its_number() -> None:
    short = Interval(starts=NIGHT, ends=NIGHT + timedelta(hours=2))
    many = [wanted(each, size=200 * MIB, window=short) for each in range(1, 500)]
    assert plan_night(many, {}).late == ()


def test_a_narrow_hub_is_still_a_limit() -> None:
    assert Hub(name="east", at_once=100, bandwidth=61).share(0) == 1


def test_one_line_carries_one_set_at_a_time() -> None:
    both = [wanted(1), wanted(1, host="s000001-pos01")]
    first, second = plan_night(both, {}).slots
    assert first.time.ends <= second.time.starts


def test_what_does_not_end_in_its_window_is_named_and_not_hidden() -> None:
    night = plan_night([wanted(1, size=20_000 * MIB)], {})
    assert night.slots == ()
    (late,) = night.late
    assert late.time.ends > WINDOW.ends


def test_what_is_not_begun_holds_up_nobody() -> None:
    huge = wanted(1, size=20_000 * MIB, host="a-server")
    night = plan_night([huge, wanted(1)], {})
    (slot,) = night.slots
    assert slot.wanted.host == "s000001-sv01"
    assert slot.time.starts == plan_night([wanted(1)], {}).slots[0].time.starts


def test_a_hub_s_bandwidth_is_shared_by_as_many_as_it_takes() -> None:
    hub = Hub(name="east", at_once=10, bandwidth=1000)
    assert hub.share(0) == 100
    assert hub.share(50) == 50
    assert Hub(name="west").share(0) == 0


stores = st.lists(
    st.builds(
        wanted,
        st.integers(1, 40),
        size=st.integers(0, 900 * MIB),
        rate=st.sampled_from((0, 128, 2048)),
        hub=st.sampled_from(("east", "west", "nowhere")),
    ),
    max_size=40,
)


@given(stores, st.integers(1, 5))
def test_no_hub_and_no_line_is_ever_overrun(wanted_: list[Wanted], places: int) -> None:
    hubs = {name: Hub(name=name, at_once=places) for name in ("east", "west")}
    night = plan_night(wanted_, hubs)
    every: tuple[Slot, ...] = night.slots
    assert len(every) + len(night.late) == len(wanted_)
    for slot in every:
        assert slot.fits
        assert slot.time.starts >= slot.wanted.window.starts
        for hub in hubs:
            assert at_once(night, slot.time.starts, hub) <= places
        same = [each for each in every if each.wanted.line == slot.wanted.line]
        assert sum(slot.time.starts in each.time for each in same) == 1
    assert all(most <= places for hub, most in night.busiest.items() if hub in hubs)
