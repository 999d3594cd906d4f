# SPDX-License-Identifier: GPL-3.0-or-later
"""The ticket channel: each change, drift ticket, incident and problem is a ticket, each of its
entries a note.

The journal is the truth and the cursor says how far it was copied, so an outage of the
ticket system delays nothing here and loses nothing there. What can go wrong, and the rule:

* the other side is away: the delivery waits, twice as long each time; after a few failures
  in a row the whole channel waits, because asking for every ticket in turn only harms;
* the other side refuses one note for good: that ticket is parked and people are told; all
  others go on. If it refuses everything (a withdrawn token), nothing is parked: the channel
  waits and says so, because no single ticket is to blame;
* we die after a note was written and before the cursor moved: the notes that are there are
  read (by their keys) before the first one is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.plain import entry_kind
from storewarden.domain.errors import AdapterError, LedgerConflict, StorewardenError
from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.domain.outbox.delivery import BackOff, Failure, next_try, still_waits
from storewarden.domain.outbox.delivery_words import BLOCKED
from storewarden.domain.outbox.ledger_words import PARKED
from storewarden.domain.outbox.notice import Event
from storewarden.domain.outbox.ticket import Voice, note_key
from storewarden.flows.mirror_subjects import Subject, Subjects
from storewarden.ports.changes import ChangeBook
from storewarden.ports.clock import Clock
from storewarden.ports.drift_tickets import DriftBook
from storewarden.ports.evidence import EvidenceStore
from storewarden.ports.incidents import IncidentBook
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry, Ledger
from storewarden.ports.outbox import Delivery, Outbox
from storewarden.ports.tickets import Attachment, TicketDraft, TicketNote, TicketSystem

_ENTRIES = 200  # per tick, so that a stop never waits for more than a few requests
_SUBJECTS = 5  # at a time: then it is asked anew, because a change may have come that goes first
_LONGEST = timedelta(minutes=1)  # of one round, however slowly the system answers
_REMEMBERED = 500
_HOPELESS = 40  # as good as so many failures: a person has to act, so there is no hurry
_IN_A_ROW = 3  # failures of different tickets, until it is the system that is away
_EVIDENCE_KIND = entry_kind(EventKind.EVIDENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorParts:
    """What mirroring needs. ``stopping`` is asked between two notes; ``promises`` is what incidents
    are held to, for their tickets."""

    system: TicketSystem
    outbox: Outbox
    book: ChangeBook
    drift: DriftBook
    ledger: Ledger
    evidence: EvidenceStore
    clock: Clock
    voice: Voice = field(default_factory=Voice)
    backoff: BackOff = field(default_factory=BackOff)
    stopping: Callable[[], bool] = lambda: False
    incidents: IncidentBook | None = None
    promises: IncidentPolicy = field(default_factory=IncidentPolicy)


class Mirror:
    """The duty of one ticket channel."""

    def __init__(self, parts: MirrorParts) -> None:
        self._parts = parts
        self._subjects = Subjects(
            book=parts.book,
            drift=parts.drift,
            clock=parts.clock,
            incidents=parts.incidents,
            policy=parts.promises,
        )
        self.name = f"mirror:{parts.system.name}"
        self.every = timedelta(seconds=30)
        self.channel = channel_of(parts.system.name)
        self._noted: dict[str, set[str]] = {}  # subject -> keys that are there, by their own word
        self._down = 0  # rounds in a row in which nothing got through
        self._rest_until: datetime | None = None

    def tick(self, now: datetime) -> datetime | None:
        """Pass on what is due; when to come again."""
        if still_waits(self._rest_until, now):
            return self._rest_until
        self._rest_until = None
        round_ = _Round(probing=self._down > 0, ends=now + _LONGEST)
        while found := self._parts.outbox.due(self.channel, now, limit=_SUBJECTS):
            for delivery in found:
                if not round_.goes_on or self._is_over(round_):
                    return self._after(round_, now)
                self._deliver(delivery, round_)
        return self._after(round_, now)

    def _after(self, round_: _Round, now: datetime) -> datetime | None:
        if round_.last_failure is not None and (round_.failures >= round_.limit or round_.blocked):
            self._down = 1 if round_.passed else self._down + 1
            attempts = _HOPELESS if round_.blocked else self._down
            at = self._parts.clock.now()
            again = replace(round_.last_failure, retryable=True)
            self._rest_until = next_try(again, attempts, at, self._parts.backoff)
            return self._rest_until
        if round_.passed:
            self._down = 0
        if self._parts.stopping():
            return None
        if self._parts.outbox.due(self.channel, self._parts.clock.now(), limit=1):
            return now
        return self._parts.outbox.next_due(self.channel)

    def _deliver(self, delivery: Delivery, round_: _Round) -> None:
        """As many entries of one subject as fit into the round."""
        holder = _Progress(delivery=delivery)
        try:
            self._pass_on(holder, round_)
        except _Refusal as refusal:
            self._failed(holder.delivery, refusal.error, round_)

    def _pass_on(self, progress: _Progress, round_: _Round) -> None:
        subject = self._subjects.find(progress.delivery.subject)
        if subject is None:
            raise _Refusal(
                AdapterError("there is no such change, drift ticket or incident in the ledger")
            )
        ticket = self._ticket(progress, subject)
        entries = self._parts.outbox.entries(progress.delivery, limit=round_.left)
        for entry in entries:
            if self._is_over(round_):
                return
            self._copy(ticket, subject, entry)
            progress.delivery = self._parts.outbox.arrived(progress.delivery, entry.sequence)
            round_.count()
        if not entries:  # nothing is due after all: never the same subject again and again
            round_.count()

    def _is_over(self, round_: _Round) -> bool:
        """Whether what is left has to wait for the next round, or the next controller."""
        return self._parts.stopping() or self._parts.clock.now() > round_.ends

    def _ticket(self, progress: _Progress, subject: Subject) -> str:
        """The id of the subject's ticket, opened when there is none; the ledger knows it then."""
        known = progress.delivery.receipt.get("ticket", "")
        if not known:
            words = subject.ticket(self._parts.voice)
            draft = TicketDraft(
                run_id=subject.number, title=words.title, body=words.body, fields=words.fields
            )
            with _foreign():
                opened = self._parts.system.open(draft)
            known = opened.id
            receipt = {"ticket": opened.id, "url": opened.url}
            through = progress.delivery.through
            progress.delivery = self._parts.outbox.arrived(progress.delivery, through, receipt)
        if subject.tickets.get(self._parts.system.name) != known:
            subject.remember(self._parts.system.name, known)
        return known

    def _copy(self, ticket: str, subject: Subject, entry: JournalEntry) -> None:
        """One entry: a note, and the end of the ticket when it is that."""
        event = _event(entry)
        if not subject.mirrored_by(event, self._parts.system.name):
            attachments, missing = self._attachments(entry)
            text = subject.note(event, entry.hash, self._parts.voice) + missing
            key = note_key(subject.number, entry.sequence, entry.hash)
            note = TicketNote(key=key, text=text, attachments=attachments)
            self._write(ticket, subject.number, note)
        if subject.ends(entry.kind):
            with _foreign():
                self._parts.system.close(ticket, subject.resolution(event, self._parts.voice))

    def _write(self, ticket: str, subject: str, note: TicketNote) -> None:
        if subject not in self._noted:  # first time in this process, or after a failure
            if len(self._noted) >= _REMEMBERED:
                self._noted.clear()
            with _foreign():
                self._noted[subject] = set(self._parts.system.noted(ticket))
        there = self._noted[subject]
        if note.key in there:
            return
        with _foreign():
            self._parts.system.note(ticket, note)
        there.add(note.key)

    def _attachments(self, entry: JournalEntry) -> tuple[tuple[Attachment, ...], str]:
        """The document an entry speaks of; a remark instead when it is gone or altered."""
        if entry.kind != _EVIDENCE_KIND:
            return (), ""
        body = {key: str(value) for key, value in entry.body.items()}
        try:
            content = self._parts.evidence.get(body["digest"])
        except LedgerConflict as error:
            return (), f"\n{error}"
        except AdapterError as error:  # a disk may come back; only this ticket waits for it
            late = AdapterError(error.what, where=error.where, hint=error.hint, retryable=True)
            raise _Refusal(late) from error
        document = Attachment(name=body["name"], media_type=body["media_type"], content=content)
        return (document,), ""

    def _failed(self, delivery: Delivery, error: AdapterError, round_: _Round) -> None:
        self._noted.pop(delivery.subject, None)
        at = self._parts.clock.now()
        failure = Failure(text=str(error), retryable=error.retryable, retry_after=error.retry_after)
        if not failure.retryable and not self._healthy(round_):
            if round_.blocked:
                self._tell_blocked(failure, at)
            failure = replace(failure, retryable=True)
        retry_at = next_try(failure, delivery.attempts + 1, at, self._parts.backoff)
        if retry_at is None:
            self._tell_parked(delivery, failure, at)
        else:
            round_.fail(failure)
        self._parts.outbox.failed(delivery, failure.text, retry_at)

    def _healthy(self, round_: _Round) -> bool:
        """Whether the system works for us at all, so that the refusal was about the entry."""
        try:
            with _foreign():
                self._parts.system.check()
        except _Refusal as refusal:
            round_.blocked = not refusal.error.retryable
            return False
        return True

    def _tell_parked(self, delivery: Delivery, failure: Failure, at: datetime) -> None:
        body = {
            "channel": delivery.channel,
            "subject": delivery.subject,
            "after": delivery.through,
            "error": failure.text,
        }
        run = f"delivery {delivery.channel} {delivery.subject}"
        self._parts.ledger.append(PARKED, body, run=run, step=f"parked {stamp(at)}")

    def _tell_blocked(self, failure: Failure, at: datetime) -> None:
        run, step = f"delivery {self.channel}", f"blocked {stamp(at)[:10]}"
        if self._parts.ledger.entry(run, step) is None:
            body = {"channel": self.channel, "error": failure.text}
            self._parts.ledger.append(BLOCKED, body, run=run, step=step)


def channel_of(system: str) -> str:
    """The outbox channel of a ticket system."""
    return f"ticket:{system}"


@dataclass(slots=True, kw_only=True)
class _Progress:
    """The delivery as it moves on, also for whoever catches the error."""

    delivery: Delivery


@dataclass(slots=True, kw_only=True)
class _Round:
    """What happened in one tick. After a round in which nothing passed (``probing``) one failure
    ends it; as soon as something passes, it takes several without a success between."""

    probing: bool
    ends: datetime
    passed: int = 0
    failures: int = 0
    blocked: bool = False
    last_failure: Failure | None = None

    @property
    def limit(self) -> int:
        return 1 if self.probing and not self.passed else _IN_A_ROW

    @property
    def goes_on(self) -> bool:
        return self.left > 0 and self.failures < self.limit and not self.blocked

    @property
    def left(self) -> int:
        return _ENTRIES - self.passed

    def count(self) -> None:
        self.passed += 1
        self.failures = 0

    def fail(self, failure: Failure) -> None:
        self.failures += 1
        self.last_failure = failure


class _Refusal(Exception):
    """The ticket system failed, or what we need to speak to it; errors of our own ledger are not
    its fault and pass by."""

    def __init__(self, error: AdapterError) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _foreign() -> Iterator[None]:
    """What is inside speaks to the ticket system."""
    try:
        yield
    except AdapterError as error:
        raise _Refusal(error) from error
    except StorewardenError as error:  # a secret that is gone, a template that does not fit
        raise _Refusal(AdapterError(error.what, where=error.where, hint=error.hint)) from error


def _event(entry: JournalEntry) -> Event:
    return Event(
        sequence=entry.sequence,
        at=entry.at,
        kind=entry.kind,
        run=entry.run,
        step=entry.step,
        body=entry.body,
    )
