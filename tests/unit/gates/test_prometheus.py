# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits, comparisons, and what few stores may decide."""

from __future__ import annotations

import math
import sys
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.gates import prometheus
from storewarden.domain.gates.verdict import Outcome, Verdict
from tests.amount import examples
from tests.unit.gates.scene import FRESH, NOW, judged, store_names, values, wave

BASE = {"url": "https://p.example", "query": "q", "freshness": "up"}
OTHERS = store_names(20, first=900)
_NUMBER = st.one_of(st.floats(0, 1e12), st.sampled_from([0.0, 1.0, 2.0, 1e308]))
_LEAST = -sys.float_info.max  # whole numbers know no end
_HOSTILE = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.none(), st.text(max_size=3), st.booleans(),
    st.integers(-(10**400), 10**400),
)  # fmt: skip


def _data(now: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"now": now, "newest": dict.fromkeys(now, FRESH), **more}


def _limit(numbers: list[Any], **settings: Any) -> Verdict:
    stores = store_names(len(numbers))
    return judged(
        prometheus, {**BASE, "max": 10, **settings}, _data(values(stores, numbers)),
        wave(len(numbers)),
    )  # fmt: skip


def _beside(sample: list[float], rest: list[float], looks: int = 1, **settings: Any) -> Verdict:
    stores, others = store_names(len(sample)), store_names(len(rest), first=900)
    data = _data(values(stores, sample), rest=values(others, rest))
    asked = {**BASE, "compare": ["rest"], "worse": "up", **settings}
    return judged(prometheus, asked, data, wave(len(sample), others=len(rest), looks=looks))


def test_a_limit_names_the_stores_beyond_it() -> None:
    verdict = _limit([1.0, 11.0, 9.0])
    assert verdict.outcome is Outcome.FAIL
    assert "000102 = 11" in verdict.reason
    assert not verdict.hard


def test_as_many_as_allowed_may_be_beyond() -> None:
    assert _limit([1.0, 11.0, 12.0], allow=2).outcome is Outcome.PASS
    assert _limit([1.0, 11.0, 12.0], allow=1).outcome is Outcome.FAIL


def test_a_least_is_a_limit_too() -> None:
    assert _limit([99.0, 80.0], max=None, min=90).outcome is Outcome.FAIL
    assert _limit([99.0, 90.0], max=None, min=90).outcome is Outcome.PASS


def test_harm_counts_although_another_store_is_silent() -> None:
    data = {"now": {"000101": 50.0}, "newest": {"000101": FRESH}}
    assert judged(prometheus, {**BASE, "max": 10}, data, wave(2)).outcome is Outcome.FAIL


def test_old_values_neither_pass_nor_fail() -> None:
    """An hour-old breach may be repaired, an hour-old peace be over."""
    for value in (1.0, 50.0):
        data = {"now": {"000101": value}, "newest": {"000101": NOW.timestamp() - 301}}
        verdict = judged(prometheus, {**BASE, "max": 10}, data, wave(1))
        assert verdict.outcome is Outcome.HOLD
        assert "older than 0:05:00" in verdict.reason


def test_a_query_without_stores_is_one_value() -> None:
    good = {"now": {"*": 1.0}, "newest": {"*": FRESH}}
    assert judged(prometheus, {**BASE, "label": "", "max": 2}, good).outcome is Outcome.PASS
    assert judged(prometheus, {**BASE, "label": "", "max": 0.5}, good).outcome is Outcome.FAIL
    assert judged(prometheus, {**BASE, "label": "", "max": 2}, {}).outcome is Outcome.HOLD


def test_five_stores_above_all_others_fail() -> None:
    verdict = _beside([30.0, 31, 32, 33, 34], [float(n) for n in range(20)])
    assert verdict.outcome is Outcome.FAIL
    assert "worse than the other stores" in verdict.reason
    assert "劣于其他门店" in verdict.reason_zh
    assert verdict.evidence["compared"]["rest"]["exact"] is True  # type: ignore[index]


def test_four_stores_are_advice_and_hold_at_worst() -> None:
    verdict = _beside([30.0, 31, 32, 33], [float(n) for n in range(20)])
    assert verdict.outcome is Outcome.HOLD
    assert "too few stores" in verdict.reason
    assert _beside([9.0, 10, 11, 12], [float(n) for n in range(20)]).outcome is Outcome.PASS


def test_more_looks_ask_for_more_proof() -> None:
    """p = 0.028 is enough for one look at 0.05, not for three."""
    rest = [float(n) for n in range(5)]
    sample = [2.5, 3.5, 5.0, 6.0, 7.0]
    one = _beside(sample, rest)
    p = one.evidence["compared"]["rest"]["p"]  # type: ignore[index]
    assert 0.05 / 3 < p <= 0.05
    assert one.outcome is Outcome.FAIL
    assert _beside(sample, rest, looks=3).outcome is Outcome.PASS


def test_a_difference_that_does_not_matter_is_none() -> None:
    sample, rest = [10.5, 10.6, 10.7, 10.8, 10.9], [10.0 + n / 100 for n in range(20)]
    assert _beside(sample, rest).outcome is Outcome.FAIL
    assert _beside(sample, rest, tolerance=0.1).outcome is Outcome.PASS


def test_zero_before_and_errors_now_is_the_worst_change() -> None:
    """Spinnaker once let this pass: the baseline was zero."""
    stores = store_names(5)
    data = _data(
        values(stores, [3.0, 4, 5, 6, 7]),
        past={store: [0.0, 0.0, 0.0] for store in stores},
        rest=dict.fromkeys(OTHERS, 10.0),
        rest_past={store: [9.0, 10.0, 11.0] for store in OTHERS},
    )
    settings = {**BASE, "compare": ["rest", "itself"], "worse": "up", "weeks": 3}
    verdict = judged(prometheus, settings, data, wave(5))
    assert verdict.outcome is Outcome.FAIL


def test_large_stores_among_the_wave_are_no_alarm_when_changes_are_compared() -> None:
    """Ten times the size, the same change."""
    stores = store_names(6)
    data = _data(
        values(stores, [1000.0 + n for n in range(6)]),
        past={store: [1000.0, 1001.0, 999.0] for store in stores},
        rest=values(OTHERS, [100.0 + n / 10 for n in range(20)]),
        rest_past={store: [100.0, 100.1, 99.9] for store in OTHERS},
    )
    plain = {**BASE, "compare": ["rest"], "worse": "up"}
    assert judged(prometheus, plain, data, wave(6)).outcome is Outcome.FAIL
    assert judged(prometheus, {**plain, "weeks": 3}, data, wave(6)).outcome is Outcome.PASS


def test_values_below_zero_have_no_relative_change() -> None:
    stores = store_names(5)
    data = _data(values(stores, [-1.0] * 5), past={store: [2.0, 2.0, 2.0] for store in stores})
    settings = {**BASE, "compare": ["itself"], "worse": "down", "weeks": 3}
    assert judged(prometheus, settings, data, wave(5)).outcome is Outcome.HOLD
    absolute = {**settings, "change": "absolute"}
    assert judged(prometheus, absolute, data, wave(5)).outcome is Outcome.FAIL


def test_the_last_wave_has_nobody_left_to_compare_with() -> None:
    """A limit must do then; without one a person has to say so."""
    data = _data(dict.fromkeys(store_names(6), 1.0))
    rest_only = {**BASE, "compare": ["rest"], "worse": "up"}
    last = wave(6, others=0)
    assert judged(prometheus, rest_only, data, last).outcome is Outcome.HOLD
    assert judged(prometheus, {**rest_only, "max": 5}, data, last).outcome is Outcome.PASS


def test_a_few_others_that_still_answer_are_no_comparison() -> None:
    data = _data(dict.fromkeys(store_names(6), 1.0), rest=dict.fromkeys(OTHERS[:9], 1.0))
    settings = {**BASE, "compare": ["rest"], "worse": "up"}
    verdict = judged(prometheus, settings, data, wave(6))
    assert verdict.outcome is Outcome.HOLD
    assert "only 9/20" in verdict.reason


@given(
    st.lists(_NUMBER, min_size=5, max_size=7), st.lists(_NUMBER, min_size=5, max_size=12),
    st.integers(0, 6), st.floats(0, 1e12), st.booleans(),
)  # fmt: skip
def test_worse_values_never_turn_fail_into_pass(
    sample: list[float], rest: list[float], index: int, more: float, up: bool
) -> None:
    worse = list(sample)
    index %= len(worse)
    worse[index] = worse[index] + more if up else max(0.0, worse[index] - more)
    way = {"worse": "up", "max": 1e11} if up else {"worse": "down", "min": 0.5}
    if _beside(sample, rest, **way).outcome is Outcome.FAIL:
        assert _beside(worse, rest, **way).outcome is not Outcome.PASS


@example([-1e300])
@given(st.lists(_HOSTILE, min_size=1, max_size=4))
def test_whatever_comes_only_numbers_within_the_limit_pass(numbers: list[Any]) -> None:
    good = all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and _LEAST <= n <= 10
        for n in numbers
    )  # fmt: skip
    assert (_limit(numbers).outcome is Outcome.PASS) is good


@settings(max_examples=examples(40))
@given(st.recursive(_HOSTILE, lambda x: st.lists(x) | st.dictionaries(st.text(max_size=6), x)))
def test_rubbish_holds(rubbish: Any) -> None:
    for key in ("now", "newest", "rest", "past"):
        data = {**_data(dict.fromkeys(store_names(3), 1.0)), key: rubbish}
        asked = {**BASE, "compare": ["rest", "itself"], "worse": "up", "weeks": 2}
        assert judged(prometheus, asked, data).outcome is Outcome.HOLD


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max": None}, "gates.it: has nothing to judge by (give max, min or compare)"),
        ({"max": "2"}, "gates.it.max: must be a number"),
        ({"max": math.nan}, "gates.it.max: must be a number"),
        ({"querry": "x"}, "gates.it.querry: unknown key (did you mean query?)"),
        ({"query": None}, "gates.it.query: is missing"),
        ({"freshness": ""}, "gates.it.freshness: is missing"),
        ({"url": "prometheus:9090"}, "gates.it.url: must be a url that begins with https://"),
        ({"url": "https://u:p@p.example"}, "gates.it.url: must hold no password"),
        ({"token": "s3cret"}, "gates.it.token: must be a reference"),
        ({"token": "env:T", "url": "http://p.example"}, "gates.it.url: must begin with https://"),
        ({"compare": ["others"]}, "gates.it.compare: must be a list of rest and itself"),
        ({"compare": ["rest"], "label": ""}, "gates.it.compare: needs a label"),
        ({"compare": ["rest"], "min": 1}, "gates.it.worse: is missing"),
        ({"weeks": 9}, "gates.it.weeks: must be 8 or less"),
        ({"stale_after": "5"}, "gates.it.stale_after: must be a length of time"),
        ({"stale_after": "0s"}, "gates.it.stale_after: must be above 0"),
        ({"step": "500"}, "gates.it.step: must be a length of time"),
        ({"timeout": "5m"}, "gates.it.timeout: must be above 0 and at most 60 s"),
        ({"reduce": "sum"}, "gates.it.reduce: must be median or mean or max or min or last"),
        ({"allow": -1}, "gates.it.allow: must be 0 or more"),
        ({"allow": True}, "gates.it.allow: must be a whole number"),
    ],
)
def test_wrong_settings_are_one_clear_line(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        prometheus.Settings.read({**BASE, "max": 10, **wrong}, "gates.it")
    assert str(caught.value).startswith(said)
    assert "s3cret" not in str(caught.value)


def test_settings_say_how_many_comparisons_they_make() -> None:
    read = prometheus.Settings.read({**BASE, "compare": ["rest", "itself"], "worse": "up"})
    assert (read.comparisons, read.weeks, read.stale_after) == (2, 4, timedelta(minutes=5))
