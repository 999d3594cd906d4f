# SPDX-License-Identifier: GPL-3.0-or-later
"""The outbox of a ledger: channels are journaled, cursors are not.

A cursor says what another system has; it moves with every delivery, and an
entry for each would have to be delivered, too. What may be lost with a cursor is
only the knowledge that something had arrived, and senders are idempotent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from storewarden.adapters.ledger import cursors, journal
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.clock import Clock
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.outbox import NOTIFY, TICKET, Delivery

SUBSCRIBED = "channel subscribed"
UNSUBSCRIBED = "channel unsubscribed"
SKIPPED = "delivery skipped"
RELEASED = "delivery released"


class SqlOutbox:
    """The outbox of a ledger; ``SqlLedger.outbox``."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    def subscribe(self, channel: str) -> None:
        """Begin a channel; one that is there stays as it is."""
        _require_name(channel)
        if channel in self.channels():
            return
        with self._transactions.writing() as connection:
            journal.lock(connection)
            if channel not in cursors.channels(connection):
                entry = self._note(connection, SUBSCRIBED, channel, {"channel": channel})
                cursors.begin_channel(connection, channel, entry.sequence)

    def unsubscribe(self, channel: str) -> None:
        """End a channel and forget its deliveries; subscribed again, it begins anew."""
        with self._transactions.writing() as connection:
            journal.lock(connection)
            if channel in cursors.channels(connection):
                self._note(connection, UNSUBSCRIBED, channel, {"channel": channel})
                cursors.end_channel(connection, channel)

    def channels(self) -> tuple[str, ...]:
        """The names of all that are subscribed."""
        with self._transactions.reading() as connection:
            return cursors.channels(connection)

    def due(self, channel: str, now: datetime, *, limit: int = 100) -> tuple[Delivery, ...]:
        """Subjects with entries that have not arrived and may be tried."""
        with self._transactions.reading() as connection:
            return tuple(cursors.due(connection, channel, now, limit))

    def entries(self, delivery: Delivery, *, limit: int = 100) -> tuple[JournalEntry, ...]:
        """The next entries of a delivery, in order."""
        subject, after = delivery.subject, delivery.through
        with self._transactions.reading() as connection:
            if subject == cursors.ALL:
                return tuple(journal.page(connection, after, limit))
            return tuple(cursors.entries_of(connection, subject, after, limit))

    def arrived(
        self, delivery: Delivery, sequence: int, receipt: Mapping[str, str] | None = None
    ) -> Delivery:
        """Everything up to ``sequence`` arrived; resets the failures."""
        with self._transactions.writing() as connection:
            channel, subject = delivery.channel, delivery.subject
            return cursors.arrived(connection, channel, subject, sequence, receipt or {})

    def failed(self, delivery: Delivery, error: str, retry_at: datetime | None) -> Delivery:
        """It did not; ``retry_at`` None parks it."""
        with self._transactions.writing() as connection:
            channel, subject = delivery.channel, delivery.subject
            return cursors.failed(connection, channel, subject, error, retry_at)

    def release(self, channel: str, subject: str, *, by: str, skip: bool = False) -> Delivery:
        """Try a parked delivery again, or leave out the entry at which it stopped."""
        body: dict[str, object] = {"channel": channel, "subject": subject, "by": by}
        with self._transactions.writing() as connection:
            journal.lock(connection)
            if not skip:
                delivery, error = cursors.release(connection, channel, subject)
                self._note(connection, RELEASED, channel, {**body, "error": error})
                return delivery
            delivery, entry = cursors.skip(connection, channel, subject)
            if entry:
                self._note(connection, SKIPPED, channel, {**body, "entry": entry})
            return delivery

    def deliveries(self, channel: str = "") -> tuple[Delivery, ...]:
        """All of a channel (of all channels), for people who look."""
        with self._transactions.reading() as connection:
            return tuple(cursors.everything(connection, channel))

    def next_due(self, channel: str) -> datetime | None:
        """When the earliest waiting retry of the channel comes; None when nothing waits."""
        with self._transactions.reading() as connection:
            return cursors.next_due(connection, channel)

    def _note(
        self, connection: Connection, kind: str, channel: str, body: Mapping[str, object]
    ) -> JournalEntry:
        step = f"{kind} after entry {journal.head(connection).sequence}"
        at = stamp(self._clock.now())
        note = journal.Note(at=at, kind=kind, run=f"channel {channel}", step=step, body=body)
        return journal.append(connection, note).entry


def _require_name(channel: str) -> None:
    if not any(channel.startswith(word) and channel != word for word in (TICKET, NOTIFY)):
        raise ConfigInvalid(
            f"{channel!r} is no channel",
            where="outbox",
            hint=f'names begin with "{TICKET}" or "{NOTIFY}"',
        )
