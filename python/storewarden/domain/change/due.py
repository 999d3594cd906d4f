# SPDX-License-Identifier: GPL-3.0-or-later
"""What time does to a change: approvals run out, standing changes end, people are reminded.

Everything a change waits for is an appointment: a moment, and the event that is
due then. ``due`` keeps those whose moment has come, ``next_due`` names the first
one, so that the clock need not look in between. A controller that was away for a
week finds one reminder due, not seven.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.change.approvals import waits_for
from storewarden.domain.change.decide import expiries
from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.plain import stamp
from storewarden.domain.change.record import Change, Debt, Outcome, Standing, State
from storewarden.domain.change.rules import ApprovalRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """Somebody is to be told ``what``; ``marks`` are its first moments, then every ``every``."""

    about: str
    what: str
    due: datetime
    marks: tuple[datetime, ...]
    every: timedelta
    given: int

    def count(self, now: datetime) -> int:
        """How many of its moments have come."""
        passed = sum(mark <= now for mark in self.marks)
        return passed + max(0, (now - self.marks[-1]) // self.every)

    @property
    def next(self) -> datetime:
        """The first moment that nobody has been reminded at."""
        if self.given < len(self.marks):
            return self.marks[self.given]
        return self.marks[-1] + (self.given - len(self.marks) + 1) * self.every


def due(change: Change, now: datetime, rules: ApprovalRules) -> Decision:
    """What the clock does to this change at ``now``; no events when nothing is due."""
    ending = _ending(change, rules)
    if ending is not None:
        moment, event = ending
        if moment <= now:
            return Decision(events=(_clocked(change, event[0], now, event[1]),))
    ended = expiries(change, now)
    if ended:
        return Decision(events=ended)
    ready = (each for each in _reminders(change, rules) if each.count(now) > each.given)
    return Decision(events=tuple(_remind(change, each, now) for each in ready))


def next_due(change: Change, rules: ApprovalRules) -> datetime | None:
    """The moment at which ``due`` has something to do, unless the change moves before."""
    moments = [each.next for each in _reminders(change, rules)]
    ending = _ending(change, rules)
    if ending is not None:
        moments.append(ending[0])
    elif change.state in (State.REQUESTED, State.APPROVED):
        moments += [each.expires for each in change.approvals if not each.expired]
    return min(moments, default=None)


_Ending = tuple[EventKind, dict[str, object]]


def _ending(change: Change, rules: ApprovalRules) -> tuple[datetime, _Ending] | None:
    """When and how a standing change comes to its end; None for all others."""
    standing = change.standing
    if standing is None or change.state not in (State.REQUESTED, State.APPROVED):
        return None
    if change.state is State.REQUESTED:
        return standing.until, (EventKind.CANCELLED, {"reason": "ran out before it was approved"})
    after = standing.until + rules.standing_grace
    if not standing.runs:
        return after, (EventKind.CANCELLED, {"reason": "ran out and was never used"})
    return after, (EventKind.CLOSED, _result(standing, rules))


def _result(standing: Standing, rules: ApprovalRules) -> dict[str, object]:
    failed = standing.failures > rules.failing_share * standing.runs
    outcome = Outcome.FAILED if failed else Outcome.SUCCESSFUL
    reason = f"ran out; {standing.failures} of {standing.runs} runs failed"
    return {"outcome": outcome.value, "reason": reason}


def _reminders(change: Change, rules: ApprovalRules) -> Iterator[Reminder]:
    for debt in change.debts:
        if debt.settled_at is None:
            yield _debt(debt, rules)
    if change.state is State.REQUESTED:
        moment = change.opened_at + rules.approval_target[change.draft.risk]
        what = f"waits for approval by: {waits_for(change, rules, moment)}"
        yield _waiting(change, "approvals", what, moment, rules)
    elif change.state is State.APPROVED and change.standing is None:
        moment = _start_by(change, rules)
        yield _waiting(change, "start", "is approved and has not begun", moment, rules)


def _start_by(change: Change, rules: ApprovalRules) -> datetime:
    """Begin after approval in the guide's time, but never before the change's own window."""
    given = (each.at for each in change.approvals if not each.expired)
    approved = max(given, default=change.opened_at)
    moment = approved + rules.start_target[change.draft.risk]
    window = change.draft.window
    return moment if window is None else max(moment, window.starts)


def _debt(debt: Debt, rules: ApprovalRules) -> Reminder:
    return Reminder(
        about=debt.kind.value,
        what=debt.what,
        due=debt.due,
        marks=(debt.due - rules.remind_before, debt.due),
        every=rules.remind_every,
        given=debt.reminded,
    )


def _waiting(
    change: Change, about: str, what: str, moment: datetime, rules: ApprovalRules
) -> Reminder:
    return Reminder(
        about=about,
        what=what,
        due=moment,
        marks=(moment,),
        every=rules.remind_every,
        given=change.reminders.get(about, 0),
    )


def _remind(change: Change, reminder: Reminder, now: datetime) -> ChangeEvent:
    data = {
        "about": reminder.about,
        "count": reminder.count(now),
        "due": stamp(reminder.due),
        "what": reminder.what,
    }
    return _clocked(change, EventKind.REMINDED, now, data)


def _clocked(
    change: Change, kind: EventKind, now: datetime, data: dict[str, object]
) -> ChangeEvent:
    return ChangeEvent(number=change.number, kind=kind, at=now, by=CLOCKWORK, data=data)
