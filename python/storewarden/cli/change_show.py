# SPDX-License-Identifier: GPL-3.0-or-later
"""A change in a terminal: what an approver has to know, on one screen.

Texts of people are shown as text: control characters never reach the terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import wraps
from typing import Any

from storewarden.cli.change_next import next_lines
from storewarden.cli.change_words import EVENTS, LABELS, STATES, VALUES, phrase, word
from storewarden.cli.printing import padded, printable
from storewarden.domain.change.overriding import approvals_of
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.plain import moment_of
from storewarden.domain.change.record import Approval, Change, Debt, KeyStep, State
from storewarden.domain.change.spoken import action_told, role_name, roles_told, told
from storewarden.domain.maintenance.override import PEOPLE

_WIDTH = 11  # columns of the labels
_STORES = 8  # stores named before "more"
_HASH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """In which language and zone; ``now`` tells what is overdue."""

    language: str
    zone: tzinfo
    now: datetime

    def at(self, moment: datetime) -> str:
        """A moment as people write it, in the site's zone."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def say(self, key: str, **values: object) -> str:
        """A phrase."""
        return phrase(key, self.language, **values)

    def waits(self, waits_for: str) -> str:
        """Whose yes is missing."""
        who = roles_told(waits_for, self.language)
        free = self.language == "zh" and who.isascii()  # Latin letters stand free between Chinese
        return self.say("waits_for", who=f" {who} " if free else who)

    def value(self, key: str) -> str:
        """The word for a value of the record."""
        return word(VALUES, key, self.language)


def _shown[**Given](
    lines: Callable[Given, Iterator[str]],
) -> Callable[Given, Iterator[str]]:
    """Each line as a terminal may have it, whoever said what is in it."""

    @wraps(lines)
    def made(*args: Given.args, **named: Given.kwargs) -> Iterator[str]:
        return map(printable, lines(*args, **named))

    return made


@_shown
def change_lines(
    change: Change, waits_for: str, history: Sequence[Mapping[str, Any]], style: Style
) -> Iterator[str]:
    """The whole change."""
    yield f"{change.number}  {printable(change.draft.summary)}"
    for label, lines in _sections(change, waits_for, style):
        yield from _labelled(word(LABELS, label, style.language), lines)
    yield from _labelled(
        word(LABELS, "history", style.language), [_event(each, style) for each in history]
    )
    yield style.say("times", zone=style.zone)


@_shown
def row_lines(rows: Sequence[Mapping[str, Any]], style: Style) -> Iterator[str]:
    """One line per change, and one for whose yes is missing."""
    if not rows:
        yield style.say("none_found")
    for row in rows:
        state = word(STATES, row["state"], style.language)
        about = f"{style.value(row['kind'])}, {style.value(row['risk'])}"
        owed = f"  {word(LABELS, 'debts', style.language)}: {row['open_debts']}"
        yield (
            f"{row['number']}  {padded(state, 12)} {padded(about, 22)} "
            f"{printable(row['summary'])}{owed if row['open_debts'] else ''}"
        )
        if row["waits_for"]:
            yield " " * 4 + style.waits(row["waits_for"])


@_shown
def debt_lines(debts: Sequence[Mapping[str, Any]], style: Style) -> Iterator[str]:
    """One line per debt."""
    if not debts:
        yield style.say("no_debts")
    for debt in debts:
        due = style.at(moment_of(debt["due"], "due"))
        when = style.say("overdue" if debt["overdue"] else "due", at=due)
        what = f": {printable(told(debt['what'], style.language))}" if debt["what"] else ""
        yield f"{debt['number']}  {style.value(debt['kind'])}{what}  {when}  {debt['owner']}"


def _sections(change: Change, waits_for: str, style: Style) -> Iterator[tuple[str, Sequence[str]]]:
    """Label and lines; a section without lines is left out."""
    draft = change.draft
    yield "state", [_state(change, waits_for, style)]
    yield "next", next_lines(change, waits_for, style.language, style.at, style.now)
    kind = [style.value(draft.kind.value), style.value(draft.risk.value), draft.operation]
    yield "kind", [", ".join(filter(None, kind))]
    yield "requester", [style.say("asked", who=change.requester, at=style.at(change.opened_at))]
    yield "owner", [change.owner] if change.owner != change.requester else []
    if draft.window:
        span = f"{style.at(draft.window.starts)} - {style.at(draft.window.ends)}"
        yield "window", [span]
    yield "items", [_items(change, style)]
    yield "reason", _text(draft.reason)
    yield "plan", _text(draft.plan)
    yield "rollback", list(_rollback(change, style))
    yield "standing", list(_standing(change, style))
    yield "approvals", [_approval(each, style) for each in change.approvals]
    yield "override", list(override_lines(change, style))
    yield "steps", [_step(each, style) for each in change.steps]
    yield "work", list(_work(change, style))
    yield "outcome", list(_outcome(change, style))
    yield "debts", [_debt(each, style) for each in change.debts]
    yield "evidence", list(_evidence(change, style))
    yield "tickets", [f"{system} {ticket}" for system, ticket in sorted(change.tickets.items())]


def _state(change: Change, waits_for: str, style: Style) -> str:
    state = word(STATES, change.state.value, style.language)
    waits = style.waits(waits_for) if waits_for else ""
    return f"{state}; {waits}" if waits else state


def _items(change: Change, style: Style) -> str:
    items = change.draft.items
    if not items:
        return style.say("no_items")
    stores = Counter(item.store or item.host for item in items)
    named = [f"{store} ({count})" for store, count in sorted(stores.items())[:_STORES]]
    if len(stores) > _STORES:
        named.append(style.say("more", count=len(stores) - _STORES))
    key = "stores" if len(stores) > 1 else "store"
    return style.say(key, count=len(items), stores=len(stores), list=", ".join(named))


def _rollback(change: Change, style: Style) -> Iterator[str]:
    plan = change.draft.rollback
    if plan.trigger:
        yield from _text(style.say("trigger", text=plan.trigger))
    yield from _text(plan.steps)
    if plan.owner:
        yield from _text(style.say("by", text=plan.owner))


def _standing(change: Change, style: Style) -> Iterator[str]:
    standing = change.standing
    if standing is not None:
        until = style.at(standing.until)
        yield style.say("standing_until", action=printable(standing.action), at=until)
        yield style.say("runs", runs=standing.runs, failures=standing.failures)


def _roles(approval: Approval, style: Style) -> str:
    return ", ".join(role_name(role, style.language) for role in approval.roles)


def _approval(approval: Approval, style: Style) -> str:
    roles = style.say("as", roles=_roles(approval, style))
    until = style.say("approved_until", at=style.at(approval.expires))
    validity = style.say("approval_void") if approval.expired else until
    comment = f': "{printable(approval.comment)}"' if approval.comment else ""
    return f"{approval.person} {roles}, {style.at(approval.at)}, {validity}{comment}"


def override_lines(change: Change, style: Style) -> Iterator[str]:
    """Who asked to set the windows aside, why, who agreed; nothing when nobody asked."""
    override = change.override
    if override is None:
        return
    given, at = len(approvals_of(change)), style.at(override.expires)
    over = override.expires <= style.now and change.started_at is None
    key = "override_over" if over else "override_asked"
    yield style.say(key, who=override.asked_by, at=at, given=given, needed=PEOPLE)
    yield from _text(override.reason)
    for each in override.approvals:
        roles = style.say("as", roles=_roles(each, style))
        said = style.say("override_yes", who=each.person, roles=roles, at=style.at(each.at))
        void = f", {style.say('approval_void')}" if each.expired else ""
        comment = f': "{printable(each.comment)}"' if each.comment else ""
        yield f"{said}{void}{comment}"


def _step(step: KeyStep, style: Style) -> str:
    done = bool(step.done_by) and (bool(step.checked_by) or not step.two_person)
    told = [style.say("done_by", who=step.done_by) if step.done_by else style.say("to_do")]
    if step.checked_by:
        told.append(style.say("checked_by", who=step.checked_by))
    elif step.two_person:
        told.append(style.say("to_check" if step.done_by else "two_person"))
    return f"[{'x' if done else ' '}] {printable(step.name)} ({', '.join(told)})"


def _work(change: Change, style: Style) -> Iterator[str]:
    if change.started_at:
        yield style.say("started_at", at=style.at(change.started_at), who=change.started_by)
    if change.ended_at:
        yield style.say("ended_at", at=style.at(change.ended_at))


def _outcome(change: Change, style: Style) -> Iterator[str]:
    if change.outcome and change.closed_at:
        closed = style.say("closed_at", at=style.at(change.closed_at))
        yield f"{style.value(change.outcome.value)}, {closed}"
    by_rule = change.state is State.REJECTED
    yield from _text(told(change.reason, style.language) if by_rule else change.reason)


def _debt(debt: Debt, style: Style) -> str:
    if debt.settled_at:
        when = style.say("settled", who=debt.settled_by, at=style.at(debt.settled_at))
    else:
        key = "overdue" if debt.due <= style.now else "due"
        when = style.say(key, at=style.at(debt.due))
    what = f": {printable(told(debt.what, style.language))}" if debt.what else ""
    return f"{style.value(debt.kind.value)}{what}, {when}"


def _evidence(change: Change, style: Style) -> Iterator[str]:
    for each in change.evidence:
        note = f": {printable(each.note)}" if each.note else ""
        yield (
            f"{style.value(each.kind.value)} {printable(each.name)}, {each.size} bytes, "
            f"{each.by}, {style.at(each.at)}, sha256 {each.digest[:_HASH]}{note}"
        )


_RULED = ("refused", "owes", "debt settled")
_TELLING = (
    "outcome",
    "comment",
    "reason",
    "text",
    "note",
    "step",
    "name",
    "debt",
    "ticket",
    "what",
    "override",
)


def _event(entry: Mapping[str, Any], style: Style) -> str:
    """When, who, what, and the words they said."""
    body = entry["body"]
    kind = str(entry["kind"]).removeprefix("change ")
    who = str(body.get("by", ""))
    name = style.say("itself") if who in ("", CLOCKWORK) else printable(who)
    ruled = kind in _RULED or bool(body.get("rule"))
    said = [_said(ruled, key, str(body[key]), style) for key in _TELLING if body.get(key)]
    words = f": {printable('; '.join(said))}" if said else ""
    at = style.at(moment_of(entry["at"], "at"))
    tried = printable(action_told(str(body.get("tried", "")), style.language))
    what = word(EVENTS, kind, style.language) + (f" ({tried})" if tried else "")
    return f"{at}  {name}  {what}{words}"


def _said(ruled: bool, key: str, text: str, style: Style) -> str:
    """What an entry says; words of rules in the reader's language, those of people as they are."""
    if key in ("outcome", "debt"):
        return style.value(text)
    return told(text, style.language) if ruled else text


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        head = padded(label, _WIDTH) if number == 0 else " " * _WIDTH
        yield f"  {head} {line}".rstrip()


def _text(text: str) -> list[str]:
    """The lines of somebody's text."""
    return [printable(line) for line in text.strip().splitlines()] if text.strip() else []
