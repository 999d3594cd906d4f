# SPDX-License-Identifier: GPL-3.0-or-later
"""What incidents are held to, as a site sets it."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
from pydantic import ValidationError

from storewarden.config.incidents import IncidentsConfig
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.domain.healing.sla import PROMISES, IncidentPolicy


def test_without_settings_the_guides_table_counts() -> None:
    assert IncidentsConfig().policy == IncidentPolicy()


def test_single_cells_are_replaced() -> None:
    policy = IncidentsConfig.model_validate(
        {
            "promises": {"down high": {"answer_minutes": 5, "solve_minutes": 60}},
            "warn_percent": 50,
            "confirm_minutes": 30,
            "same": 2,
            "same_days": 7,
            "major": 4,
        }
    ).policy
    assert policy.promise(Kind.DOWN, Impact.HIGH).solve == timedelta(hours=1)
    low = (Kind.SECURITY, Impact.LOW)
    assert policy.promise(*low) == PROMISES[low]
    assert policy.warn_share == Fraction(1, 2) and policy.confirm == timedelta(minutes=30)
    assert (policy.same, policy.same_span, policy.major) == (2, timedelta(days=7), 4)


def test_what_depends_on_an_item_is_a_list() -> None:
    read = IncidentsConfig.model_validate({"depends": {"CI-1": ["CI-2", "CI-3"]}})
    assert read.depends == {"CI-1": ("CI-2", "CI-3")}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"promises": {"down urgent": {}}}, "'down urgent' is none of"),
        (
            {"promises": {"down low": {"answer_minutes": 9, "solve_minutes": 5}}},
            "solve_minutes must not be less",
        ),
        ({"promises": {"down low": {"answer_minutes": 0, "solve_minutes": 5}}}, "must be 1-"),
        ({"warn_percent": 100}, "must be 1-99"),
        ({"same": 1}, "must be 2-100"),
        ({"depends": {"CI-1": "CI-2"}}, "CI-1"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        IncidentsConfig.model_validate(given)
