# SPDX-License-Identifier: GPL-3.0-or-later
"""A newer rollout takes the hosts of an older one over.

The older one is paused first and comes to rest: what is being changed is judged, nothing new
begins. Only then is the newer one opened, because only then is it known which restore points lie
on which host: an undo of the newer one takes them back as well, so that a host returns to the
last baseline that was final, never to a version that was given up half-way (I6).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from storewarden.domain.change.people import Person
from storewarden.domain.errors import Refused
from storewarden.domain.rollout.authority import SUPERSEDE, Answering, authority_refusal
from storewarden.domain.rollout.events import RolloutEvent, Superseded
from storewarden.domain.rollout.orders import order, refusal_of, refused_order
from storewarden.domain.rollout.record import Hold, HostState, Rollout, RolloutState
from storewarden.domain.rollout.tables import ACTIVE, ENDED, HAPPENS
from storewarden.ports.rollouts import RolloutBook

_SHOWN = 3
_CLEAN = frozenset({HostState.RESTORED, HostState.PLANNED, HostState.SKIPPED, HostState.CAPTURED})
"""Hosts on which nothing of the older rollout has to be taken back, now or ever."""

_UNDER_WAY = frozenset(
    {
        HostState.PREFLIGHT,
        HostState.APPLYING,
        HostState.VERIFYING,
        HostState.UNDOING,
        HostState.UNKNOWN,
    }
)


def require_say(
    book: RolloutBook, older: Rollout, person: Person, who: Answering, now: datetime
) -> None:
    """Only who answers for the older rollout's change gives its hosts away. Raises Refused, which
    is recorded there, with who tried."""
    against = authority_refusal(SUPERSEDE, person, older.spec, who)
    if against is None:
        return

    def judge(current: Rollout) -> tuple[RolloutEvent, ...]:
        why = "a newer rollout is to take its hosts over"
        return (refused_order(current, SUPERSEDE, person.id, why, now, against=against),)

    book.amend(older.number, f"supersede {person.id} {now.timestamp():.6f}", judge)
    raise Refused(against[0], where=older.number)


def given_up(
    book: RolloutBook, held: Collection[Rollout], hosts: Sequence[str], by: str, now: datetime
) -> Rollout:
    """The one rollout that gives ``hosts`` up, at rest. Raises Refused until it is."""
    if len(held) > 1:
        numbers = ", ".join(each.number for each in held)
        raise Refused(f"its hosts are in several rollouts: {numbers}", hint="end all but one")
    (older,) = held
    _require_all(older, hosts)
    if older.state not in HAPPENS[Superseded]:
        raise Refused(f"is {older.state.value}: let it end first", where=older.number)
    older = _paused(book, older, by, now)
    moving = sorted(h.name for h in older.hosts.values() if h.state in _UNDER_WAY or h.dispatch)
    if moving or older.dispatches:
        raise Refused(
            f"still works on {_names(moving)}; it is paused now",
            where=older.number,
            hint="start again when it has come to rest, in a few minutes",
        )
    return older


def take_over(book: RolloutBook, newer: Rollout, now: datetime) -> bool:
    """Note on the older rollout that it was superseded; whether that is so now. Again: nothing
    happens. It is false while something is under way there."""
    if not newer.supersedes:
        return True

    def judge(older: Rollout) -> tuple[RolloutEvent, ...]:
        if older.state not in HAPPENS[Superseded] or older.dispatches:
            return ()
        what = Superseded(by=newer.number)
        return (RolloutEvent(number=older.number, at=now, by=newer.by, what=what),)

    key = f"superseded by {newer.number}"
    return book.amend(newer.supersedes, key, judge).rollout.state in ENDED


def _paused(book: RolloutBook, older: Rollout, by: str, now: datetime) -> Rollout:
    """Paused by a person, so that nothing lets it go on by itself."""
    if older.state not in ACTIVE:
        return older
    if older.state is RolloutState.PAUSED and older.hold is Hold.ORDER:
        return older

    def judge(current: Rollout) -> tuple[RolloutEvent, ...]:
        events = order(current, "pause", by, "a newer rollout takes over", now)
        return () if refusal_of(events) is not None else events

    return book.amend(older.number, f"pause to supersede {older.serial}", judge).rollout


def _require_all(older: Rollout, hosts: Sequence[str]) -> None:
    """A newer rollout takes over everything that may have to be taken back, or nothing."""
    rest = (HostState.FINAL, *_CLEAN)
    taken = set(hosts)
    left = sorted(h.name for h in older.hosts.values() if h.name not in taken)
    owed = [name for name in left if older.hosts[name].state not in rest]
    if owed:
        raise Refused(
            f"{older.number} also works on {_names(owed)}",
            hint="plan for all of its hosts, or abort it",
        )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}" if names else "its hosts"
