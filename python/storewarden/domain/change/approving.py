# SPDX-License-Identifier: GPL-3.0-or-later
"""Yes, no and never mind: what people say before the work (and, to an emergency, after it)."""

from __future__ import annotations

from storewarden.domain.change.approvals import (
    helps,
    involved,
    live,
    missing,
    open_roles,
    required,
    waits_for,
)
from storewarden.domain.change.asking import Asking, owed
from storewarden.domain.change.commands import Approve, Cancel, Reject
from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.record import Approval, Change, DebtKind, State
from storewarden.domain.change.rules import spoken

_BEFORE = (State.REQUESTED, State.APPROVED)


def approve(asking: Asking, command: Approve) -> Decision:
    """One person's yes; the last one that is needed makes the change approved."""
    objection = _objection(asking)
    if objection:
        return asking.refuse(*objection)
    change, roles = asking.change, _useful(asking)
    expires = change.standing.until if change.standing else asking.now + asking.rules.validity
    approved = asking.event(
        EventKind.APPROVED, roles=roles, expires=expires, comment=command.comment
    )
    mine = Approval(person=asking.person.id, roles=roles, at=asking.now, expires=expires)
    needed = required(change, asking.rules)
    if open_roles(needed, (*live(change, asking.now), mine)):
        return asking.record(approved)
    return asking.record(approved, *_complete(asking, needed))


def _complete(asking: Asking, needed: tuple[str, ...]) -> tuple[ChangeEvent, ...]:
    if asking.change.state is State.REQUESTED:
        return (asking.event(EventKind.AUTHORISED, required=needed),)
    if owed(asking.change, DebtKind.APPROVAL) is None:
        return ()
    what = "approved by " + ", ".join(spoken(role) for role in needed)
    return (asking.event(EventKind.SETTLED, debt=DebtKind.APPROVAL, what=what),)


def _useful(asking: Asking) -> tuple[str, ...]:
    needed = required(asking.change, asking.rules)
    return tuple(role for role in dict.fromkeys(needed) if role in asking.person.roles)


def _objection(asking: Asking) -> tuple[str, str] | None:
    """Why this person's yes is not taken, and what to do; None when it is."""
    change, person = asking.change, asking.person
    waits = waits_for(change, asking.rules, asking.now)
    ask = f"waits for approval by: {waits}" if waits else ""
    if change.state not in _BEFORE and owed(change, DebtKind.APPROVAL) is None:
        return f"it is {change.state.value} and owes no approval", ""
    if change.standing is not None and asking.now >= change.standing.until:
        return "the standing change has run out", "open a new one"
    if person.id == CLOCKWORK:
        return "only people approve", ask
    return _not_theirs(asking, ask) or _no_use(asking, ask)


def _not_theirs(asking: Asking, ask: str) -> tuple[str, str] | None:
    change, person = asking.change, asking.person
    why = involved(change).get(person.id)
    if why:
        return f"nobody approves their own change: {person.id} {why}", ask
    given = next((each for each in live(change, asking.now) if each.person == person.id), None)
    if given is not None:
        return f"{person.id} has approved it already, and one person counts once", ask
    return None


def _no_use(asking: Asking, ask: str) -> tuple[str, str] | None:
    change, person = asking.change, asking.person
    needed = required(change, asking.rules)
    if not _useful(asking):
        asked = ", ".join(spoken(role) for role in dict.fromkeys(needed))
        return f"{person.id} has none of the roles that approve it: {asked}", ask
    if not missing(change, asking.rules, asking.now):
        # requested and nothing missing: the site's rules ask for fewer people than they did
        there = "every approval is there already", ""
        return None if change.state is State.REQUESTED else there
    if not helps(change, person.id, person.roles, asking.rules):
        return f"what {person.id} could approve is approved already", ask
    return None


def reject(asking: Asking, command: Reject) -> Decision:
    """Somebody who could have said yes says no."""
    if not command.reason.strip():
        return asking.refuse("a rejection needs a reason", "say what is wrong with it")
    if not _useful(asking):
        return asking.refuse(_outsider(asking), "write a note")
    return asking.record(asking.event(EventKind.REJECTED, reason=command.reason, rule=False))


def cancel(asking: Asking, command: Cancel) -> Decision:
    """Withdrawn by those whose change it is, or by those who approve it."""
    if asking.person.id not in _theirs(asking.change) and not _useful(asking):
        return asking.refuse(_outsider(asking), f"ask {asking.change.owner}")
    return asking.record(asking.event(EventKind.CANCELLED, reason=command.reason))


def _theirs(change: Change) -> tuple[str, str]:
    return change.requester, change.owner


def _outsider(asking: Asking) -> str:
    roles = ", ".join(spoken(r) for r in dict.fromkeys(required(asking.change, asking.rules)))
    return f"{asking.person.id} has no say in it: that is for {roles}"
