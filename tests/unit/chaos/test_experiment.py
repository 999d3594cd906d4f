# SPDX-License-Identifier: GPL-3.0-or-later
"""What an experiment proves, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storewarden.domain.chaos.experiment import (
    Made,
    Proof,
    Sighting,
    Stand,
    Taken,
    Undone,
    row,
    settled,
)
from storewarden.domain.chaos.plain import experiment_data
from tests.unit.chaos.facts import NOON, TILL, experiment, sighting

_MADE = Made(host=TILL, good=True, en="pos.service stopped", zh="已停止 pos.service")


def _taken(lasted: float) -> Taken:
    """By the host's own clock, which may be wrong by years."""
    made = NOON - timedelta(days=900)
    return Taken(host=TILL, by=Undone.ORDER, made_at=made, at=made + timedelta(seconds=lasted))


def _proof(*seen: Sighting, expect: str = "", lasted: float = 60) -> Proof:
    return row(experiment(expect=expect), _MADE, _taken(lasted), seen).proof


def test_a_repair_that_was_verified_in_time_proves_it() -> None:
    found = row(experiment(), _MADE, _taken(60), [sighting()])
    assert found.proof is Proof.HEALED
    spans = (found.seen, found.repaired, found.healed, found.undone_after)
    assert [each.total_seconds() for each in spans if each] == [10, 20, 25, 60]
    assert replace(experiment(), rows=(found,)).proved


@pytest.mark.parametrize(
    ("stand", "proof"),
    [
        (Stand.OPEN, Proof.LATE),
        (Stand.PERSON, Proof.ESCALATED),
        (Stand.LEFT, Proof.LEFT),
        (Stand.GONE, Proof.GONE),
    ],
)
def test_anything_else_proves_nothing(stand: Stand, proof: Proof) -> None:
    assert _proof(sighting(stand)) is proof


def test_without_an_alert_nothing_is_proved() -> None:
    assert _proof() is Proof.UNSEEN
    assert not experiment().proved


def test_a_host_that_came_back_by_its_timer_was_not_healed() -> None:
    assert _proof(sighting(after=40), lasted=30) is Proof.LATE
    assert _proof(sighting(after=31), lasted=30) is Proof.HEALED  # hosts tell whole seconds


def test_healed_without_a_repair_was_over_by_itself() -> None:
    assert _proof(replace(sighting(), repaired_at=None)) is Proof.GONE


def test_another_rule_than_the_expected_one_is_told() -> None:
    assert _proof(sighting(rule="disk full"), expect="till down") is Proof.OTHER
    both = (sighting(rule="disk full"), sighting(Stand.PERSON))
    assert _proof(*both, expect="till down") is Proof.ESCALATED
    assert not settled(both[:1], TILL, "till down")
    assert settled(both, TILL, "till down")


def test_a_fault_that_was_not_made_proves_nothing() -> None:
    unmade = Made(host=TILL, good=False, en="no such unit", zh="没有该单元")
    taken = Taken(host=TILL, by=Undone.NOTHING)
    assert row(experiment(), unmade, taken, [sighting()]).proof is Proof.UNMADE


def test_waiting_goes_on_until_it_is_known() -> None:
    assert not settled([], TILL, "")
    assert not settled([sighting(Stand.OPEN)], TILL, "")
    assert not settled([sighting(Stand.GONE)], TILL, "")
    assert settled([sighting(Stand.GONE), sighting()], TILL, "")
    assert not settled([sighting()], "another", "")


def test_it_counts_as_under_way_until_its_timer_has_surely_run() -> None:
    one = experiment()
    assert one.under_way(NOON + one.span + timedelta(minutes=4))
    assert not one.under_way(NOON + one.span + timedelta(minutes=6))
    assert not replace(one, ended_at=NOON).under_way(NOON)


def test_the_record_is_data() -> None:
    found = row(experiment(), _MADE, _taken(60), [sighting()])
    ended = replace(experiment(), rows=(found,), ended_at=NOON, outcome="completed")
    told = experiment_data(ended)
    assert told["experiment"] == "chaos-1"
    assert told["proved"] is True
    assert told["rows"][0]["healed_after"] == 25.0  # type: ignore[index]
