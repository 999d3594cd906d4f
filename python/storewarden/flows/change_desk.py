# SPDX-License-Identifier: GPL-3.0-or-later
"""The desk: one person stands in front of it and asks for something about a change.

Whoever stands there is known (the web has asked for a token); what they may do is decided
by ``domain.change``, under the ledger's lock; what they tried in vain is recorded as well.
This is the only way in which people change a change, through the API and in a program::

    desk = site.change_desk(person)
    change = desk.open("import-2026-06", Request(...))
    desk.act(change.number, "yes-1", Approve(comment="seen"))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import NoReturn

from storewarden.domain.change.approvals import missing, waits_for
from storewarden.domain.change.asking import owed
from storewarden.domain.change.commands import (
    ApproveOverride,
    Attach,
    Circumstances,
    Command,
    Start,
)
from storewarden.domain.change.debts import Owed, debts
from storewarden.domain.change.decide import decide
from storewarden.domain.change.events import Decision
from storewarden.domain.change.month import MonthOfChanges
from storewarden.domain.change.opening import open_change
from storewarden.domain.change.people import Person
from storewarden.domain.change.plain import plain_value
from storewarden.domain.change.record import (
    Change,
    DebtKind,
    Draft,
    EvidenceKind,
    Item,
    KeyStep,
    Kind,
    Risk,
    RollbackPlan,
    Span,
    Standing,
    State,
)
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import ConfigInvalid, LedgerConflict, Refused
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.flows.change_index import ChangeIndex
from storewarden.flows.change_month import changes_of_month
from storewarden.flows.change_windows import fitting
from storewarden.ports.changes import Amended, ChangeBook
from storewarden.ports.clock import Clock
from storewarden.ports.evidence import EvidenceStore
from storewarden.ports.ledger import JournalEntry

LARGEST_DOCUMENT = 32 << 20
"""Bytes of a piece of evidence: an HTML report over a large fleet is a few MB."""

_SHOWN = 40  # characters of a name in a message
_KEY = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_NUMBER = re.compile(r"[A-Z][A-Z0-9]{0,11}-\d{8}-\d{3,9}")

type ResolveItems = Callable[[Sequence[str]], tuple[Item, ...]]
"""Host names and Ansible patterns -> configuration items, in the inventory's order.

Raises ConfigInvalid for a pattern that matches nothing; no pattern gives no item.
"""

type JudgeStart = Callable[[Change, datetime], Circumstances]
"""What windows and opening hours say of a start at that moment."""

type NextWindow = Callable[[Draft, timedelta, datetime], Span | None]
"""The first time from then on at which the draft's work would fit; None when there is none."""

type IsPerson = Callable[[str], bool]
"""Whether there is somebody of that id now."""


def anybody(_id: str) -> bool:
    """An ``IsPerson`` of a site that keeps no people."""
    return True


def no_rules(_change: Change, _now: datetime) -> Circumstances:
    """A ``JudgeStart`` that knows of nothing against it."""
    return Circumstances()


def no_windows(_draft: Draft, _needs: timedelta, _now: datetime) -> Span | None:
    """A ``NextWindow`` of a site without windows."""
    return None


class NoSuchChange(ConfigInvalid):
    """There is no change of that number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """What the desk works with; ``zone`` and ``prefix`` make the numbers."""

    book: ChangeBook
    index: ChangeIndex
    evidence: EvidenceStore
    clock: Clock
    rules: ApprovalRules
    items: ResolveItems
    zone: tzinfo
    judge_start: JudgeStart = no_rules
    next_window: NextWindow = no_windows
    is_person: IsPerson = anybody
    prefix: str = "GMBG"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequest:
    """What somebody asks for; as a ``Draft``, but with ``hosts`` to be resolved.

    ``hosts`` are inventory names and Ansible patterns. ``needs`` asks for the next window in
    which so much time fits, instead of naming a ``window``.
    """

    summary: str
    kind: Kind
    risk: Risk
    reason: str
    hosts: tuple[str, ...] = ()
    plan: str = ""
    rollback: RollbackPlan = field(default_factory=RollbackPlan)
    operation: str = ""
    window: Span | None = None
    needs: timedelta | None = None
    owner: str = ""
    steps: tuple[KeyStep, ...] = ()
    standing: Standing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document to be attached."""

    kind: EvidenceKind
    name: str
    media_type: str
    content: bytes
    note: str = ""


class ChangeDesk:
    """Reads and changes changes for one person. Every method raises the leaves of
    ``domain.errors``; Refused carries the rule's reason and what to do."""

    def __init__(self, parts: DeskParts, person: Person) -> None:
        self._parts = parts
        self.person = person

    def open(self, key: str, request: ChangeRequest) -> Change:
        """Open a change; the same ``key`` of the same person gives the same change again.

        Raises LedgerConflict when that key opened something else.
        """
        key = self._key("open", key)
        draft = self._draft(request)
        now = self._parts.clock.now()
        day = now.astimezone(self._parts.zone).date()

        def compose(number: str) -> Decision:
            return open_change(number, draft, self.person, self._parts.rules, now)

        amended = self._parts.book.open_change(key, self._parts.prefix, day, compose)
        if not amended.new and not _alike(amended.change.draft, draft):
            raise LedgerConflict(
                f"this key has opened {amended.change.number}, which asks for something else",
                where="key",
                hint="a new request needs a new key",
            )
        return _accepted(amended)

    def act(self, number: str, key: str, command: Command) -> Change:
        """Do what ``command`` asks; the same ``key`` again changes nothing.

        Raises LedgerConflict when that key asked for something else: it would be lost. Of a
        Start the circumstances are found out here, whatever the command says.
        """
        change = self.change(number)
        now = self._parts.clock.now()
        if isinstance(command, Start):
            command = replace(command, circumstances=self._around(change, command.needs, now))
        asked = command

        def judge(current: Change) -> Decision:
            return decide(current, asked, self.person, self._parts.rules, now)

        full = self._key(type(asked).__name__.lower(), key)
        amended = self._parts.book.amend(number, full, judge)
        if not amended.new and not _the_same(asked, amended.decision):
            raise LedgerConflict(
                "this key has asked for something else", where=number, hint="take a new key"
            )
        return _accepted(amended)

    def attach(self, number: str, key: str, document: Document) -> Change:
        """Store a document and attach it. Stored first: a record never names what is not there."""
        self.change(number)
        if not 0 < len(document.content) <= LARGEST_DOCUMENT:
            raise ConfigInvalid(
                "is empty or too large", where=document.name, hint=f"1-{LARGEST_DOCUMENT} bytes"
            )
        digest = self._parts.evidence.put(document.content)
        command = Attach(
            kind=document.kind,
            name=document.name,
            media_type=document.media_type,
            size=len(document.content),
            digest=digest,
            note=document.note,
        )
        return self.act(number, key, command)

    def change(self, number: str) -> Change:
        """One change; NoSuchChange."""
        found = self._parts.book.change(number) if _NUMBER.fullmatch(number) else None
        return found or _no_such(number)

    def changes(
        self,
        *,
        states: Collection[State] = (),
        host: str = "",
        mine: bool = False,
        since: datetime | None = None,
        limit: int = 0,
    ) -> tuple[Change, ...]:
        """Changes, newest first; ``mine`` are those this person requested, owns, or is asked
        to approve."""
        book = self._parts.book
        if not mine:
            return book.changes(states=states, host=host, since=since, limit=limit)
        found = (book.change(number) for number in self._perhaps_mine())
        wanted = (
            change
            for change in found
            if change is not None
            and (not states or change.state in states)
            and (not host or host in change.hosts)
            and (since is None or change.opened_at >= since)
            and self._mine(change)
        )
        return tuple(islice(wanted, limit or None))  # no more are read than are wanted

    def history(self, number: str, *, after: int = 0) -> tuple[JournalEntry, ...]:
        """The journal entries of one change, in order."""
        self.change(number)
        return self._parts.book.history(number, after=after)

    def document(self, number: str, digest: str) -> tuple[str, str, bytes]:
        """Name, media type and bytes of a change's evidence. Raises NoSuchChange also for
        evidence that the change does not have, LedgerConflict when it was altered."""
        for evidence in self.change(number).evidence:
            if evidence.digest == digest:
                return evidence.name, evidence.media_type, self._parts.evidence.get(digest)
        raise NoSuchChange(f"has no evidence {digest[:12]}", where=number)

    def debts(self, *, overdue: bool = False) -> tuple[Owed, ...]:
        """Debts that are not settled, the most urgent first."""
        now = self._parts.clock.now()
        indebted = (noted.number for noted in self._parts.index.current() if noted.debts)
        found = (self._parts.book.change(number) for number in indebted)
        every = debts((change for change in found if change is not None), now)
        return tuple(each for each in every if each.overdue or not overdue)

    def month(self, name: str = "") -> MonthOfChanges:
        """How the changes of ``2026-06`` turned out; of this month when nothing is given."""
        parts = self._parts
        return changes_of_month(parts.book, parts.rules, parts.zone, name, parts.clock.now())

    def _perhaps_mine(self) -> list[str]:
        """Numbers of changes that are, or wait for anybody's yes; newest first."""
        me = self.person.id
        return [
            noted.number
            for noted in reversed(self._parts.index.current())
            if noted.asks or me in (noted.requester, noted.owner)
        ]

    def waits_for(self, change: Change) -> str:
        """Whose yes is missing, in words; "" when nobody is asked."""
        asked = change.state is State.REQUESTED or owed(change, DebtKind.APPROVAL) is not None
        if not asked:
            return ""
        return waits_for(change, self._parts.rules, self._parts.clock.now())

    def _mine(self, change: Change) -> bool:
        if self.person.id in (change.requester, change.owner):
            return True
        rules, now = self._parts.rules, self._parts.clock.now()
        if not decide(change, ApproveOverride(), self.person, rules, now).refusal:
            return True
        roles = missing(change, rules, now) if self.waits_for(change) else ()
        return bool(self.person.roles.intersection(roles))

    def _draft(self, request: ChangeRequest) -> Draft:
        """With its items; resolved before the lock is taken, since Ansible is slow."""
        _require_operation(request.operation)
        self._require_owner(request.owner)
        draft = Draft(
            summary=request.summary,
            kind=request.kind,
            risk=request.risk,
            reason=request.reason,
            items=self._parts.items(request.hosts),
            plan=request.plan,
            rollback=request.rollback,
            operation=request.operation,
            window=request.window,
            owner=request.owner,
            steps=request.steps,
            standing=request.standing,
        )
        if request.needs is None:
            return draft
        window = self._parts.next_window(draft, request.needs, self._parts.clock.now())
        if window is None:
            raise Refused(
                "no window is long enough", where="window", hint="storewarden window calendar"
            )
        return replace(draft, window=window)

    def _around(self, change: Change, needs: timedelta, now: datetime) -> Circumstances:
        around = self._parts.judge_start(change, now)
        if not needs or change.draft.kind is Kind.EMERGENCY:  # which asks nobody
            return around
        span = self._parts.next_window(change.draft, needs, now)
        return fitting(around, span, now, self._parts.zone)

    def _require_owner(self, owner: str) -> None:
        """A misspelt owner would be reminded of nothing, and the real one could approve."""
        if owner and owner != self.person.id and not self._parts.is_person(owner):
            raise ConfigInvalid(
                f"{owner[:_SHOWN]!r} is nobody in the people file",
                where="owner",
                hint="storewarden person list",
            )

    def _key(self, verb: str, key: str) -> str:
        """Keys of one person cannot meet those of another, nor those of another command."""
        if not _KEY.fullmatch(key):
            raise ConfigInvalid(
                "must be 1-100 letters, digits and . _ : -", where="key", hint="one per request"
            )
        return f"{self.person.id} {verb} {key}"


def _require_operation(name: str) -> None:
    known = [each.value for each in OperationClass]
    if name and name not in known:
        raise ConfigInvalid(
            f"{name!r} is no operation class", where="operation", hint=f"one of {', '.join(known)}"
        )


def _accepted(amended: Amended) -> Change:
    """The change as it is now, or the refusal that was recorded."""
    decision = amended.decision
    if decision.refusal:
        raise Refused(decision.refusal, where=amended.change.number, hint=decision.hint)
    return amended.change


def _alike(recorded: Draft, asked: Draft) -> bool:
    """The same request, as far as its author can tell: a window may have moved meanwhile."""
    owner = asked.owner or recorded.owner
    return replace(asked, window=recorded.window, items=recorded.items, owner=owner) == recorded


def _the_same(asked: Command, decision: Decision) -> bool:
    """Whether what was recorded says what is asked now, as far as it says it at all. What a
    refusal was about is not recorded word for word."""
    if decision.refusal:
        return True
    recorded: dict[str, object] = {}
    for event in decision.events:
        recorded = {**event.data, **recorded}
    given = {each.name: getattr(asked, each.name) for each in fields(asked)}
    return all(
        plain_value(value) == recorded[name]
        for name, value in given.items()
        if name in recorded and value is not None
    )


def _no_such(number: str) -> NoReturn:
    raise NoSuchChange("there is no such change", where=number[:40], hint="storewarden change list")
