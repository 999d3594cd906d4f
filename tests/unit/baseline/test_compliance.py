# SPDX-License-Identifier: GPL-3.0-or-later
"""Months: who complied, who is counted, and when a device is fixed by force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.baseline.compliance import (
    Fault,
    FleetMonth,
    Judged,
    Month,
    Registered,
    Standing,
    judge_month,
    month_named,
    month_of,
    quarter_of,
    unclosed,
)
from storewarden.domain.baseline.finding import AuditState
from storewarden.domain.baseline.score import HostScore, Score

SHANGHAI = ZoneInfo("Asia/Shanghai")
MAY = Month(2026, 5)
GOOD = (95, 100)
_MONTHS = st.builds(Month, st.integers(2000, 2100), st.integers(1, 12))


def _judged(host: str, reached: int, judged: int, *high: str) -> Judged:
    score = Score(reached=reached, judged=judged)
    found = HostScore(host=host, state=AuditState.AUDITED, score=score, open_high=high)
    return Judged(audit="a9", score=found, failing=high)


def _month(bad_before: dict[str, int] | None = None, **judged: Judged) -> FleetMonth:
    registered = [Registered(host=name) for name in ("a", "b", "c")]
    return judge_month(MAY, registered, judged, bad_before or {})


def test_a_device_complies_at_95_percent_with_no_high_control_open() -> None:
    fleet = _month(
        a=_judged("a", *GOOD), b=_judged("b", 9499, 10000), c=_judged("c", 100, 100, "A02")
    )
    assert [each.fault for each in fleet.devices] == [Fault.NONE, Fault.SCORE, Fault.HIGH_OPEN]
    assert [each.compliant for each in fleet.devices] == [True, False, False]
    assert fleet.devices[2].failing == ("A02",)


def test_the_rate_counts_every_registered_device() -> None:
    """Those that nobody looked at do not comply (guide 2.2.5)."""
    fleet = _month(a=_judged("a", *GOOD), b=_judged("b", *GOOD))
    assert (fleet.registered, fleet.audited, fleet.compliant) == (3, 2, 2)
    assert fleet.rate == Fraction(2, 3)
    assert not fleet.good_enough
    assert fleet.devices[2].fault is Fault.UNAUDITED
    assert judge_month(MAY, [], {}, {}).rate is None


def test_nothing_to_judge_is_not_compliance() -> None:
    assert _month(a=_judged("a", 0, 0)).devices[0].fault is Fault.SCORE


def test_two_bad_months_lead_to_a_fix_by_force() -> None:
    fleet = _month({"a": 0, "b": 1, "c": 2})
    standings = [each.standing for each in fleet.devices]
    assert standings == [Standing.BAD1, Standing.BAD2, Standing.BAD_AGAIN]
    assert [each.device.host for each in fleet.standing(Standing.BAD2)] == ["b"]


def test_one_good_month_begins_the_count_anew() -> None:
    fleet = _month({"a": 7}, a=_judged("a", *GOOD))
    assert (fleet.devices[0].bad_months, fleet.devices[0].standing) == (0, Standing.OK)


@given(st.lists(st.sampled_from(["good", "low", "unseen"]), max_size=30))
def test_the_standing_is_the_length_of_the_last_row_of_bad_months(story: list[str]) -> None:
    before: dict[str, int] = {}
    device = [Registered(host="a")]
    for length, what in enumerate(story, 1):
        judged = {"good": {"a": _judged("a", *GOOD)}, "low": {"a": _judged("a", 1, 2)}}
        fleet = judge_month(MAY, device, judged.get(what, {}), before)
        before = {"a": fleet.devices[0].bad_months}
        row = next((n for n, each in enumerate(reversed(story[:length])) if each == "good"), length)
        wanted = [Standing.OK, Standing.BAD1, Standing.BAD2, Standing.BAD_AGAIN][min(row, 3)]
        assert fleet.devices[0].standing is wanted


def test_a_month_begins_and_ends_in_the_sites_zone() -> None:
    starts, ends = MAY.span(SHANGHAI)
    assert starts == datetime(2026, 4, 30, 16, tzinfo=UTC)
    assert month_of(starts - timedelta(seconds=1), SHANGHAI) == Month(2026, 4)
    assert month_of(ends - timedelta(seconds=1), SHANGHAI) == MAY
    assert month_of(ends, SHANGHAI) == Month(2026, 6)


@given(_MONTHS)
def test_months_follow_each_other(month: Month) -> None:
    assert month.next.before == month
    assert month < month.next
    assert month.span(SHANGHAI)[1] == month.next.starts(SHANGHAI)
    assert month_named(str(month)) == month
    assert month in quarter_of(month)
    assert len({quarter_of(each) for each in quarter_of(month)}) == 1


def test_what_is_no_month_is_none() -> None:
    assert [month_named(text) for text in ("2026-13", "2026-00", "2026-5", "may")] == [None] * 4


def test_every_month_behind_the_last_closed_one_is_closed() -> None:
    closed = [Month(2025, 11), Month(2025, 10)]
    waiting = unclosed(Month(2025, 1), closed, Month(2026, 2))
    assert waiting == (Month(2025, 12), Month(2026, 1))
    assert unclosed(Month(2025, 1), [Month(2026, 1)], Month(2026, 2)) == ()


def test_a_site_begins_with_the_month_that_is_over() -> None:
    """Nobody knows what was registered years ago; and a month without audits is no beginning."""
    assert unclosed(Month(2020, 1), [], Month(2026, 2)) == (Month(2026, 1),)
    assert unclosed(Month(2026, 2), [], Month(2026, 2)) == ()
