# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether production of a host may be replaced on a change at this moment.

The change's own rules (approvals, its way back, a test) are asked when it starts; here is what a
restore adds: no standing change covers it, the host is one of its configuration items, what two
people have to do before is done, and there is time for all of it inside of its window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from storewarden.domain.change.commands import Circumstances, Note, Start
from storewarden.domain.change.record import Change, Kind, State
from storewarden.domain.errors import Refused
from storewarden.flows.harden_ready import WorkDesk
from storewarden.flows.rollout_change import outside

STEP = "restore"
"""A key step whose name begins so is the restore itself; those before it come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreGate:
    """A desk, the site's windows and its zone."""

    desk: WorkDesk
    judge: Callable[[Change, datetime, timedelta], Circumstances]
    zone: tzinfo

    def require(self, number: str, host: str, needs: timedelta, now: datetime) -> Change:
        """The change. Raises Refused unless it lets ``host`` be restored now, for ``needs``."""
        change = self.desk.change(number)
        why = _against(change, host) or _untimely(change, needs, now, self.zone)
        if why:
            raise Refused(why, where=number, hint="storewarden change show " + number)
        if change.draft.kind is not Kind.EMERGENCY:
            items = tuple(item for item in change.draft.items if item.host == host)
            narrow = replace(change, draft=replace(change.draft, items=items))
            around = self.judge(narrow, now, needs)
            if around.forbidden:
                raise Refused(around.forbidden, where=number, hint=around.hint)
        return change

    def begin(self, change: Change, key: str) -> Change:
        """The change in progress."""
        if change.state is State.IN_PROGRESS:
            return change
        return self.desk.act(change.number, f"start-{key}", Start())

    def note(self, change: Change, key: str, text: str) -> None:
        """A line of its story."""
        self.desk.act(change.number, f"note-{key}", Note(text=text))


def _against(change: Change, host: str) -> str:
    if change.standing is not None:
        return "a standing change covers small repeated actions, not a restore"
    if change.state not in (State.APPROVED, State.IN_PROGRESS):
        return f"it is {change.state.value}, and for a restore it must be approved or in progress"
    if host not in change.hosts:
        return f"{host} is none of its configuration items"
    for step in change.steps:
        if step.name.casefold().startswith(STEP):
            return ""
        if step.two_person and not (step.done_by and step.checked_by):
            return f"its key step {step.name!r} is not done and checked by two people"
    return ""


def _untimely(change: Change, needs: timedelta, now: datetime, zone: tzinfo) -> str:
    window = change.draft.window
    if window is None or change.draft.kind is Kind.EMERGENCY:
        return ""
    why, _zh = outside(window, now, zone)
    if why:
        return why
    if now + needs > window.ends:
        minutes = -(-int(needs.total_seconds()) // 60)
        return f"it may take {minutes} min, and the change's window ends before"
    return ""
