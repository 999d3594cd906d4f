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
from storewarden.domain.rollout.record import Rollout
from storewarden.ports.clock import Clock
from storewarden.ports.rollouts import RolloutBook


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
    refused: list[Ordered] = []

    def judge(current: Rollout) -> tuple[RolloutEvent, ...]:
        refused.clear()
        events = order(current, wish.order, person.id, wish.why, now, host=wish.host)
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
