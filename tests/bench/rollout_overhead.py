# SPDX-License-Identifier: GPL-3.0-or-later
"""What the driver adds to a wave: 12 hosts through preflight, apply and judge.

Ours is a rollout of one wave by a real controller; its time is the journal's, from the wave's
beginning to the moment when all its hosts are verified. Against it stand the same three playbooks
with the same variables on the same hosts, each started bare with ``ansible-playbook``, one after
the other. The payload puts a file in place and has it checked by a program that takes a minute, as
a transaction of packages on a till does. Nothing is left out on our side: ticks, engine, ledger,
gates, supervisors, reports.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from storewarden.domain.rollout.events import Dispatched, RolloutEvent, WaveBegan, WaveMoved
from storewarden.domain.rollout.record import Dispatch, Phase, WaveState
from storewarden.flows.rollout_shard import restore_point_of, variables_of
from tests.bench.audit_round_trip import environment
from tests.bench.timing import Series, Timed, busy, timed
from tests.faults.fault_site import ENDS, Chain, Going, Place, chain_of, lay_out
from tests.lab.fleet import Lab

GOAL = 0.10
PHASES = (Phase.PREFLIGHT, Phase.APPLY, Phase.JUDGE)
_CHECKED_S = 60
_FILE = "/srv/storewarden-bench.conf"
_BARE, _OURS = "three bare `ansible-playbook` runs", "a wave of a rollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """What was measured; ``hosts`` of the wave."""

    hosts: int
    series: tuple[Series, Series]

    @property
    def seconds(self) -> float:
        """What ours takes longer."""
        bare, ours = self.series
        return ours.wall - bare.wall

    @property
    def overhead(self) -> float:
        """What ours takes longer, as a share of the bare time."""
        bare, ours = self.series
        return ours.wall / bare.wall - 1


def measure(lab: Lab, folder: Path, rounds: int) -> Wave:
    """Both in turn, after one of ours that warms the hosts up and says which variables it had."""
    places = tuple(
        Place(name=f"till.{number:06d}", host=host, store=f"{number:06d}")
        for number, host in enumerate(lab.hosts, 1)
    )
    for place in places:
        place.set_out()
    service = lay_out(folder, places)
    taken: dict[str, list[Timed]] = {_BARE: [], _OURS: []}
    service.start()
    try:
        with chain_of(service, places) as chain:
            going, _warm = _ours(chain, places, 0)
            for number in range(1, rounds + 1):
                bare = _bare(folder, going, number)
                going, ours = _ours(chain, places, number)
                for name, run in ((_BARE, bare), (_OURS, ours)):
                    print(f"  round {number}  {name}: {run.wall:.1f} s", flush=True)
                    taken[name].append(run)
    finally:
        service.kill()
    bares, driven = (Series(name=name, runs=tuple(runs)) for name, runs in taken.items())
    return Wave(hosts=len(places), series=(bares, driven))


def told(wave: Wave) -> list[str]:
    """What the figures must keep."""
    return [
        f"The driver adds {wave.seconds:.1f} s, {100 * wave.overhead:.1f} %, to a wave of"
        f" {wave.hosts} hosts; it must stay within {100 * GOAL:.0f} %.",
        "",
    ]


def _options(text: str) -> dict[str, Any]:
    return {
        "files": [{"dest": _FILE, "content": f"version = {text}\n"}],
        "check": ["sleep", str(_CHECKED_S)],
    }


def _ours(chain: Chain, places: Sequence[Place], number: int) -> tuple[Going, Timed]:
    begun = busy()
    going = chain.begin(
        f"ours {number}",
        *places,
        payload="config",
        options=_options(f"ours {number}"),
        waves=["rest at once"],
        shard=len(places),
        forks=len(places),
        budgets={"region": "100%", "single_consent": True},
        deadline="5m",
    )
    going.comes_to(*ENDS)
    spent = busy() - begun
    events = going.events()
    started = next(each.at for each in events if isinstance(each.what, WaveBegan))
    wall = (_soaks(events) - started).total_seconds()
    if sum(len(going.sent(phase)) for phase in PHASES) != len(PHASES):
        raise RuntimeError(f"the wave was not one run per phase: {going.story()}")
    return going, Timed(wall=wall, cpu=spent, memory=0, tree=0)


def _first(going: Going) -> Dispatch:
    events = (event.what for event in going.events())
    return next(what.dispatch for what in events if isinstance(what, Dispatched))


def _soaks(events: Sequence[RolloutEvent]) -> datetime:
    return next(
        each.at
        for each in events
        if isinstance(each.what, WaveMoved) and each.what.to is WaveState.SOAKING
    )


def _bare(folder: Path, going: Going, number: int) -> Timed:
    """What ``going`` did, once more, as plain runs with another owner's number."""
    variables = _variables(going, number)
    given = folder / f"bare-{number}.json"
    given.write_text(json.dumps(variables))
    runs = []
    for phase in PHASES:
        argv = ["ansible-playbook", "-i", str(folder / "hosts.yml"), "-e", f"@{given}"]
        argv += [f"storewarden.ops.payload_{phase.value}", "--forks", str(len(going.places))]
        runs.append(timed(argv, env=environment(), log=folder / f"bare-{number}-{phase.value}"))
    wall, cpu = sum(run.wall for run in runs), sum(run.cpu for run in runs)
    return Timed(wall=wall, cpu=cpu, memory=0, tree=0)


def _variables(going: Going, number: int) -> Mapping[str, object]:
    rollout = going.now
    first = restore_point_of(_first(going))
    point = first.replace(rollout.number, f"{rollout.change}-R{90 + number}")
    return {
        **variables_of(rollout, _first(going)),
        "payload_options": _options(f"bare {number}"),
        "payload_epoch": int(time.time()),  # newer than what the hosts have seen
        "payload_rollout": f"{rollout.change}-R{90 + number}",
        "payload_point": point,
        "payload_points": [point],
    }
