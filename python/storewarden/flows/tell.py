# SPDX-License-Identifier: GPL-3.0-or-later
"""The notification channels: what people have to know, collected so that a storm is one message.

What to say and when is decided in ``domain.outbox``; here the journal is read, the message
sent and the cursor moved. A message that was taken just before we died is sent again: told
twice is better than not told. Documents (an audit's report) go along where the channel takes
them.

What waits is kept in memory, so that a long night is not read anew every minute, and so that
urgent news are seen however much lies before them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from storewarden.domain.change.approvals import missing
from storewarden.domain.change.record import Change
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import AdapterError, StorewardenError
from storewarden.domain.outbox.bulletin import Bulletin
from storewarden.domain.outbox.delivery import BackOff, Failure, next_try
from storewarden.domain.outbox.delivery_words import BLOCKED
from storewarden.domain.outbox.digest import ChannelRules, Plan, hears, plan_messages
from storewarden.domain.outbox.incident_words import needs_incident
from storewarden.domain.outbox.ledger_words import PARKED
from storewarden.domain.outbox.notice import AuditFacts, Context, Event, IncidentFacts
from storewarden.domain.outbox.telling import needs_audit, needs_change, notice_of
from storewarden.ports.changes import ChangeBook
from storewarden.ports.clock import Clock
from storewarden.ports.journal import moment, stamp
from storewarden.ports.ledger import JournalEntry, Ledger
from storewarden.ports.notifications import Message, Sender
from storewarden.ports.outbox import NOTIFY, Delivery, Outbox
from storewarden.ports.people import People
from storewarden.ports.tickets import Attachment

_REMEMBERED = 50
_MOST = 2000  # notices kept for one message; a storm of more is several
_PAGE = 500
_LOOKED_AT = 20_000  # entries in one tick, so that a stop never waits long for it
_HOPELESS = 40  # as good as so many failures: a person has to act, so there is no hurry
_SENT = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStory:
    """What telling of an audit takes: how it came out, and its report as a document."""

    facts: Callable[[str], AuditFacts | None]
    report: Callable[[str], Attachment | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TellParts:
    """What telling on one channel needs; ``incidents`` says what one is about, by its number."""

    sender: Sender
    rules: ChannelRules
    outbox: Outbox
    book: ChangeBook
    ledger: Ledger
    people: People | None
    approvals: ApprovalRules
    audits: AuditStory
    clock: Clock
    to: tuple[str, ...] = ()
    incidents: Callable[[str], IncidentFacts | None] = lambda _number: None
    backoff: BackOff = field(default_factory=BackOff)


class Telling:
    """The duty of one notification channel."""

    def __init__(self, parts: TellParts) -> None:
        self._parts = parts
        self.name = f"tell:{parts.rules.name}"
        self.every = timedelta(minutes=1)
        self.channel = f"{NOTIFY}{parts.rules.name}"
        self._audits: dict[str, AuditFacts | None] = {}
        self._held = _Held()

    def tick(self, now: datetime) -> datetime | None:
        """Send what is due; when to come again."""
        for delivery in self._parts.outbox.due(self.channel, now, limit=1):
            return self._serve(delivery, now)
        return self._parts.outbox.next_due(self.channel)

    def _serve(self, delivery: Delivery, now: datetime) -> datetime | None:
        more = self._look(delivery, now)
        if self._held.through <= delivery.through:
            return None
        plan = self._plan(delivery, now)
        if plan.bulletin is not None:
            try:
                self._parts.sender.send(self._message(plan.bulletin))
            except AdapterError as error:
                return self._failed(delivery, error)
            except StorewardenError as error:  # a secret that is gone, for example
                return self._blocked(delivery, error)
            receipt = {_SENT: stamp(self._parts.clock.now())}
            self._parts.outbox.arrived(delivery, plan.through, receipt)
            return now  # perhaps there is more
        if plan.through > delivery.through:
            self._parts.outbox.arrived(delivery, plan.through)
        return now if more else plan.wait_until

    def _plan(self, delivery: Delivery, now: datetime) -> Plan:
        sent, held = delivery.receipt.get(_SENT, ""), self._held
        known: dict[str, Change | None] = {}  # many entries, few changes
        told = (
            notice_of(_event(entry), self._context(entry, known, now)) for entry in held.entries
        )
        return plan_messages(
            [notice for notice in told if notice is not None],
            self._parts.rules,
            through=held.through,
            last_sent=moment(sent) if sent else None,
            now=now,
            full=held.full,
        )

    def _look(self, delivery: Delivery, now: datetime) -> bool:
        """Hold what the journal has that this channel hears; whether there is more to look at."""
        held = self._held = self._held.behind(delivery.through)
        known: dict[str, Change | None] = {}
        looked = 0
        while looked < _LOOKED_AT:
            if held.full:
                return True
            unread = replace(delivery, through=held.through)
            page = self._parts.outbox.entries(unread, limit=_PAGE)
            for entry in page:
                notice = notice_of(_event(entry), self._context(entry, known, now))
                if held.take(entry, notice is not None and hears(self._parts.rules, notice)):
                    return True
            looked += len(page)
            if len(page) < _PAGE:
                return False
        return True

    def _context(
        self, entry: JournalEntry, known: dict[str, Change | None], now: datetime
    ) -> Context:
        """What the entry alone does not tell, as it is now."""
        zone = self._parts.rules.zone
        if needs_audit(entry.kind):
            return Context(audit=self._facts(entry.run), zone=zone)
        if needs_incident(entry.kind):
            return Context(incident=self._parts.incidents(entry.run), zone=zone)
        if not needs_change(entry.kind):
            return Context(zone=zone)
        if entry.run not in known:
            known[entry.run] = self._parts.book.change(entry.run)
        change = known[entry.run]
        waiting = missing(change, self._parts.approvals, now) if change is not None else ()
        return Context(change=change, waiting=waiting, zone=zone)

    def _facts(self, audit: str) -> AuditFacts | None:
        """An audit that has ended stays as it is, and is long to read."""
        if audit not in self._audits:
            if len(self._audits) >= _REMEMBERED:
                self._audits.clear()
            self._audits[audit] = self._parts.audits.facts(audit)
        return self._audits[audit]

    def _message(self, bulletin: Bulletin) -> Message:
        documents, remarks = self._documents(bulletin)
        return Message(
            title=bulletin.title,
            text=bulletin.text + remarks,
            urgent=bulletin.urgent,
            to=self._addresses(bulletin),
            attachments=documents,
        )

    def _addresses(self, bulletin: Bulletin) -> tuple[str, ...]:
        """The channel's own addresses, and those of the people who have to act."""
        if self._parts.people is None:
            return self._parts.to
        roles, named = frozenset(bulletin.roles), frozenset(bulletin.people)
        asked = [
            person.email
            for person in self._parts.people.everybody()
            if person.email and (person.id in named or not roles.isdisjoint(person.roles))
        ]
        return tuple(dict.fromkeys((*self._parts.to, *asked)))

    def _documents(self, bulletin: Bulletin) -> tuple[tuple[Attachment, ...], str]:
        """The reports, and a remark for each that cannot be made: it holds up no message."""
        found, remarks = [], ""
        for audit in bulletin.reports:
            try:
                document = self._parts.audits.report(audit)
            except StorewardenError as error:
                remarks += f"\n{audit}: {error}"
                continue
            if document is not None:
                found.append(document)
        return tuple(found), remarks

    def _failed(self, delivery: Delivery, error: AdapterError) -> datetime | None:
        at = self._parts.clock.now()
        failure = Failure(text=str(error), retryable=error.retryable, retry_after=error.retry_after)
        retry_at = next_try(failure, delivery.attempts + 1, at, self._parts.backoff)
        if retry_at is None:
            self._tell_parked(delivery, failure.text, at)
        self._parts.outbox.failed(delivery, failure.text, retry_at)
        return retry_at

    def _blocked(self, delivery: Delivery, error: StorewardenError) -> datetime | None:
        """It is our own side that lacks something: nothing is parked, and people are told."""
        at = self._parts.clock.now()
        failure = Failure(text=str(error), retryable=True)
        retry_at = next_try(failure, _HOPELESS, at, self._parts.backoff)
        run, step = f"delivery {self.channel}", f"blocked {stamp(at)[:10]}"
        if self._parts.ledger.entry(run, step) is None:
            body = {"channel": self.channel, "error": failure.text}
            self._parts.ledger.append(BLOCKED, body, run=run, step=step)
        self._parts.outbox.failed(delivery, failure.text, retry_at)
        return retry_at

    def _tell_parked(self, delivery: Delivery, error: str, at: datetime) -> None:
        """Other channels tell of it."""
        body = {
            "channel": delivery.channel,
            "subject": "",
            "after": delivery.through,
            "error": error,
        }
        run = f"delivery {delivery.channel}"
        self._parts.ledger.append(PARKED, body, run=run, step=f"parked {stamp(at)}")


@dataclass(slots=True)
class _Held:
    """Entries this channel hears that were not sent yet; ``through`` is the last one looked at."""

    through: int = 0
    entries: list[JournalEntry] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.entries) >= _MOST

    def take(self, entry: JournalEntry, heard: bool) -> bool:
        """Note that it was looked at, and keep it when it is heard; whether that was the last."""
        self.through = entry.sequence
        if heard:
            self.entries.append(entry)
        return self.full

    def behind(self, cursor: int) -> _Held:
        """Without what arrived."""
        left = [entry for entry in self.entries if entry.sequence > cursor]
        return _Held(max(self.through, cursor), left)


def _event(entry: JournalEntry) -> Event:
    return Event(
        sequence=entry.sequence,
        at=entry.at,
        kind=entry.kind,
        run=entry.run,
        step=entry.step,
        body=entry.body,
    )
