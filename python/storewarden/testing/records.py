# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes and the outbox in memory, on the journal of a ``MemoryLedger``.

They keep the promises of the real ones (``conformance_changes`` and
``conformance_outbox`` say which), also among threads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import date, datetime
from threading import RLock
from typing import Protocol

from storewarden.domain.baseline.drift_ticket import DriftTicket, is_ticket
from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.machine import fold
from storewarden.domain.change.numbers import number_of, prefix_problem
from storewarden.domain.change.plain import body_of, entry_kind, event_of
from storewarden.domain.change.record import Change, State
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict
from storewarden.domain.outbox.delivery import still_waits
from storewarden.ports.changes import Amended
from storewarden.ports.journal import canonical
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.outbox import NOTIFY, TICKET, Delivery

_ABOUT_CHANGES = "change "
_ENDED = (State.REJECTED, State.CANCELLED, State.CLOSED)


_RESERVED = (
    "audit begun",
    "host recorded",
    "audit ended",
    "hosts counted",
    "anchor written",
    "channel subscribed",
    "channel unsubscribed",
    "records deleted",
    "ledger restored",
    "compliance month closed",
)


def require_free(kind: str) -> None:
    """Raise LedgerConflict for a kind that only the ledger itself may write."""
    if kind.startswith(("change ", "drift ticket ", "rollout ")) or kind in _RESERVED:
        what = f"entries of the kind {kind!r} are written by the ledger itself"
        raise LedgerConflict(what, where="journal")


class Writing(Protocol):
    """What the two parts need of a ledger: appending any kind, and reading by run."""

    lock: RLock

    def write(self, kind: str, body: Mapping[str, object], run: str, step: str) -> JournalEntry:
        """Append, also kinds that ``append`` refuses."""
        ...

    def entry(self, run: str, step: str) -> JournalEntry | None:
        """The entry of one step, if it is there."""
        ...

    def entries_of(self, run: str = "") -> list[JournalEntry]:
        """All entries, or those of one run, in order."""
        ...


class Subjects(Protocol):
    """What the outbox needs of drift tickets."""

    def tickets(self) -> tuple[DriftTicket, ...]:
        """All of them."""
        ...

    def history(self, number: str) -> tuple[JournalEntry, ...]:
        """The journal entries of one, in order."""
        ...


class Telling(Protocol):
    """What the outbox needs of rollouts."""

    def told(self, change: str) -> list[JournalEntry]:
        """What the ticket of a change is told of its rollouts."""
        ...


class MemoryChanges:
    """The change book without a database."""

    def __init__(self, ledger: Writing) -> None:
        self._ledger = ledger
        self._changes: dict[str, Change] = {}
        self._keys: dict[str, str] = {}
        self._last: dict[tuple[str, date], int] = {}

    def open_change(
        self, key: str, prefix: str, day: date, compose: Callable[[str], Decision]
    ) -> Amended:
        """Take the next number of ``day`` and record what ``compose`` makes of it."""
        _require_plain(key)
        if problem := prefix_problem(prefix):
            raise ConfigInvalid(problem, where="change numbers")
        with self._ledger.lock:
            if key in self._keys:
                return self._again(self._keys[key], key)
            sequence = self._last.get((prefix, day), 0) + 1
            number = number_of(prefix, day, sequence)
            decision = compose(number)
            change = self._record(None, number, key, decision)
            self._last[prefix, day], self._keys[key] = sequence, number
            self._changes[number] = change
            return Amended(change=change, decision=decision, new=True)

    def amend(self, number: str, key: str, decide: Callable[[Change], Decision]) -> Amended:
        """Decide under the lock and record the events; nobody else writes in between."""
        _require_plain(key)
        with self._ledger.lock:
            before = self._changes.get(number)
            if before is None:
                raise ConfigInvalid("there is no such change", where=number)
            if self._ledger.entry(number, key) is not None:
                return self._again(number, key)
            decision = decide(before)
            if not decision.events:
                return Amended(change=before, decision=decision, new=False)
            change = self._changes[number] = self._record(before, number, key, decision)
            return Amended(change=change, decision=decision, new=True)

    def change(self, number: str) -> Change | None:
        """One change, None when there is none."""
        return self._changes.get(number)

    def changes(
        self,
        *,
        states: Collection[State] = (),
        host: str = "",
        since: datetime | None = None,
        limit: int = 0,
    ) -> tuple[Change, ...]:
        """Changes, newest number first; in any of ``states``, touching ``host``, opened since."""
        with self._ledger.lock:
            newest = list(reversed(self._changes.values()))
        found = [
            change
            for change in newest
            if (not states or change.state in states)
            and (not host or host in change.hosts)
            and (since is None or change.opened_at >= since)
        ]
        return tuple(found[:limit] if limit else found)

    def history(self, number: str, *, after: int = 0) -> tuple[JournalEntry, ...]:
        """The journal entries of one change with a sequence above ``after``, in order."""
        mine = self._ledger.entries_of(number)
        return tuple(e for e in mine if e.sequence > after and e.kind.startswith(_ABOUT_CHANGES))

    def _record(self, before: Change | None, number: str, key: str, decision: Decision) -> Change:
        change, writes = before, []
        for count, event in enumerate(decision.events, 1):
            if event.number != number:
                raise LedgerConflict(f"an event of {event.number}", where=number)
            kind, body = entry_kind(event.kind), json.loads(canonical(body_of(event)))
            change = fold(change, event_of(number, kind, event.at, body))
            writes.append((kind, body, key if count == 1 else f"{key}#{count}"))
        if change is None:
            raise LedgerConflict("a change begins with an event", where=number)
        for kind, body, step in writes:  # nothing is written unless all of it can be
            self._ledger.write(kind, body, number, step)
        return change

    def _again(self, number: str, key: str) -> Amended:
        events, step, count = [], key, 1
        while (entry := self._ledger.entry(number, step)) is not None:
            events.append(event_of(number, entry.kind, entry.at, entry.body))
            count += 1
            step = f"{key}#{count}"
        refused = next((event for event in events if _says_no(event)), None)
        decision = Decision(events=tuple(events))
        if refused is not None:
            reason, hint = (str(refused.data.get(name, "")) for name in ("reason", "hint"))
            decision = replace(decision, refusal=reason, hint=hint)
        return Amended(change=self._changes[number], decision=decision, new=False)


class MemoryOutbox:
    """The outbox without a database."""

    def __init__(
        self, ledger: Writing, changes: MemoryChanges, drift: Subjects, rollouts: Telling
    ) -> None:
        """``drift`` are the other subjects of ticket channels; ``rollouts`` have more to tell of
        changes."""
        self._ledger = ledger
        self._changes = changes
        self._drift = drift
        self._rollouts = rollouts
        self._channels: dict[str, int] = {}
        self._stored: dict[tuple[str, str], Delivery] = {}
        self._mirrored: dict[str, set[str]] = {}

    def subscribe(self, channel: str) -> None:
        """Begin a channel; one that is there stays as it is."""
        if not any(channel.startswith(word) and channel != word for word in (TICKET, NOTIFY)):
            raise ConfigInvalid(f"{channel!r} is no channel", where="outbox")
        with self._ledger.lock:
            if channel in self._channels:
                return
            ended = {change.number for change in self._changes.changes(states=_ENDED)}
            ended |= {ticket.number for ticket in self._drift.tickets() if not ticket.open}
            entry = self._note("channel subscribed", channel, {"channel": channel})
            self._channels[channel] = entry.sequence
            self._mirrored[channel] = ended  # these are left out
            if channel.startswith(NOTIFY):
                new = Delivery(channel=channel, subject="", through=entry.sequence)
                self._stored[channel, ""] = new

    def unsubscribe(self, channel: str) -> None:
        """End a channel and forget its deliveries; subscribed again, it begins anew."""
        with self._ledger.lock:
            if self._channels.pop(channel, None) is None:
                return
            self._note("channel unsubscribed", channel, {"channel": channel})
            self._stored = {k: v for k, v in self._stored.items() if k[0] != channel}

    def channels(self) -> tuple[str, ...]:
        """The names of all that are subscribed."""
        return tuple(sorted(self._channels))

    def due(self, channel: str, now: datetime, *, limit: int = 100) -> tuple[Delivery, ...]:
        """Subjects with entries that have not arrived and may be tried."""
        found = [
            ((delivery.attempts, is_ticket(delivery.subject), waiting.sequence), delivery)
            for delivery in self.deliveries(channel)
            if not delivery.parked and not still_waits(delivery.retry_at, now)
            for waiting in self.entries(delivery, limit=1)
        ]
        found.sort(key=lambda pair: pair[0])
        return tuple(delivery for _, delivery in found[:limit])

    def entries(self, delivery: Delivery, *, limit: int = 100) -> tuple[JournalEntry, ...]:
        """The next entries of a delivery, in order."""
        later = [e for e in self._entries(delivery.subject) if e.sequence > delivery.through]
        return tuple(later[:limit])

    def arrived(
        self, delivery: Delivery, sequence: int, receipt: Mapping[str, str] | None = None
    ) -> Delivery:
        """Everything up to ``sequence`` arrived; resets the failures."""
        with self._ledger.lock:
            stored = self._delivery(delivery.channel, delivery.subject)
            if sequence > stored.latest:
                what = f"entry {sequence} cannot have arrived, the last one is {stored.latest}"
                raise LedgerConflict(what, where=f"{delivery.channel} {delivery.subject}")
            through = max(sequence, stored.through)
            kept = {**stored.receipt, **(receipt or {})}
            return self._store(replace(_fresh(stored), through=through, receipt=kept))

    def failed(self, delivery: Delivery, error: str, retry_at: datetime | None) -> Delivery:
        """It did not; ``retry_at`` None parks it."""
        with self._ledger.lock:
            stored = self._delivery(delivery.channel, delivery.subject)
            failed = replace(
                stored,
                attempts=stored.attempts + 1,
                error=" ".join(error.split())[:500],
                retry_at=retry_at,
                parked=retry_at is None,
            )
            return self._store(failed)

    def release(self, channel: str, subject: str, *, by: str, skip: bool = False) -> Delivery:
        """Try a parked delivery again, or leave out the entry at which it stopped."""
        body: dict[str, object] = {"channel": channel, "subject": subject, "by": by}
        with self._ledger.lock:
            before = self._delivery(channel, subject)
            stored = _fresh(before)
            waiting = self.entries(stored, limit=1)
            if not skip:
                self._store(stored)
                self._note("delivery released", channel, {**body, "error": before.error})
            elif waiting:
                entry = waiting[0].sequence
                self._store(replace(stored, through=entry))
                self._note("delivery skipped", channel, {**body, "entry": entry})
            return self._delivery(channel, subject)

    def deliveries(self, channel: str = "") -> tuple[Delivery, ...]:
        """All of a channel (of all channels), for people who look."""
        with self._ledger.lock:
            names = [name for name in sorted(self._channels) if channel in ("", name)]
            return tuple(
                self._delivery(name, subject) for name in names for subject in self._subjects(name)
            )

    def next_due(self, channel: str) -> datetime | None:
        """When the earliest waiting retry of the channel comes; None when nothing waits."""
        waiting = [
            delivery.retry_at
            for delivery in self.deliveries(channel)
            if delivery.retry_at is not None and self.entries(delivery, limit=1)
        ]
        return min(waiting, default=None)

    def _subjects(self, channel: str) -> list[str]:
        if channel.startswith(NOTIFY):
            return [""]
        left_out = self._mirrored[channel]
        numbers = [change.number for change in self._changes.changes()]
        numbers += [ticket.number for ticket in self._drift.tickets()]
        return sorted(number for number in numbers if number not in left_out)

    def _entries(self, subject: str) -> list[JournalEntry]:
        if is_ticket(subject):
            return list(self._drift.history(subject))
        if not subject:
            return self._ledger.entries_of()
        mine = [*self._changes.history(subject), *self._rollouts.told(subject)]
        return sorted(mine, key=lambda entry: entry.sequence)

    def _delivery(self, channel: str, subject: str) -> Delivery:
        if channel not in self._channels or subject not in self._subjects(channel):
            where = f"{channel} {subject}".strip()
            raise ConfigInvalid("there is no such delivery", where=where)
        new = Delivery(channel=channel, subject=subject)
        stored = self._stored.get((channel, subject), new)
        return replace(stored, latest=self._entries(subject)[-1].sequence)

    def _store(self, delivery: Delivery) -> Delivery:
        self._stored[delivery.channel, delivery.subject] = delivery
        return delivery

    def _note(self, kind: str, channel: str, body: Mapping[str, object]) -> JournalEntry:
        step = f"{kind} after entry {len(self._ledger.entries_of())}"
        return self._ledger.write(kind, body, f"channel {channel}", step)


def _fresh(delivery: Delivery) -> Delivery:
    return replace(delivery, attempts=0, retry_at=None, error="", parked=False)


def _says_no(event: ChangeEvent) -> bool:
    if event.kind is EventKind.REJECTED:
        return event.data.get("rule") is True
    return event.kind is EventKind.REFUSED


def _require_plain(key: str) -> None:
    if not key or re.search(r"#\d+$", key):
        raise AdapterError(f"the key {key!r} cannot be used", where="journal")
