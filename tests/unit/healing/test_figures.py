# SPDX-License-Identifier: GPL-3.0-or-later
"""How healing does: time to repair, success, escalations, and who has earned mode auto."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from storewarden.domain.healing.record import Stage
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.statistics import Outcome, by_action, promotions, tallies
from tests.unit.healing.scenes import NOON, POLICY, TRUSTED, minutes

DAY = (NOON, NOON + timedelta(days=1))


def outcome(stage: Stage, took: float, *, acted: bool = True, rule: str = "pos-down") -> Outcome:
    """One that began at noon and took so many minutes."""
    return Outcome(
        rule=rule,
        action="service",
        stage=stage,
        starts_at=NOON,
        ended_at=NOON + minutes(took),
        acted=acted,
    )


def test_figures_per_rule() -> None:
    outcomes = [
        outcome(Stage.HEALED, 2),
        outcome(Stage.HEALED, 4),
        outcome(Stage.ESCALATED, 9),
        outcome(Stage.ESCALATED, 1, acted=False),
        outcome(Stage.HEALED, 5, rule="disk-full"),
        *(outcome(each, 1) for each in (Stage.GONE, Stage.OBSERVED, Stage.REFUSED)),
    ]
    disk, pos = tallies(outcomes, *DAY)
    assert (disk.name, pos.name) == ("disk-full", "pos-down")
    assert pos.mttr == minutes(3)
    assert pos.success == Fraction(2, 3)
    assert pos.escalation == Fraction(1, 2)
    assert pos.reached == {"mttr": True, "success": False, "escalation": False}
    (service,) = tallies(outcomes, *DAY, key=by_action)
    assert service.total == 5


def test_a_span_includes_its_beginning_and_not_its_end() -> None:
    early, late = outcome(Stage.HEALED, 0), outcome(Stage.HEALED, 24 * 60)
    assert tallies([early, late], *DAY)[0].total == 1


def test_nothing_is_said_about_nothing() -> None:
    assert tallies([], *DAY) == ()
    (found,) = tallies([outcome(Stage.ESCALATED, 1, acted=False)], *DAY)
    assert found.mttr is None
    assert found.success is None
    assert found.reached == {"mttr": None, "success": None, "escalation": False}


def test_who_has_earned_auto_is_proposed_and_nothing_more() -> None:
    approve = replace(TRUSTED, mode=Mode.APPROVE)
    found = promotions(
        {
            "link": replace(approve, runs=19, verified=19),
            "service": approve,
            "disk": replace(approve, runs=20, verified=18),
            "auto": TRUSTED,
            "observed": replace(TRUSTED, mode=Mode.OBSERVE),
        },
        POLICY,
    )
    assert [each.action for each in found] == ["service"]
    assert found[0].said() == "service: 20 of 20 runs verified; it has earned mode auto"
    assert "可改为自动模式" in found[0].said("zh")
