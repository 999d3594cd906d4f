# SPDX-License-Identifier: GPL-3.0-or-later
"""Many waves with and without harm: how often the gate is wrong.

The reference simulated a rule that takes minutes for samples: 81 % false alarms with three stores
of different size. Here the stores are the samples, each compared with its own weeks before.
"""

from __future__ import annotations

import random

from storewarden.domain.gates import prometheus
from storewarden.domain.gates.verdict import Outcome
from tests.unit.gates.scene import FRESH, judged, store_names, wave

_ROUNDS = 300
_SETTINGS = {
    "url": "https://p.example", "query": "q", "freshness": "up",
    "compare": ["rest", "itself"], "worse": "down", "weeks": 4,
}  # fmt: skip


def _outcomes(stores: int, fall: float) -> list[Outcome]:
    """Sales of stores of very different size; each week 5 % up or down by chance."""
    chance = random.Random(20260310)  # noqa: S311 - the same waves each time
    mine, others = store_names(stores), store_names(25, first=900)

    def week(size: float) -> float:
        return max(0.0, chance.gauss(size, size * 0.05))

    def drawn() -> dict[str, object]:
        sizes = {store: chance.uniform(50, 1500) for store in (*mine, *others)}
        past = {store: [week(size) for _ in range(4)] for store, size in sizes.items()}
        return {
            "now": {store: week(sizes[store]) * (1 - fall) for store in mine},
            "newest": dict.fromkeys(mine, FRESH),
            "rest": {store: week(sizes[store]) for store in others},
            "past": {store: past[store] for store in mine},
            "rest_past": {store: past[store] for store in others},
        }

    scope = wave(stores, others=25, metrics=2)
    return [judged(prometheus, _SETTINGS, drawn(), scope).outcome for _ in range(_ROUNDS)]


def test_a_healthy_wave_is_rarely_stopped() -> None:
    """At most the 5 % that both comparisons share; 8 % leaves room for chance in 300 rounds."""
    assert _outcomes(6, fall=0.0).count(Outcome.FAIL) / _ROUNDS <= 0.08


def test_a_fall_of_fifteen_per_cent_is_found_in_nearly_every_wave() -> None:
    assert _outcomes(6, fall=0.15).count(Outcome.FAIL) / _ROUNDS >= 0.9


def test_three_stores_never_fail_by_statistics_and_do_not_pass_unnoticed() -> None:
    outcomes = _outcomes(3, fall=0.3)
    assert Outcome.FAIL not in outcomes
    assert outcomes.count(Outcome.HOLD) / _ROUNDS >= 0.9
