# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes: controller, supervisor and play are killed; two controllers, two starts, two rollouts."""

from __future__ import annotations

import json
import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor

from storewarden.domain.change.record import Outcome
from storewarden.domain.rollout.events import Reported
from storewarden.domain.rollout.record import HostState, Phase, RolloutState
from tests.contract.runner_plays import supervisor_of
from tests.faults.fault_site import Going, Place, came
from tests.faults.fault_stage import Given, stage


def run_of(going: Going, dispatch: str) -> str:
    """The run of a dispatch."""
    found = [run.run_id for run in going.chain.site.runner.recover() if run.label == dispatch]
    assert len(found) == 1, (dispatch, found)
    return found[0]


def applying(going: Going, place: Place) -> str:
    """The run that changes a device, once the device works on it."""
    going.works_on(place)
    return run_of(going, going.sent(Phase.APPLY, place)[-1])


@stage.scene(own=True, lasts=60)
def the_controller_is_killed_in_apply(given: Given) -> None:
    place, chain = given.place, given.chain
    place.hold()
    going = chain.begin("v2", place)
    going.works_on(place)
    chain.service.end(signal.SIGKILL)
    assert going.host(place).state is HostState.APPLYING
    chain.service.start()
    place.go()
    going.completed()
    assert place.begun == ["v2"]
    assert len(going.sent(Phase.APPLY)) == 1
    assert came(lambda: chain.found(going.change).outcome is Outcome.SUCCESSFUL)


@stage.scene(full=True, lasts=70)
def the_supervisor_is_killed_in_apply(given: Given) -> None:
    """Nobody knows how its run ended: a probe is asked before anything is said or done."""
    place = given.place
    place.hold()
    going = given.chain.begin("v2", place)
    run = applying(going, place)
    os.kill(supervisor_of(run), signal.SIGKILL)
    assert came(lambda: bool(going.sent(Phase.PROBE))), going.story()
    assert going.host(place).state not in (HostState.SOAKING, HostState.RESTORED)
    place.go()
    going.completed()
    assert len(place.begun) == len(going.sent(Phase.APPLY))


@stage.scene(lasts=70)
def the_play_is_killed_in_apply(given: Given) -> None:
    place = given.place
    place.hold()
    going = given.chain.begin("v2", place)
    run = applying(going, place)
    folder = given.chain.folder / "state" / "runs" / run
    os.kill(int(json.loads((folder / "play.json").read_text())["pid"]), signal.SIGKILL)
    assert came(lambda: bool(going.sent(Phase.PROBE))), going.story()
    assert going.host(place).state not in (HostState.SOAKING, HostState.RESTORED)
    place.go()
    going.completed()
    assert len(place.begun) == len(going.sent(Phase.APPLY))


def killed_at_writes(given: Given, seed: int, deaths: int) -> None:
    """The controller dies right after some of its writes, again and again."""
    place, chain = given.place, given.chain
    chance, head = random.Random(seed), chain.site.ledger.head  # noqa: S311
    going = chain.begin("v2", place)
    for _ in range(deaths):
        at = head().sequence + chance.randint(1, 5)
        if not came(lambda at=at: head().sequence >= at or going.now.ended is not None):
            break
        chain.service.end(signal.SIGKILL)
        going.honest()
        chain.service.start()
    going.completed()
    assert place.begun == ["v2"], (seed, going.story())
    labels = [event.what.dispatch for event in going.events() if isinstance(event.what, Reported)]
    assert len(labels) == len(set(labels))


@stage.scene(own=True, lasts=90)
def the_controller_is_killed_at_three_of_its_writes(given: Given) -> None:
    killed_at_writes(given, 5, 3)


@stage.scene(own=True, full=True, lasts=300)
def the_controller_is_killed_at_twelve_of_its_writes(given: Given) -> None:
    killed_at_writes(given, 12, 12)


@stage.scene(own=True, full=True, lasts=300)
def the_controller_is_killed_at_twelve_other_writes(given: Given) -> None:
    killed_at_writes(given, 77, 12)


@stage.scene(lasts=70)
def a_second_controller_is_refused_and_a_second_start_starts_nothing(given: Given) -> None:
    place, chain = given.place, given.chain
    second = chain.service.run("serve", "--listen", "127.0.0.1:0")
    assert second.returncode != 0
    assert "Traceback" not in second.stderr
    assert "controller" in second.stderr
    number = chain.change(place)
    # Long enough for three starts on a busy machine: a change whose rollout is over is closed.
    file = chain.file("v2", soak={"wall": "40s", "trading": "0"})
    with ThreadPoolExecutor(2) as pool:
        at_once = list(pool.map(lambda _: chain.start(file, number), range(2)))
    done = [*at_once, chain.start(file, number)]
    assert [each.returncode for each in done] == [0, 0, 0], [each.stderr for each in done]
    told = [json.loads(each.stdout) for each in done]
    assert sorted(each["new"] for each in told) == [False, False, True]
    assert not told[-1]["new"]
    assert len({each["rollout"] for each in told}) == 1
    going = Going(chain, told[0]["rollout"], number, (place,), "v2")
    going.completed()
    assert place.begun == ["v2"]
    assert [line.number for line in chain.site.ledger.rollouts.lines(change=number)] == [
        going.number
    ]


@stage.scene(lasts=70)
def a_newer_rollout_takes_over_in_a_soak_and_goes_back_to_what_was_final(given: Given) -> None:
    place, chain = given.place, given.chain
    first = chain.begin("v2", place, soak={"wall": "1h", "trading": "0"})
    first.sees(place, HostState.SOAKING)
    assert place.version == "v2"
    change, file = chain.change(place), chain.file("v3", good=False)
    refused = chain.start(file, change)
    assert refused.returncode != 0
    assert first.number in refused.stderr and "--supersede" in refused.stderr
    taken = chain.start(file, change, "--supersede")
    assert taken.returncode == 0, taken.stderr
    assert first.now.state is RolloutState.SUPERSEDED
    newer = Going(chain, json.loads(taken.stdout)["rollout"], change, (place,), "v3")
    newer.rolled_back()
    assert place.begun == ["v2", "v3"]
