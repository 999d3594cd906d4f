# SPDX-License-Identifier: GPL-3.0-or-later
"""What few stores can prove, and what they cannot.

Two questions. How many of all stores may still be affected when so many of a few were (a bound,
printed in every verdict)? And are the values of some stores worse than those of others, more
than chance explains? The second is the exact Mann-Whitney test: all ways to choose the
wave's stores out of all are counted; nothing is assumed of the values'
distribution, which an approximation with five stores would have to.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

CONFIDENCE = 0.95
"""Of the bound (reference: rollouts, fact 4)."""

TESTED_FROM = 5
"""Stores in the smaller group; fewer are advice only (reference: rollouts, "Gate" 4)."""

ALPHA = 0.05
"""False alarms of all comparisons of a wave together, over all looks."""

_COUNTABLE = 1_500_000
"""Steps of counting (about 0.3 s); above, the groups are so large that the normal approximation
agrees to the third digit."""


def upper_bound(failed: int, of: int) -> float:
    """The largest true share that would show ``failed`` or fewer in ``of`` with 5 % probability.

    Exact (Clopper-Pearson, one-sided); for none failed ``1 - 0.05 ** (1/of)``. 1.0 for nothing
    looked at.
    """
    if of <= 0 or failed >= of:
        return 1.0
    if failed <= 0:
        return float(1.0 - (1.0 - CONFIDENCE) ** (1.0 / of))
    low, high = failed / of, 1.0
    for _ in range(60):  # halving: more digits than a float has
        middle = (low + high) / 2
        if _at_most(failed, of, middle) > 1.0 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _at_most(failed: int, of: int, share: float) -> float:
    """Probability of ``failed`` or fewer in ``of`` at a true share between 0 and 1 exclusive."""
    if share >= 1.0:
        return 0.0
    logs = (
        math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        + k * math.log(share) + (of - k) * math.log1p(-share)
        for k in range(failed + 1)
    )  # fmt: skip
    return math.fsum(math.exp(each) for each in logs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``p`` is the probability that chance alone puts the sample so high, or higher; ``least`` the
    smallest that these group sizes could give; ``exact`` whether it was counted."""

    p: float
    least: float
    exact: bool
    sample: int
    rest: int

    @property
    def testable(self) -> bool:
        """Whether both groups are large enough to prove something."""
        return min(self.sample, self.rest) >= TESTED_FROM


def mann_whitney(sample: Sequence[float], rest: Sequence[float]) -> Comparison:
    """Is ``sample`` higher than ``rest``? One-sided. Values must be no NaN, neither group empty.

    A tie counts as not higher. With the usual middle ranks the exact probability may *rise* when
    a value gets worse (its tie is gone, and the ways to choose are others): a wave that failed
    would pass because it got worse. So ties are broken against an alarm, and what is counted are
    the ways to choose among different values: never too many alarms, and monotone.
    """
    n, m = len(sample), len(rest)
    if not n or not m:
        raise ValueError("both groups need values")
    ordered = sorted(rest)
    higher = sum(bisect_left(ordered, value) for value in sample)
    few, many = sorted((n, m))
    exact = few * few * many <= _COUNTABLE
    p = _counted(few, many, higher) if exact else _approximated(n, m, higher)
    least = 1 / math.comb(n + m, n)
    return Comparison(p=p, least=least, exact=exact, sample=n, rest=m)


def _counted(n: int, m: int, higher: int) -> float:
    """Share of all choices of ``n`` out of ``n + m`` that are ``higher`` so often, or more often.

    ``ways[u]`` counts the choices with exactly u pairs in which the chosen one is higher. One
    chosen store more multiplies the polynomial with these coefficients by (1 - q^(m+k)) and
    divides it by (1 - q^k): both are one pass over the list.
    """
    ways = [1] + [0] * (n * m)
    for k in range(1, n + 1):
        for u in range(n * m, m + k - 1, -1):
            ways[u] -= ways[u - m - k]
        for u in range(k, n * m + 1):
            ways[u] += ways[u - k]
    return float(Fraction(sum(ways[higher:]), math.comb(n + m, n)))


def _approximated(n: int, m: int, higher: int) -> float:
    """By the normal distribution, with the correction for whole numbers."""
    deviation = math.sqrt(n * m * (n + m + 1) / 12)
    return 0.5 * math.erfc((higher - 0.5 - n * m / 2) / deviation / math.sqrt(2))


def median(values: Sequence[float]) -> float:
    """The middle value; ValueError for none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    half = len(ordered) // 2
    # Halves first: the sum of two large values would be infinite.
    return ordered[half] if len(ordered) % 2 else ordered[half - 1] / 2 + ordered[half] / 2
