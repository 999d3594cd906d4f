# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a repair: opened, begun, ended, each once and in this order.

A repair that was begun is never begun again: what nobody knows of its hosts is their end.
"""

from __future__ import annotations

from dataclasses import replace

from storewarden.domain.healing.events import (
    RepairBegun,
    RepairEnded,
    RepairEvent,
    RepairOpened,
)
from storewarden.domain.healing.record import Repair, RepairState


def fold_repair(repair: Repair | None, event: RepairEvent) -> Repair:
    """The repair after ``event``; None only before RepairOpened.

    Raises ValueError for what cannot follow, and for an event of another repair.
    """
    what = event.what
    if repair is None:
        if not isinstance(what, RepairOpened):
            raise ValueError(f"{event.id} begins with {type(what).__name__}, not with RepairOpened")
        return _opened(event, what.repair)
    if event.id != repair.id:
        raise ValueError(f"an event of {event.id} is none of {repair.id}")
    if isinstance(what, RepairBegun):
        if repair.begun_at is not None or repair.state is RepairState.ENDED:
            raise ValueError(f"{repair.id} was begun already, or has ended")
        return replace(repair, begun_at=event.at)
    if not isinstance(what, RepairEnded) or repair.state is RepairState.ENDED:
        raise ValueError(f"{repair.id} is {repair.state.value}: no {type(what).__name__} there")
    return _ended(repair, event, what)


def _opened(event: RepairEvent, repair: Repair) -> Repair:
    if repair.id != event.id or repair.state is not RepairState.OPEN or not repair.hosts:
        raise ValueError(f"{event.id} is not opened as itself, with hosts")
    return repair


def _ended(repair: Repair, event: RepairEvent, what: RepairEnded) -> Repair:
    if sorted(each.host for each in what.ends) != sorted(repair.hosts):
        raise ValueError(f"{repair.id} does not end on exactly its hosts")
    return replace(repair, state=RepairState.ENDED, ended_at=event.at, ends=what.ends)
