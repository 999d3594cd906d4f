# SPDX-License-Identifier: GPL-3.0-or-later
"""The birth of a change: what is asked for becomes a record, fit or not.

A draft that breaks a rule is opened and rejected at once, in one go. It keeps its
number, so that who asked for what stays known (guide 2.2.5: without configuration
items it is rejected by itself).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.people import CLOCKWORK, Person
from storewarden.domain.change.plain import plain_draft
from storewarden.domain.change.record import Draft, KeyStep, Kind
from storewarden.domain.change.rules import ApprovalRules

_HINT = "open a new change"


def open_change(
    number: str, draft: Draft, person: Person, rules: ApprovalRules, now: datetime
) -> Decision:
    """Open ``draft`` as change ``number``; rejected by rule at once when it breaks one."""
    asked = replace(draft, owner=draft.owner or person.id)
    data = {"draft": plain_draft(asked)}
    opened = ChangeEvent(number=number, kind=EventKind.OPENED, at=now, by=person.id, data=data)
    reasons = objections(asked, rules, now)
    if not reasons:
        return Decision(events=(opened,))
    reason = "; ".join(reasons)
    rejected = ChangeEvent(
        number=number,
        kind=EventKind.REJECTED,
        at=now,
        by=CLOCKWORK,
        data={"reason": reason, "rule": True},
    )
    return Decision(events=(opened, rejected), refusal=reason, hint=_HINT)


def objections(draft: Draft, rules: ApprovalRules, now: datetime) -> tuple[str, ...]:
    """What rules say against a draft, one clause each; empty when it may be asked for."""
    found = [*_texts(draft), *_items(draft), *_window(draft, now), *step_objections(draft.steps)]
    return (*found, *_standing(draft, rules, now))


def step_objections(steps: Iterable[KeyStep]) -> tuple[str, ...]:
    """What is wrong with key steps as written; they may not come with somebody's name on them."""
    listed = tuple(steps)
    found = [f"step {name!r} is there twice" for name in _twice(step.name for step in listed)]
    for step in listed:
        if not step.name.strip():
            found.append("a step has no name")
        if step != KeyStep(name=step.name, two_person=step.two_person):
            found.append(f"step {step.name!r} is marked as done or checked before the work began")
    return tuple(found)


def _texts(draft: Draft) -> list[str]:
    found = [] if draft.summary.strip() else ["there is no summary"]
    if not draft.reason.strip() and draft.kind is not Kind.EMERGENCY:
        found.append("there is no reason")
    return found


def _items(draft: Draft) -> list[str]:
    if not draft.items:
        return ["no configuration item is attached"]
    found = [f"{host} is attached twice" for host in _twice(item.host for item in draft.items)]
    if not all(item.host.strip() for item in draft.items):
        found.append("a configuration item has no host")
    return found


def _window(draft: Draft, now: datetime) -> list[str]:
    window = draft.window
    if window is None:
        return []
    if window.ends <= window.starts:
        return ["its window ends before it begins"]
    return ["its window is over already"] if window.ends <= now else []


def _standing(draft: Draft, rules: ApprovalRules, now: datetime) -> list[str]:
    standing = draft.standing
    if standing is None:
        return []
    found = [] if draft.kind is Kind.STANDARD else ["only a standard change can be standing"]
    if not standing.action.strip():
        found.append("a standing change names no action")
    if standing.until <= now:
        found.append("a standing change must end in the future")
    if standing.until > now + rules.standing_longest:
        found.append(f"a standing change ends after {rules.standing_longest.days} days at most")
    if standing.runs or standing.failures or standing.last_run is not None:
        found.append("a standing change begins without runs")
    if draft.window is not None or draft.steps:
        found.append("a standing change has neither a window nor steps of its own")
    return found


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
