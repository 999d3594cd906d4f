# SPDX-License-Identifier: GPL-3.0-or-later
"""What people order while a rollout goes on: pause, resume, promote, abort, rollback, release,
cancel.

Who orders is known (by their token, as everywhere); what may be ordered when, ``domain.rollout``
decides under the book's lock; what was ordered in vain is recorded as well. An order takes effect
at once: the driver is woken, and whatever is dispatched after it was decided under it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from storewarden.domain.change.people import Person
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.domain.rollout.events import Ordered, RolloutEvent
from storewarden.domain.rollout.orders import ORDERS, order, refusal_of
from storewarden.domain.rollout.record import Rollout, RolloutState
from storewarden.ports.clock import Clock
from storewarden.ports.rollouts import RolloutBook

_FINISHED = (RolloutState.COMPLETED, RolloutState.COMPLETED_WITH_STRAGGLERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderParts:
    """What orders take; ``wake`` makes the driver look at once."""

    book: RolloutBook
    clock: Clock
    wake: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """``key``: the same again is the same wish. ``host`` is for a release."""

    rollout: str
    order: str
    why: str
    host: str = ""
    key: str = ""


def give(parts: OrderParts, person: Person, wish: Order) -> Rollout:
    """Give the order; the rollout as it is then.

    Raises ConfigInvalid for what is no order, and Refused (recorded, with who tried) for one that
    cannot be taken now.
    """
    if wish.order not in ORDERS:
        raise ConfigInvalid(f"{wish.order!r} is no order", hint=f"one of {', '.join(ORDERS)}")
    if not wish.why.strip():
        raise ConfigInvalid("say why", where="--reason")
    now = parts.clock.now()
    newer = _newer(parts.book, wish.rollout) if wish.order == "rollback" else ""
    refused: list[Ordered] = []

    def judge(current: Rollout) -> tuple[RolloutEvent, ...]:
        refused.clear()
        events = order(current, wish.order, person.id, wish.why, now, host=wish.host, newer=newer)
        against = refusal_of(events)
        refused.extend([] if against is None else [against])
        return events

    name = wish.key or f"{wish.host} {now.timestamp():.6f}"
    told = parts.book.amend(
        wish.rollout, f"order {person.id} {wish.order} {name}", judge, look_at=now
    )
    parts.book.look_again(wish.rollout, now)
    parts.wake()
    if refused:
        raise Refused(refused[0].refusal, where=wish.rollout)
    return told.rollout


def _newer(book: RolloutBook, number: str) -> str:
    """A younger rollout that holds hosts of a completed one, or has changed them since (I6): what
    lies beneath it cannot be taken back without it."""
    rollout = book.rollout(number)
    if rollout is None or rollout.state not in _FINISHED:
        return ""
    held = book.host_states(tuple(rollout.hosts))
    others = sorted({other for other, _state in held.values() if other != number})
    if others:
        return others[0]
    younger = [each for each in book.lines(states=_FINISHED) if each.opened > rollout.opened]
    return next((each.number for each in younger if _overlap(book, each.number, rollout)), "")


def _overlap(book: RolloutBook, number: str, rollout: Rollout) -> bool:
    younger = book.rollout(number)
    found = () if younger is None else younger.hosts.values()
    return any(host.touched and host.name in rollout.hosts for host in found)
