# SPDX-License-Identifier: GPL-3.0-or-later
"""The notification channels: what people have to know, collected so that a storm is one message.

What to say and when is decided in ``domain.outbox``; here the journal is read, the message
sent and the cursor moved. A message that was taken just before we died is sent again: told
twice is better than not told. Documents (an audit's report) go along where the channel takes
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storewarden.domain.change.approvals import missing
from storewarden.domain.change.record import Change
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import AdapterError
from storewarden.domain.outbox.bulletin import Bulletin
from storewarden.domain.outbox.delivery import BackOff, Failure, next_try
from storewarden.domain.outbox.digest import ChannelRules, Plan, plan_messages
from storewarden.domain.outbox.ledger_words import PARKED
from storewarden.domain.outbox.notice import AuditFacts, Context, Event, Notice
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
_MOST = 2000  # entries looked at for one message; a storm of more is several
_SENT = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStory:
    """What telling of an audit takes: how it came out, and its report as a document."""

    facts: Callable[[str], AuditFacts | None]
    report: Callable[[str], Attachment | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TellParts:
    """What telling on one channel needs."""

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
    backoff: BackOff = field(default_factory=BackOff)


class Telling:
    """The duty of one notification channel."""

    def __init__(self, parts: TellParts) -> None:
        self._parts = parts
        self.name = f"tell:{parts.rules.name}"
        self.every = timedelta(minutes=1)
        self.channel = f"{NOTIFY}{parts.rules.name}"
        self._audits: dict[str, AuditFacts | None] = {}

    def tick(self, now: datetime) -> datetime | None:
        """Send what is due; when to come again."""
        for delivery in self._parts.outbox.due(self.channel, now, limit=1):
            return self._serve(delivery, now)
        return self._parts.outbox.next_due(self.channel)

    def _serve(self, delivery: Delivery, now: datetime) -> datetime | None:
        entries = self._entries(delivery)
        if not entries:
            return None
        plan = self._plan(entries, delivery, now)
        if plan.bulletin is not None:
            try:
                self._parts.sender.send(self._message(plan.bulletin))
            except AdapterError as error:
                return self._failed(delivery, error)
            receipt = {_SENT: stamp(self._parts.clock.now())}
            self._parts.outbox.arrived(delivery, plan.through, receipt)
            return now  # perhaps there is more
        if plan.through > delivery.through:
            self._parts.outbox.arrived(delivery, plan.through)
        return plan.wait_until

    def _plan(self, entries: Sequence[JournalEntry], delivery: Delivery, now: datetime) -> Plan:
        sent = delivery.receipt.get(_SENT, "")
        return plan_messages(
            self._notices(entries, now),
            self._parts.rules,
            through=entries[-1].sequence,
            last_sent=moment(sent) if sent else None,
            now=now,
        )

    def _entries(self, delivery: Delivery) -> tuple[JournalEntry, ...]:
        return self._parts.outbox.entries(delivery, limit=_MOST)

    def _notices(self, entries: Iterable[JournalEntry], now: datetime) -> tuple[Notice, ...]:
        known: dict[str, Change | None] = {}  # many entries, few changes
        found = (notice_of(_event(entry), self._context(entry, known, now)) for entry in entries)
        return tuple(notice for notice in found if notice is not None)

    def _context(
        self, entry: JournalEntry, known: dict[str, Change | None], now: datetime
    ) -> Context:
        """What the entry alone does not tell, as it is now."""
        zone = self._parts.rules.zone
        if needs_audit(entry.kind):
            return Context(audit=self._facts(entry.run), zone=zone)
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
        return Message(
            title=bulletin.title,
            text=bulletin.text,
            urgent=bulletin.urgent,
            to=self._addresses(bulletin),
            attachments=self._documents(bulletin),
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

    def _documents(self, bulletin: Bulletin) -> tuple[Attachment, ...]:
        found = (self._parts.audits.report(audit) for audit in bulletin.reports)
        return tuple(document for document in found if document is not None)

    def _failed(self, delivery: Delivery, error: AdapterError) -> datetime | None:
        at = self._parts.clock.now()
        failure = Failure(text=str(error), retryable=error.retryable, retry_after=error.retry_after)
        retry_at = next_try(failure, delivery.attempts + 1, at, self._parts.backoff)
        if retry_at is None:
            self._tell_parked(delivery, failure.text, at)
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


def _event(entry: JournalEntry) -> Event:
    return Event(
        sequence=entry.sequence,
        at=entry.at,
        kind=entry.kind,
        run=entry.run,
        step=entry.step,
        body=entry.body,
    )
