# SPDX-License-Identifier: GPL-3.0-or-later
"""Deaths at every write of stories beyond the plain ones, on simulated hosts; and what real hosts
have taught. The plain stories are in tests/flows/test_rollout_crashes.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.rollout.events import Moved
from storewarden.domain.rollout.record import RolloutState, WaveState
from storewarden.domain.rollout.spec import Soak
from storewarden.domain.rollout.tables import ACTIVE
from tests.flows.rollout_place import START, KilledHere, RolloutPlace, wanted
from tests.flows.test_rollout_crashes import claims_hold, nothing_twice

HOUR = timedelta(hours=1)


def losing(phase: str, when: str) -> Callable[[str, str], str]:
    """The first run of a phase is lost, before or after its work."""
    lost: list[str] = []

    def lose(label: str, what: str) -> str:
        if what != phase or lost:
            return ""
        lost.append(label)
        return when

    return lose


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_restored_host_is_tried_again_at_once(tmp_path: Path, when: str) -> None:
    """Its store is open for work: the rollout is not held for a window that nobody asked about."""
    place = RolloutPlace(tmp_path, stores=2, tills=1)
    place.fleet.lose = losing("apply", when)
    place.opened(wanted(soak=Soak(wall=HOUR / 4), budgets=Budgets(single_consent=True)))
    place.until(RolloutState.COMPLETED)
    moved = [event.what.to for event in place.events() if isinstance(event.what, Moved)]
    assert RolloutState.HELD_WINDOW not in moved, place.told()


type Story = Callable[[RolloutPlace], None]


def aborted(place: RolloutPlace) -> None:
    """In the first soak somebody says stop."""
    rollout = place.rollout()
    if rollout.state in ACTIVE and rollout.waves[0].state is WaveState.SOAKING:
        place.order("abort")


def cut_off(place: RolloutPlace) -> None:
    """The last store's line is down from the beginning, and up again after five hours."""
    place.fleet.hosts["pos01.000003"].online = place.clock.now() >= START + 5 * HOUR


def stopped(place: RolloutPlace) -> None:
    """The kill switch is on for a night, from the first change on."""
    begun, stop = bool(place.fleet.ran("apply")), place.folder / "STOP"
    if begun and place.clock.now() < START + 8 * HOUR:
        stop.write_text("burst pipe\n")
    else:
        stop.unlink(missing_ok=True)


STORIES: dict[str, tuple[Story, RolloutState]] = {
    "abort": (aborted, RolloutState.ROLLED_BACK),
    "line": (cut_off, RolloutState.COMPLETED),
    "stop": (stopped, RolloutState.COMPLETED),
}


def told(folder: Path, name: str, at: int = 0, *, after: bool = False) -> int:
    """A story to its end, with the controller's death at a write; how many writes it had."""
    story, expected = STORIES[name]
    place = RolloutPlace(folder, stores=3, tills=1)
    place.opened(
        wanted(soak=Soak(wall=HOUR), budgets=Budgets(region=Fraction(1), single_consent=True))
    )
    place.deaths.at, place.deaths.after = at, after
    writes = 0
    for _ in range(14 * 48):
        story(place)
        try:
            place.pass_time(HOUR / 2)
        except KilledHere:
            writes = place.deaths.writes
            place.restart()
        claims_hold(place)
        nothing_twice(place)
        if place.rollout().state is expected:
            break
    assert place.rollout().state is expected, (name, at, after, place.told())
    assert not place.ledger.verify().problems
    return writes or place.deaths.writes


def killed(folder: Path, name: str, first: int, step: int, *, after: bool) -> None:
    """Dies at every ``step``-th write from ``first`` on."""
    last = told(folder, name)
    assert last > 10
    for at in range(first, last + 1, step):
        assert told(folder, name, at, after=after) == at, "it did not die"


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_writes_while_something_else_happens(
    tmp_path: Path, name: str, after: bool
) -> None:
    """All writes of the short story, every twelfth of the long ones; all in the full test."""
    step = 1 if name == "abort" else 12
    killed(tmp_path, name, 1 + step // 2 * after, step, after=after)


@pytest.mark.full
@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_write_while_something_else_happens(
    tmp_path: Path, name: str, after: bool
) -> None:
    """Each write once."""
    killed(tmp_path, name, 1, 1, after=after)
