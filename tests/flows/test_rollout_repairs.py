# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout keeps away from hosts of repairs that were decided and have not begun; and of all the
hosts of its change healing keeps away only from those that it works on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from storewarden.domain.change.record import State
from storewarden.domain.healing.policy import HealPolicy
from storewarden.flows.heal_work import WorkBook
from storewarden.flows.rollout_facts import FactsBook
from tests.flows.rollout_place import RolloutPlace, wanted

HOUR = timedelta(hours=1)


def test_a_host_of_a_repair_is_unavailable_from_its_decision_on(tmp_path: Path) -> None:
    place = RolloutPlace(tmp_path, stores=2)
    place.opened(wanted())
    parts = place.parts(place.ledger.rollouts)
    host = sorted(place.hosts)[0]
    repairing = {host: "GMBG-20260601-001-H1780272000", "gone": "GMBG-20260601-001-H1780272001"}
    book = FactsBook(replace(parts, repairing=lambda: repairing))
    found = book.gathered(place.rollout(), None, place.clock.now())
    assert {name: each.reason for name, each in found.unavailable.items()} == {
        host: "repair GMBG-20260601-001-H1780272000"
    }


def test_the_change_of_a_rollout_is_no_maintenance_of_all_its_hosts(tmp_path: Path) -> None:
    place = RolloutPlace(tmp_path, stores=2)
    place.opened(wanted())
    place.pass_time(HOUR)
    change = place.ledger.changes.change(place.rollout().change)
    assert change is not None and change.state is State.IN_PROGRESS
    book = WorkBook(place.ledger.changes, place.ledger.rollouts, HealPolicy())
    now = place.clock.now()
    host = sorted(place.hosts)[0]
    assert book({}, now) == {}
    assert set(book({host: "rollout R-1"}, now)) == {host}
