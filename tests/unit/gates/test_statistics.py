# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact test against counting by hand, the bound against the reference's figures."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storewarden.domain.gates import statistics
from storewarden.domain.gates.statistics import mann_whitney, median, upper_bound

# Few different values, so that most samples have ties.
_SMALL = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=6)
_ANY = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6)


def _by_hand(sample: list[float], rest: list[float]) -> float:
    """Every way to choose the sample out of all: how many rank so high, or higher. Of two that are
    the same, the one of the sample is the lower."""
    marked = sorted([*((value, 0) for value in sample), *((value, 1) for value in rest)])
    seen = sum(rank for rank, (_, other) in enumerate(marked) if not other)
    sums = [sum(chosen) for chosen in combinations(range(len(marked)), len(sample))]
    return sum(each >= seen for each in sums) / len(sums)


@given(_SMALL, _SMALL)
def test_the_exact_test_is_what_counting_gives_with_ties(
    sample: list[float], rest: list[float]
) -> None:
    assert mann_whitney(sample, rest).p == pytest.approx(_by_hand(sample, rest), abs=1e-12)


@given(_ANY, _ANY)
def test_and_with_any_values(sample: list[float], rest: list[float]) -> None:
    assert mann_whitney(sample, rest).p == pytest.approx(_by_hand(sample, rest), abs=1e-12)


@given(_SMALL, _SMALL, st.integers(0, 5), st.sampled_from([0.5, 1.0, 3.0]))
def test_worse_values_are_never_less_significant(
    sample: list[float], rest: list[float], index: int, more: float
) -> None:
    """Also when that makes or ends a tie: middle ranks would break this."""
    worse = list(sample)
    worse[index % len(worse)] += more
    assert mann_whitney(worse, rest).p <= mann_whitney(sample, rest).p


def test_known_probabilities() -> None:
    """1 in C(10, 5), and the table of Mann and Whitney (1947): n = m = 5, U = 21 or more."""
    highest = mann_whitney([6, 7, 8, 9, 10], [1, 2, 3, 4, 5])
    assert highest.p == highest.least == pytest.approx(1 / 252)
    assert mann_whitney([4, 6, 7, 9, 10], [1, 2, 3, 5, 8]).p == pytest.approx(0.048, abs=5e-4)
    assert mann_whitney([1.0] * 5, [1.0] * 7).p == 1.0


@pytest.mark.parametrize(
    ("sample", "rest", "testable"), [(4, 50, False), (5, 4, False), (5, 5, True)]
)
def test_from_five_on_each_side_it_is_a_test(sample: int, rest: int, testable: bool) -> None:
    found = mann_whitney([1.0] * sample, [0.0] * rest)
    assert found.testable is testable
    assert found.exact


def test_large_groups_are_approximated_and_agree_with_counting() -> None:
    """Just below the limit of counting, and above it."""
    assert mann_whitney([n + 0.5 for n in range(40)], [float(n) for n in range(200)]).exact
    higher = 40 * 200 // 2 + 700  # of 8,000 pairs
    near = statistics._approximated(40, 200, higher)
    assert near == pytest.approx(statistics._counted(40, 200, higher), rel=0.02)
    large = mann_whitney([n + 0.5 for n in range(500)], [float(n) for n in range(500)])
    assert not large.exact
    assert large.p == pytest.approx(0.48, abs=0.01)


@pytest.mark.parametrize(
    ("of", "share"), [(1, 0.95), (3, 0.63), (10, 0.26), (30, 0.095), (59, 0.05)]
)
def test_no_failure_among_few_proves_little(of: int, share: float) -> None:
    """The figures of the reference, "Small canaries prove little"."""
    assert upper_bound(0, of) == pytest.approx(share, abs=0.006)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_the_bound_is_where_so_few_would_be_seen_in_one_of_twenty(both: tuple[int, int]) -> None:
    failed, of = both
    bound = upper_bound(failed, of)
    if failed == of:
        assert bound == 1.0
        return
    seen = sum(math.comb(of, k) * bound**k * (1 - bound) ** (of - k) for k in range(failed + 1))
    assert seen == pytest.approx(0.05, abs=1e-6)
    assert failed / of < upper_bound(failed - 1, of) + 1 / of
    assert bound > upper_bound(failed - 1, of)


def test_nothing_looked_at_bounds_nothing() -> None:
    assert upper_bound(0, 0) == 1.0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_the_median_lies_within(values: list[float]) -> None:
    assert min(values) <= median(values) <= max(values)
