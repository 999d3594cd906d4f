# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting a window's "no" aside for one change: asked for, approved by two others, with an end.

What counts as an override is for ``domain.maintenance.override`` to say; here is who may
ask for one and who may say yes. It opens no window and gives no approval: it says that for
this change, until then, what forbids its start is known and accepted.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from storewarden.domain.change.approvals import involved
from storewarden.domain.change.asking import Asking
from storewarden.domain.change.commands import ApproveOverride, AskOverride
from storewarden.domain.change.events import Decision, EventKind
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.record import Approval, Change, State
from storewarden.domain.change.rules import spoken
from storewarden.domain.maintenance.override import PEOPLE, Override, objections

_BEFORE = (State.REQUESTED, State.APPROVED)
_Reason = tuple[str, str]  # why not, and what to do


def ask(asking: Asking, command: AskOverride) -> Decision:
    """Ask for one. It takes the place of the one before, whose approvals are void."""
    against = _unasked(asking) or _unfit(asking, command)
    if against is not None:
        return asking.refuse(*against)
    asks = asking.rules.approving
    return asking.record(
        asking.event(
            EventKind.OVERRIDE_ASKED, reason=command.reason, expires=command.expires, asks=asks
        )
    )


def approve(asking: Asking, command: ApproveOverride) -> Decision:
    """One person's yes to the override that was asked for last."""
    against = _nothing(asking) or _not_theirs(asking)
    roles = _say(asking)
    if against is None and not roles:
        against = _outsider(asking), f"ask one of them: {_spoken(asking.rules.approving)}"
    if against is not None:
        return asking.refuse(*against)
    left = people_missing(asking.change) - 1
    return asking.record(
        asking.event(
            EventKind.OVERRIDE_APPROVED, roles=roles, comment=command.comment, missing=left
        )
    )


def override_of(change: Change) -> Override | None:
    """The override as windows judge it, whether it counts or not; None when nobody asked."""
    asked = change.override
    if asked is None:
        return None
    return Override(
        people=tuple(each.person for each in approvals_of(change)),
        reason=asked.reason,
        expires=asked.expires,
        requester=change.requester,
    )


def in_force(change: Change, now: datetime) -> Override | None:
    """The override when it counts at ``now``."""
    override = override_of(change)
    return None if override is None or objections(override, now) else override


def approvals_of(change: Change) -> tuple[Approval, ...]:
    """The approvals of the override that were not voided."""
    given = change.override.approvals if change.override is not None else ()
    return tuple(each for each in given if not each.expired)


def people_missing(change: Change) -> int:
    """How many people still have to say yes to the override; 0 when nobody is asked."""
    if change.override is None or change.state not in _BEFORE:
        return 0
    return max(0, PEOPLE - len(approvals_of(change)))


def override_told(override: Override) -> str:
    """Who took the risk, why, and until when, for the record."""
    people, until = ", ".join(override.people), f"{override.expires:%Y-%m-%d %H:%M} UTC"
    return f"{people}: {override.reason} (until {until})"


def _unasked(asking: Asking) -> _Reason | None:
    """Why this person cannot ask for one here."""
    change, person = asking.change, asking.person
    if change.standing is not None:
        return "a standing change is never started", "its runs are recorded"
    if person.id == CLOCKWORK:
        return "only people ask for an override", ""
    if person.id not in (change.requester, change.owner) and not _say(asking):
        return _outsider(asking), f"ask {change.owner}"
    return None


def _unfit(asking: Asking, command: AskOverride) -> _Reason | None:
    longest = asking.rules.override_longest
    if not command.reason.strip():
        return "an override needs a reason", "say why it cannot wait"
    if command.expires <= asking.now:
        return "an override must end in the future", "give a later end"
    if command.expires > asking.now + longest:
        return f"an override ends after {longest.days} days at most", "give an earlier end"
    return None


def _nothing(asking: Asking) -> _Reason | None:
    """Why there is nothing that anybody could approve."""
    asked = asking.change.override
    if asked is None:
        return "nobody has asked for an override", "ask for one, with a reason and an end"
    if asking.now >= asked.expires:
        return f"the override ended at {asked.expires:%Y-%m-%d %H:%M} UTC", "ask for a new one"
    if not people_missing(asking.change):
        return f"{PEOPLE} people have approved the override already", ""
    return None


def _not_theirs(asking: Asking) -> _Reason | None:
    change, who = asking.change, asking.person.id
    if who == CLOCKWORK:
        return "only people approve", ""
    own = dict(involved(change))
    if change.override is not None:
        own.setdefault(change.override.asked_by, "asked for it")
    if who in own:
        return f"nobody approves their own override: {who} {own[who]}", "have others look at it"
    if who in {each.person for each in approvals_of(change)}:
        return f"{who} has approved the override already, and one person counts once", ""
    return None


def _say(asking: Asking) -> tuple[str, ...]:
    """The person's roles that approve changes at this site."""
    return tuple(role for role in asking.rules.approving if role in asking.person.roles)


def _outsider(asking: Asking) -> str:
    return f"{asking.person.id} has none of the roles that approve changes"


def _spoken(roles: Collection[str]) -> str:
    return ", ".join(spoken(role) for role in roles)
