# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of the guards: what is read, and what would make healing useless or endless."""

from __future__ import annotations

from datetime import time, timedelta
from fractions import Fraction

import pytest

from storewarden.config.heal_policy import policy_of
from storewarden.domain.errors import ConfigInvalid


def test_numbers_are_seconds_percent_counts_and_times_of_day() -> None:
    given = {"hold_down": 30, "share_hour": 2, "runs": 4, "busy_from": "07:30"}
    found = policy_of(given)
    assert found.hold_down == timedelta(seconds=30)
    assert found.share_hour == Fraction(2, 100)
    assert (found.runs, found.busy_from) == (4, time(7, 30))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"holddown": 1}, "no number of the guards"),
        ({"poll": 0}, "must be 1 or more"),
        ({"poll": 0.5}, "must be 1 or more"),
        ({"hold_down": 900}, "must be less than staleness"),
        ({"hold_down": 120, "staleness": 60}, "must be less than staleness"),
        ({"share_day": 101}, "share in percent"),
        ({"runs": 0}, "whole number"),
        ({"busy_to": "25:00"}, "time of day"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        policy_of(given)
