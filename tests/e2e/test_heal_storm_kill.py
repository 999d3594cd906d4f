# SPDX-License-Identifier: GPL-3.0-or-later
"""A small storm against a real controller that is killed twice: the bench's, as a test."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.bench.heal_storm import Storm, measure

pytestmark = [pytest.mark.slow, pytest.mark.full]


def test_every_alert_of_a_storm_is_decided_once_whatever_dies(tmp_path: Path) -> None:
    policy = {"hold_down": 1}
    storm = Storm(distinct=300, hosts=100, seconds=4.0, at_once=5, policy=policy)
    outcome = measure(tmp_path / "site", storm)
    assert outcome.lost == ()
    assert outcome.decided == Counter({1: 300})
    assert (outcome.repairs, outcome.problems) == (0, ())
    assert len(outcome.taken.away) == 2
