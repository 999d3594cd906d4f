# SPDX-License-Identifier: GPL-3.0-or-later
"""A shrunk inventory is refused until somebody says it is right; an empty one always."""

from __future__ import annotations

import pytest

from storewarden.domain.estate.guard import EstateVerdict, ShrinkLimit, judge_estate


@pytest.mark.parametrize(
    ("previous", "current", "verdict"),
    [
        (None, 12, EstateVerdict.FIRST),
        (None, 0, EstateVerdict.EMPTY),
        (100, 0, EstateVerdict.EMPTY),
        (100, 100, EstateVerdict.ACCEPTED),
        (100, 130, EstateVerdict.ACCEPTED),
        (100, 90, EstateVerdict.ACCEPTED),
        (100, 89, EstateVerdict.SHRUNK),
        (5, 4, EstateVerdict.ACCEPTED),
        (5, 3, EstateVerdict.SHRUNK),
        (3000, 1500, EstateVerdict.SHRUNK),
    ],
)
def test_the_default_limit(previous: int | None, current: int, verdict: EstateVerdict) -> None:
    assert judge_estate(previous, current).verdict is verdict


def test_a_refusal_gives_both_counts_and_the_limit() -> None:
    decision = judge_estate(3000, 1500)
    assert not decision.allowed
    for part in ("1500", "3000", "50 %", "10 %"):
        assert part in decision.reason


def test_a_person_may_accept_a_shrunk_estate_but_not_an_empty_one() -> None:
    accepted = judge_estate(100, 50, acknowledged=True)
    assert accepted.allowed
    assert accepted.verdict is EstateVerdict.ACKNOWLEDGED
    assert not judge_estate(100, 0, acknowledged=True).allowed


def test_the_limit_is_the_sites() -> None:
    assert judge_estate(100, 60, ShrinkLimit(percent=40)).allowed
    assert not judge_estate(100, 99, ShrinkLimit(percent=0, least=1)).allowed
