# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller dies at every write of the ledger, before it and after it, and the next one goes
on: nothing runs twice on a host, and the ledger never claims what no host has shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.rollout.record import HostState, Rollout, RolloutState
from storewarden.domain.rollout.spec import Soak
from tests.flows.rollout_place import (
    DAY,
    Deaths,
    KilledHere,
    RolloutPlace,
    failing,
    passing,
    wanted,
)

HOUR = timedelta(hours=1)
SOAK = timedelta(minutes=3)  # looks in a soak are all alike: a few of them are enough to die at
_AT_TARGET = (HostState.SOAKING, HostState.AT_TARGET, HostState.FINAL)
_ENDS = (RolloutState.COMPLETED, RolloutState.ROLLED_BACK)
FINE = {
    RolloutState.COMPLETED: {HostState.FINAL},
    RolloutState.ROLLED_BACK: {HostState.RESTORED, HostState.PLANNED, HostState.CAPTURED},
}

type Story = Callable[[RolloutPlace], None]


def good(_place: RolloutPlace) -> None:
    """Everything passes."""


def bad_gate(place: RolloutPlace) -> None:
    """The second wave's gate sees harm."""
    place.gates.says = lambda scope: (failing(),) if scope.wave == 2 else (passing(),)


def bad_version(place: RolloutPlace) -> None:
    """The canary does not work."""
    place.fleet.broken = {"2"}


STORIES: dict[str, tuple[Story, RolloutState]] = {
    "good": (good, RolloutState.COMPLETED),
    "gate": (bad_gate, RolloutState.ROLLED_BACK),
    "canary": (bad_version, RolloutState.ROLLED_BACK),
}


def told(folder: Path, story: Story, deaths: Deaths) -> tuple[RolloutPlace, Rollout]:
    """The story to its end, with the controller's death in it."""
    place = RolloutPlace(folder, stores=2, tills=1)
    story(place)
    place.opened(wanted(soak=Soak(wall=SOAK), budgets=Budgets(single_consent=True)))
    place.deaths.at, place.deaths.after = deaths.at, deaths.after
    end = place.clock.now() + 3 * DAY
    while place.rollout().state not in _ENDS:
        assert place.clock.now() < end, place.told()
        try:
            place.pass_time(HOUR / 2)
        except KilledHere:
            deaths.writes = place.deaths.writes
            place.restart()
        claims_hold(place)
    deaths.writes = deaths.writes or place.deaths.writes
    return place, place.rollout()


def claims_hold(place: RolloutPlace) -> None:
    """What the ledger says of hosts is so."""
    versions = place.fleet.versions()
    for name, host in place.rollout().hosts.items():
        if host.state in _AT_TARGET:
            assert versions[name] == "2", (name, place.told())
        if host.state in (HostState.RESTORED, HostState.PLANNED, HostState.CAPTURED):
            assert versions[name] == "1", (name, place.told())


def nothing_twice(place: RolloutPlace) -> None:
    """No dispatch has two runs; no host is changed by two; none is changed while another run has
    it."""
    labels = [run.label for run in place.fleet.started]
    assert len(labels) == len(set(labels))
    assert all(len(each) <= 1 for each in place.applied().values())


def killed_at(folder: Path, name: str, writes: range, *, after: bool) -> None:
    """The same end as without a death, whichever of ``writes`` it came at."""
    story, expected = STORIES[name]
    for at in writes:
        deaths = Deaths(at=at, after=after)
        place, ended = told(folder, story, deaths)
        assert deaths.writes == at, "it did not die"
        assert ended.state is expected, (at, place.told())
        nothing_twice(place)
        assert {host.state for host in ended.hosts.values()} <= FINE[expected], (at, place.told())


def writes_of(folder: Path, name: str) -> int:
    """How many writes the story has when nobody dies."""
    calm = Deaths()
    _, ended = told(folder, STORIES[name][0], calm)
    assert ended.state is STORIES[name][1]
    assert calm.writes > 10
    return calm.writes


@pytest.mark.slow
def test_killed_before_every_write_of_a_good_rollout(tmp_path: Path) -> None:
    """Each write once."""
    killed_at(tmp_path, "good", range(1, writes_of(tmp_path, "good") + 1), after=False)


@pytest.mark.slow
def test_killed_after_a_write_of_a_good_rollout(tmp_path: Path) -> None:
    """Each write once."""
    killed_at(tmp_path, "good", range(1, writes_of(tmp_path, "good") + 1), after=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gate", "canary"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_while_it_goes_back(tmp_path: Path, name: str, after: bool) -> None:
    """Every fifth write; all of them in the full test."""
    last = writes_of(tmp_path, name)
    killed_at(tmp_path, name, range(1 + 2 * after, last + 1, 5), after=after)


@pytest.mark.full
@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_write(tmp_path: Path, name: str, after: bool) -> None:
    """Each write once."""
    killed_at(tmp_path, name, range(1, writes_of(tmp_path, name) + 1), after=after)
