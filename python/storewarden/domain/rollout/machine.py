# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a rollout's states, and the fold of events over them.

One table each for the rollout, its waves and its hosts: a move that is not in it cannot be folded,
whoever decided it. ``decide`` and the orders ask the same tables before they tell an event, the
ledger's check asks them again for every entry it reads back, and docs/reference/rollout-states.md
is made from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from storewarden.domain.rollout.applying import apply
from storewarden.domain.rollout.events import (
    Dispatched,
    HostMoved,
    Opened,
    Reported,
    RolloutEvent,
)
from storewarden.domain.rollout.record import HostState, Rollout, RolloutState, WaveState
from storewarden.domain.rollout.tables import HAPPENS, HOST, PHASES, ROLLOUT, WAVE

__all__ = ["HAPPENS", "HOST", "PHASES", "ROLLOUT", "WAVE", "allows", "fold", "replay"]


def allows(before: RolloutState, after: RolloutState) -> bool:
    """Whether a rollout may go from one state to the other."""
    return (before, after) in ROLLOUT


def fold(rollout: Rollout | None, event: RolloutEvent) -> Rollout:
    """The rollout after ``event``; None only before Opened.

    Raises ValueError for an event that the tables do not allow, that belongs to another rollout,
    or that says what cannot be (a host that is busy is dispatched, a report of a dispatch that
    is not under way).
    """
    what = event.what
    if rollout is None:
        if not isinstance(what, Opened):
            raise ValueError(f"{event.number} begins with {type(what).__name__}, not with Opened")
        return _opened(event, what)
    if event.number != rollout.number:
        raise ValueError(f"an event of {event.number} is none of {rollout.number}")
    if rollout.state not in HAPPENS.get(type(what), frozenset()):
        state = rollout.state.value
        raise ValueError(f"{rollout.number} is {state}: no {type(what).__name__} there")
    after = apply(rollout, event)
    _check_rollout(rollout, after)
    _check_waves(rollout, after)
    if isinstance(what, Dispatched | Reported | HostMoved):
        hosts = what.dispatch.hosts if isinstance(what, Dispatched) else _named(what)
        _check_hosts(rollout, after, hosts)
    return replace(after, serial=rollout.serial + 1)


def replay(events: Iterable[RolloutEvent]) -> Rollout:
    """All events of one rollout, in order, folded. Raises ValueError, also for none at all."""
    rollout: Rollout | None = None
    for event in events:
        rollout = fold(rollout, event)
    if rollout is None:
        raise ValueError("no events: there is no such rollout")
    return rollout


def _named(what: Reported | HostMoved) -> Iterable[str]:
    if isinstance(what, HostMoved):
        return what.hosts
    return tuple(report.host for report in what.reports)


def _opened(event: RolloutEvent, what: Opened) -> Rollout:
    hosts = {host.name: host for host in what.hosts}
    if len(hosts) != len(what.hosts):
        raise ValueError(f"{event.number} has a host twice")
    return Rollout(
        number=event.number,
        change=what.change,
        spec=what.spec,
        state=RolloutState.DRAFT,
        waves=what.waves,
        hosts=hosts,
        membership=what.membership,
        opened=event.at,
        by=event.by,
        supersedes=what.supersedes,
        serial=1,
    )


def _check_rollout(before: Rollout, after: Rollout) -> None:
    move = (before.state, after.state)
    if before.state is not after.state and move not in ROLLOUT:
        raise ValueError(f"{before.number} is {move[0].value}: it cannot become {move[1].value}")
    if after.epoch < before.epoch:
        raise ValueError(f"{before.number} has epoch {before.epoch}, which never falls")


def _check_waves(before: Rollout, after: Rollout) -> None:
    if after.waves is before.waves:
        return
    for old, new in zip(before.waves, after.waves, strict=True):
        move: tuple[WaveState, WaveState] = (old.state, new.state)
        if old.state is not new.state and move not in WAVE:
            raise ValueError(
                f"wave {old.number} of {before.number} is {old.state.value}: "
                f"it cannot become {new.state.value}"
            )


def _check_hosts(before: Rollout, after: Rollout, names: Iterable[str]) -> None:
    for name in names:
        old, new = before.hosts[name], after.hosts[name]
        move: tuple[HostState, HostState] = (old.state, new.state)
        if old.state is not new.state and move not in HOST:
            raise ValueError(f"{name} is {old.state.value}: it cannot become {new.state.value}")
