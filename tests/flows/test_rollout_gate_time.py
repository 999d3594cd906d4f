# SPDX-License-Identifier: GPL-3.0-or-later
"""A large wave's gates get the time that asking all of its hosts takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from storewarden.domain.gates.scope import WaveScope
from storewarden.domain.gates.verdict import Verdict
from storewarden.domain.rollout.spec import GateSpec, Soak
from storewarden.flows.gate_look import timeout_of
from storewarden.flows.rollout_gates import LONGEST, patience
from storewarden.ports.signals import HostAsk, LookKind
from tests.flows.rollout_place import DAY, RolloutPlace, SaidGates, passing, wanted

MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class TimedGates(SaidGates):
    """Gates that remember how long they were given."""

    given: list[tuple[int, timedelta]] = field(default_factory=list)

    def ask(
        self,
        gates: Sequence[GateSpec],
        scope: WaveScope,
        *,
        within: timedelta = DAY,
        coverage: Fraction = Fraction(1),
    ) -> tuple[Verdict, ...]:
        """All is well."""
        self.given.append((len(scope.hosts), within))
        return (passing(),)


def test_gates_of_a_larger_wave_are_given_longer(tmp_path: Path) -> None:
    place = RolloutPlace(tmp_path, stores=12)
    place.gates = TimedGates()
    place.restart()
    place.opened(wanted(soak=Soak(wall=timedelta(minutes=30))))
    place.pass_time(3 * DAY)
    given = dict(place.gates.given)
    assert sorted(given) == [2, 4, 18]
    assert given[2] > MINUTE
    assert given[18] - given[2] == timedelta(seconds=16)


@pytest.mark.parametrize(("hosts", "minutes"), [(0, 1), (60, 2), (180, 4), (100_000, 8)])
def test_each_host_adds_a_second_up_to_an_end(hosts: int, minutes: int) -> None:
    assert patience(hosts) == minutes * MINUTE <= LONGEST


def test_a_playbook_that_asks_many_hosts_is_not_stuck_because_they_take_turns() -> None:
    """Twenty answer at a time, each of them within the time of its questions."""
    asks = [HostAsk(name=name, kind=LookKind.UNIT, unit=name, seconds=10) for name in ("a", "b")]
    assert timeout_of(1, asks) == MINUTE + timedelta(seconds=20)
    assert timeout_of(20, asks) == timeout_of(1, asks)
    assert timeout_of(50, asks) == timeout_of(5000, asks) == 2 * MINUTE
