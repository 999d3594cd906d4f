# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down beside the work: plans, notes, evidence, paid debts, standing runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from storewarden.domain.change.approvals import live, missing, waits_for
from storewarden.domain.change.asking import Asking, lacking, owed
from storewarden.domain.change.commands import Attach, Note, Plan, Run, Settle, Ticket
from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.machine import fold
from storewarden.domain.change.opening import objections
from storewarden.domain.change.record import Change, DebtKind, EvidenceKind, State
from storewarden.domain.change.rules import ApprovalRules

_BEFORE = (State.REQUESTED, State.APPROVED)


def plan(asking: Asking, command: Plan) -> Decision:
    """Before the start: a new plan, which wants new approvals. After it: owed paperwork."""
    change = asking.change
    names = ("reason", "plan", "rollback", "window", "steps")
    new = {name: getattr(command, name) for name in names if getattr(command, name) is not None}
    if not new:
        return asking.refuse("there is nothing new in the plan", "give the parts that change")
    if asking.person.id not in (change.requester, change.owner, change.started_by):
        return asking.refuse(
            f"the plan is written by {change.requester} or {change.owner}", "write a note"
        )
    event = asking.event(EventKind.PLANNED, **new)
    if change.state not in _BEFORE:
        return _paperwork(asking, event)
    against = objections(replace(change.draft, **new), asking.rules, asking.now)
    if against:
        return asking.refuse("; ".join(against), "write it differently")
    return asking.record(event)


def _paperwork(asking: Asking, event: ChangeEvent) -> Decision:
    if owed(asking.change, DebtKind.PAPERWORK) is None:
        return asking.refuse("the plan stands once the work has begun", "write a note")
    if {"window", "steps"} & set(event.data):
        return asking.refuse("window and steps stand once the work has begun", "leave them out")
    if lacking(fold(asking.change, event)):
        return asking.record(event)
    settled = asking.event(EventKind.SETTLED, debt=DebtKind.PAPERWORK, what="written")
    return asking.record(event, settled)


def note(asking: Asking, command: Note) -> Decision:
    """Free text."""
    if not command.text.strip():
        return asking.refuse("there is nothing to note", "write something")
    return asking.record(asking.event(EventKind.NOTED, text=command.text))


def attach(asking: Asking, command: Attach) -> Decision:
    """A document; the test that an emergency owes is paid by it."""
    change, test = asking.change, command.kind is EvidenceKind.TEST
    pays = test and owed(change, DebtKind.TEST) is not None
    if change.state is State.CLOSED and not pays:
        return asking.refuse("it is closed and owes no test", "attach it to another change")
    attached = asking.event(
        EventKind.EVIDENCE,
        evidence=command.kind,
        name=command.name,
        media_type=command.media_type,
        size=command.size,
        digest=command.digest,
        note=command.note,
    )
    if not pays:
        return asking.record(attached)
    settled = asking.event(EventKind.SETTLED, debt=DebtKind.TEST, what=command.name)
    return asking.record(attached, settled)


_PAID_BY = {
    DebtKind.APPROVAL: "an approval is paid by approving",
    DebtKind.TEST: "a test is paid by attaching its result",
}


def settle(asking: Asking, command: Settle) -> Decision:
    """Paperwork that is complete, items that are done; the rest is paid by doing it."""
    change, kind = asking.change, command.debt
    if owed(change, kind) is None:
        return asking.refuse(f"no {kind.value} is owed", "")
    if kind in _PAID_BY:
        waits = waits_for(change, asking.rules, asking.now) if kind is DebtKind.APPROVAL else ""
        hint = f"waits for approval by: {waits}" if waits else "do that"
        return asking.refuse(_PAID_BY[kind], hint)
    gaps = lacking(change) if kind is DebtKind.PAPERWORK else ()
    if gaps:
        return asking.refuse(f"nobody has written {', '.join(gaps)}", "write it")
    if not command.what.strip():
        return asking.refuse("nothing says how it was paid", "say what was done")
    return asking.record(asking.event(EventKind.SETTLED, debt=kind, what=command.what))


def run(asking: Asking, command: Run) -> Decision:
    """One run of a standing change, judged by the moment when it began."""
    reason = run_refusal(asking.change, command.hosts, asking.rules, command.began)
    if not reason and command.began > asking.now:
        reason = "a run cannot be recorded before it began"
    if reason:  # it happened all the same: the record says what
        return asking.refuse(reason, "ask before a run, not after it", run=command)
    return asking.record(
        asking.event(
            EventKind.RAN,
            run=command.run,
            hosts=command.hosts,
            began=command.began,
            succeeded=command.succeeded,
            note=command.note,
        )
    )


def run_refusal(change: Change, hosts: Collection[str], rules: ApprovalRules, at: datetime) -> str:
    """Why a standing change does not cover a run on ``hosts`` that begins at ``at``; "" when it
    does. Ask this before the run."""
    if change.standing is None:
        return "it is no standing change"
    if at >= change.standing.until:
        return f"the standing change ended at {change.standing.until:%Y-%m-%d %H:%M} UTC"
    if change.state is not State.APPROVED or missing(change, rules, at):
        waits = waits_for(change, rules, at)
        return f"waits for approval by: {waits}" if waits else f"it is {change.state.value}"
    if at < max((each.at for each in live(change, at)), default=at):
        return "the run began before the last approval"
    foreign = sorted(set(hosts) - set(change.hosts))
    if foreign:
        return f"none of its configuration items: {', '.join(foreign)}"
    return "" if hosts else "a run names no host"


def ticket(asking: Asking, command: Ticket) -> Decision:
    """Where its mirror is."""
    return asking.record(
        asking.event(EventKind.TICKET, system=command.system, ticket=command.ticket)
    )
