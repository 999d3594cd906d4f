# SPDX-License-Identifier: GPL-3.0-or-later
"""What people order while a rollout goes on: pause, resume, promote, abort, rollback, release,
cancel.

Who orders is known (by their token, as everywhere); who may (``authority``) and what may be ordered
when (``orders``), ``domain.rollout`` decides under the book's lock; what was ordered in vain is
recorded as well. An order takes effect
at once: the driver is woken, and whatever is dispatched after it was decided under it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from storewarden.domain.change.people import Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.domain.gates.scope import OrderSeen
from storewarden.domain.rollout.authority import (
    PROMOTE,
    Answering,
    answering,
    authority_refusal,
    people_wanted,
    still_wanted,
)
from storewarden.domain.rollout.events import Ordered, RolloutEvent
from storewarden.domain.rollout.orders import ORDERS, Leave, order, refusal_of
from storewarden.domain.rollout.plain import event_of
from storewarden.domain.rollout.record import Rollout, RolloutState
from storewarden.ports.changes import ChangeBook
from storewarden.ports.clock import Clock
from storewarden.ports.rollouts import RolloutBook

_FINISHED = (RolloutState.COMPLETED, RolloutState.COMPLETED_WITH_STRAGGLERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderParts:
    """What orders take; ``wake`` makes the driver look at once. ``changes`` and ``rules`` say who
    answers for a rollout's change, ``roles`` which roles a person has."""

    book: RolloutBook
    changes: ChangeBook
    clock: Clock
    rules: ApprovalRules = field(default_factory=ApprovalRules)
    roles: Callable[[str], tuple[str, ...]] = lambda _person: ()
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
    who = _answering(parts, wish.rollout)
    wanted = _wanted(parts, person, wish.rollout) if wish.order == PROMOTE else 0
    refused: list[Ordered] = []

    def judge(current: Rollout) -> tuple[RolloutEvent, ...]:
        refused.clear()
        events = order(
            current,
            wish.order,
            person.id,
            wish.why,
            now,
            host=wish.host,
            newer=newer,
            leave=Leave(
                against=authority_refusal(wish.order, person, current.spec, who), wanted=wanted
            ),
        )
        found = refusal_of(events)
        refused.extend([] if found is None else [found])
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


def _answering(parts: OrderParts, number: str) -> Answering:
    """Who answers for the change of a rollout."""
    rollout = parts.book.rollout(number)
    change = None if rollout is None else parts.changes.change(rollout.change)
    return answering(change, parts.rules)


def _wanted(parts: OrderParts, person: Person, number: str) -> int:
    """How many people more, after this one, an ``approval`` gate wants for the wave under way."""
    rollout = parts.book.rollout(number)
    wave = None if rollout is None else rollout.wave
    if rollout is None or wave is None or people_wanted(rollout.spec) == 1:
        return 0
    began, now = wave.began or rollout.opened, parts.clock.now()
    given = [OrderSeen(order=PROMOTE, by=person.id, at=now, roles=tuple(person.roles))]
    for entry in parts.book.history(number):
        event: RolloutEvent = event_of(entry.run, entry.kind, entry.at, entry.body)
        what = event.what
        if isinstance(what, Ordered) and what.accepted and event.at >= began:
            roles = parts.roles(event.by)
            given.append(OrderSeen(order=what.order, by=event.by, at=event.at, roles=roles))
    return still_wanted(rollout.spec, given)


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
