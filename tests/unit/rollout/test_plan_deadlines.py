# SPDX-License-Identifier: GPL-3.0-or-later
"""Deadlines of the guide against a schedule, and files that are looser than it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.rollout.deadlines import (
    Circumstances,
    Deadline,
    Kept,
    Loosened,
    RiskClass,
    after_working_days,
    judge_deadlines,
    loosened,
)
from storewarden.domain.rollout.plan import Plan, plan
from storewarden.domain.rollout.schedule import Schedule, WaveTimes
from storewarden.domain.rollout.spec import GateSpec, PayloadClass, Soak, Stragglers
from storewarden.domain.rollout.spec_defaults import REST, REST_AT_ONCE
from tests.unit.rollout.planned_stores import chain, spec, stores

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 6, 8, 1, tzinfo=UTC)  # 09:00 in Shanghai
GATES = (GateSpec(kind="probe", name="probe"),)


def weekdays(day: date) -> bool:
    return day.weekday() < 5


def about(risk: RiskClass = RiskClass.MEDIUM, **more: object) -> Circumstances:
    return Circumstances(
        **{"risk": risk, "known": MONDAY, "works": weekdays, "zone": SHANGHAI, **more}  # type: ignore[arg-type]
    )


def timed(made: Plan, begins: datetime, step: timedelta = 24 * HOUR) -> Schedule:
    """Waves of half an hour each, ``step`` apart."""
    waves = []
    for place, wave in enumerate(made.waves):
        start = begins + place * step
        waves.append(
            WaveTimes(
                number=wave.number,
                stores=len(wave.stores),
                hosts=1,
                exposed=1,
                undo=None,  # type: ignore[arg-type]
                ready=start,
                begins=start,
                ends=start + HOUR / 2,
                promoted=start + step,
            )
        )
    return Schedule(waves=tuple(waves))


def judged(made: Plan, found: Schedule, circumstances: Circumstances) -> dict[Deadline, Kept]:
    return {each.deadline: each for each in judge_deadlines(made, found, circumstances)}


THREE = plan(spec(stores(1), stores(3), REST_AT_ONCE), chain(10))


def test_medium_risk_has_seven_working_days() -> None:
    found = judged(THREE, timed(THREE, MONDAY), about())[Deadline.DONE]
    # Monday 8th is the day it became known; the 7th working day is Wednesday 17th.
    assert found.due == datetime(2026, 6, 17, 16, tzinfo=UTC)
    assert found.kept
    late = judged(THREE, timed(THREE, MONDAY + 10 * 24 * HOUR), about())[Deadline.DONE]
    assert not late.kept
    assert late.by < timedelta(0)


def test_high_risk_has_48_hours_and_needs_no_notice() -> None:
    found = judged(THREE, timed(THREE, MONDAY), about(RiskClass.HIGH))
    assert found[Deadline.DONE].due == MONDAY + 48 * HOUR
    assert not found[Deadline.DONE].kept  # 48 h and a half
    assert found[Deadline.NOTICE].binding is False
    quick = judged(THREE, timed(THREE, MONDAY, HOUR), about(RiskClass.HIGH))
    assert quick[Deadline.DONE].kept


@pytest.mark.parametrize(
    ("risk", "hours"), [(RiskClass.HIGH, 4), (RiskClass.MEDIUM, 24), (RiskClass.LOW, 72)]
)
def test_work_begins_soon_after_its_approval(risk: RiskClass, hours: int) -> None:
    approved = about(risk, approved=MONDAY)
    sharp = judged(THREE, timed(THREE, MONDAY + hours * HOUR), approved)[Deadline.START]
    assert sharp.kept
    late = judged(THREE, timed(THREE, MONDAY + (hours + 1) * HOUR), approved)[Deadline.START]
    assert (late.kept, late.by) == (False, -HOUR)
    assert Deadline.START not in judged(THREE, timed(THREE, MONDAY), about(risk))


def test_business_units_are_told_two_working_days_before() -> None:
    friday = MONDAY + 4 * 24 * HOUR
    notice = judged(THREE, timed(THREE, friday), about(known=friday))[Deadline.NOTICE]
    assert notice.due == datetime(2026, 6, 16, 16, tzinfo=UTC)  # after Monday and Tuesday
    assert not notice.kept
    assert notice.binding
    assert judged(THREE, timed(THREE, notice.due), about(known=friday))[Deadline.NOTICE].kept
    unopened = judged(THREE, timed(THREE, friday), about(known=friday, opened=False))
    assert not unopened[Deadline.NOTICE].binding
    assert Deadline.NOTICE not in judged(THREE, timed(THREE, friday), about(emergency=True))


def test_holidays_are_no_working_days() -> None:
    closed = {date(2026, 6, 9), date(2026, 6, 10)}
    found = after_working_days(MONDAY, 1, lambda day: day not in closed, SHANGHAI)
    assert found == datetime(2026, 6, 11, 16, tzinfo=UTC)
    assert after_working_days(MONDAY, 1, lambda _day: False, SHANGHAI) > MONDAY  # it ends


def test_content_is_everywhere_three_hours_after_its_pilot() -> None:
    made = plan(spec(payload_class=PayloadClass.CONTENT), chain(20))
    found = judged(made, timed(made, MONDAY), about())[Deadline.CONTENT]
    assert found.due == MONDAY + 27 * HOUR
    assert found.kept
    careful = spec(stores(2), REST, payload_class=PayloadClass.CONTENT)
    slow = plan(careful, chain(20))
    assert len(slow.waves) > 2
    assert not judged(slow, timed(slow, MONDAY), about())[Deadline.CONTENT].kept
    assert Deadline.CONTENT not in judged(THREE, timed(THREE, MONDAY), about())


def test_what_cannot_be_foretold_is_not_kept() -> None:
    never = replace(timed(THREE, MONDAY).waves[-1], ends=None, promoted=None)
    found = judged(THREE, Schedule(waves=(never,)), about())[Deadline.DONE]
    assert (found.will, found.kept) == (None, False)


def test_nothing_to_do_has_no_deadlines() -> None:
    assert judge_deadlines(plan(spec(), []), Schedule(waves=()), about()) == ()


def test_a_file_that_is_looser_than_the_guide_is_told_so() -> None:
    loose = spec(
        stores(5),
        REST,
        soak=Soak(wall=HOUR),
        coverage=Fraction(1, 2),
        stragglers=Stragglers(share=Fraction(1, 4)),
    )
    found = {each.what: each for each in loosened(loose, plan(loose, chain(20)))}
    assert set(found) == set(Loosened)
    assert found[Loosened.SOAK].asked == 24 * HOUR
    assert found[Loosened.PILOT].says == Fraction(1, 4)


def test_the_usual_is_not_loose() -> None:
    usual = spec(gates=GATES)
    assert loosened(usual, plan(usual, chain(3))) == ()
    strict = spec(stores(1), REST, gates=GATES, soak=Soak(wall=48 * HOUR), coverage=Fraction(1))
    assert loosened(strict, plan(strict, chain(3))) == ()


def test_the_emergency_lane_is_told_as_what_it_is() -> None:
    quick = spec(gates=GATES, emergency=True)
    assert [each.what for each in loosened(quick, plan(quick, chain(3)))] == [Loosened.SOAK]
