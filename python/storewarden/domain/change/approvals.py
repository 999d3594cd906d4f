# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose yes counts for what.

Every required role needs a person of its own: somebody who holds two of them
fills one, and which one is settled only when all approvals are seen together.
So this is a matching of people to roles, and "still missing" means: what the
best matching leaves open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from storewarden.domain.change.people import Person
from storewarden.domain.change.record import Approval, Change
from storewarden.domain.change.rules import ApprovalRules, spoken


def required(change: Change, rules: ApprovalRules) -> tuple[str, ...]:
    """Roles that must say yes to this change."""
    return rules.roles(change.draft.kind, change.draft.risk)


def live(change: Change, at: datetime) -> tuple[Approval, ...]:
    """Approvals that count at ``at``. What was valid when the work began stays valid."""
    moment = at if change.started_at is None else min(at, change.started_at)
    return tuple(each for each in change.approvals if not each.expired and moment < each.expires)


def run_out(change: Change, at: datetime) -> tuple[Approval, ...]:
    """Approvals whose time is over at ``at`` and that nobody has recorded as expired yet."""
    if change.started_at is not None:
        return ()
    return tuple(each for each in change.approvals if not each.expired and each.expires <= at)


def missing(change: Change, rules: ApprovalRules, at: datetime) -> tuple[str, ...]:
    """Roles that nobody has filled at ``at``, in the rules' order."""
    return open_roles(required(change, rules), live(change, at))


def open_roles(roles: Sequence[str], approvals: Iterable[Approval]) -> tuple[str, ...]:
    """Of ``roles`` those that the best matching with ``approvals`` leaves open."""
    filled = _matching(roles, {each.person: frozenset(each.roles) for each in approvals})
    return tuple(role for place, role in enumerate(roles) if place not in filled)


def helps(change: Change, who: str, roles: frozenset[str], rules: ApprovalRules) -> bool:
    """Whether one more yes, by ``who`` with these roles, would fill a role that is open now.

    Only approvals that are not marked as expired are looked at.
    """
    people = {each.person: frozenset(each.roles) for each in change.approvals if not each.expired}
    needed = required(change, rules)
    with_them = {**people, who: roles}
    return len(_matching(needed, with_them)) > len(_matching(needed, people))


def waits_for(change: Change, rules: ApprovalRules, at: datetime) -> str:
    """Who is still asked, in words: "security lead", "it, business", "x or y"; "" when nobody.

    "or" stands where somebody who holds several roles has left open which one is missing.
    """
    needed, approvals = required(change, rules), live(change, at)
    left = open_roles(needed, approvals)
    people = {each.person: frozenset(each.roles) for each in approvals}
    full = len(_matching(needed, people))
    eligible = [
        role
        for role in dict.fromkeys(needed)
        if len(_matching(needed, {**people, "": frozenset({role})})) > full
    ]
    if len(left) == 1 and len(eligible) > 1:
        return " or ".join(spoken(role) for role in eligible)
    return ", ".join(spoken(role) for role in left)


def unfillable(rules: ApprovalRules, people: Iterable[Person]) -> tuple[str, ...]:
    """Roles that ``people`` cannot fill, each through another person, for some kind and risk.

    As long as there is one, such changes can never be approved.
    """
    held = {person.id: person.roles for person in people}
    lacking = dict[str, None]()
    for roles in rules.required.values():
        filled = _matching(roles, held)
        lacking |= {role: None for place, role in enumerate(roles) if place not in filled}
    return tuple(lacking)


def involved(change: Change) -> Mapping[str, str]:
    """Whose own change it is -> why. None of them may approve it (guide 2.5.2)."""
    hands = {step.done_by: f"did its step {step.name!r}" for step in change.steps}
    hands |= {change.started_by: "started it", change.owner: "is its owner"}
    hands |= {change.requester: "requested it"}
    hands.pop("", None)
    return hands


def _matching(roles: Sequence[str], people: Mapping[str, frozenset[str]]) -> dict[int, str]:
    """Place in ``roles`` -> person; as many places as can be filled, one person for each."""
    filled: dict[int, str] = {}
    for person in people:
        _place(person, roles, people, filled, set())
    return filled


def _place(
    person: str,
    roles: Sequence[str],
    people: Mapping[str, frozenset[str]],
    filled: dict[int, str],
    tried: set[int],
) -> bool:
    """Find ``person`` a place, moving others to their second choice where that helps."""
    for place, role in enumerate(roles):
        if role not in people[person] or place in tried:
            continue
        tried.add(place)
        if place not in filled or _place(filled[place], roles, people, filled, tried):
            filled[place] = person
            return True
    return False
