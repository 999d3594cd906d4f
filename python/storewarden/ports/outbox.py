# SPDX-License-Identifier: GPL-3.0-or-later
"""What still has to reach other systems.

The journal itself is the outbox: a delivery is a cursor into it, per channel and
subject. Nothing has to be copied to be sent, so nothing can be lost in between,
and the order within a subject is the journal's own.

Channels: ``ticket:<system>`` (subject = change number, its "change ..." entries in order, and
between them what ``ports.rollouts.TOLD`` tells of its rollouts; or the number of a drift ticket,
an incident or a problem)
and ``notify:<name>`` (subject = "", all entries of the journal in order). The word before
the colon decides which; there are no others.

A channel begins when it is subscribed, once and for all restarts. A ticket channel then
has a delivery for each change, drift ticket, incident and problem that is open, from its first
entry on, and gets one with each that is opened later; what had ended before is not mirrored. A
notify channel begins behind the newest entry: nobody wants years of old news.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from storewarden.ports.ledger import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How far one subject has got on one channel.

    ``through`` is the sequence of the last entry that arrived; ``attempts`` counts failures
    since; ``retry_at`` is when to try again (None: at once); ``parked`` says that the other
    side refused for good and a person has to look; ``receipt`` is what the other side gave
    us (a ticket id).
    """

    channel: str
    subject: str
    through: int = 0
    latest: int = 0
    attempts: int = 0
    retry_at: datetime | None = None
    error: str = ""
    parked: bool = False
    receipt: Mapping[str, str] = field(default_factory=dict)


TICKET = "ticket:"
"""What the names of channels with one subject per change begin with."""

NOTIFY = "notify:"
"""What the names of channels with all entries begin with."""


class Outbox(Protocol):
    """Cursors into the journal; they only move forward.

    Methods raise LedgerConflict and AdapterError like the ledger, ConfigInvalid for a
    channel that was not subscribed or a subject that it does not have.
    """

    def subscribe(self, channel: str) -> None:
        """Begin a channel; one that is there stays as it is. Call it at every start.

        Raises ConfigInvalid for a name that begins neither with "ticket:" nor "notify:".
        """
        ...

    def unsubscribe(self, channel: str) -> None:
        """End a channel and forget its deliveries; subscribed again, it begins anew."""
        ...

    def channels(self) -> tuple[str, ...]:
        """The names of all that are subscribed."""
        ...

    def due(self, channel: str, now: datetime, *, limit: int = 100) -> tuple[Delivery, ...]:
        """Subjects with entries that have not arrived, not parked, ``retry_at`` reached; those
        that failed least often first, so that one that always fails holds up nobody; of these
        incidents before everything else, because a store waits for them; problems and changes
        before drift tickets, because people wait for them and an audit of a neglected fleet opens
        thousands of the others; and of these the longest waiting.

        A ``retry_at`` beyond ``domain.outbox.delivery.EVER_WAITED`` counts as reached: the clock
        was put back.
        """
        ...

    def entries(self, delivery: Delivery, *, limit: int = 100) -> tuple[JournalEntry, ...]:
        """The next entries of a delivery, in order."""
        ...

    def arrived(
        self, delivery: Delivery, sequence: int, receipt: Mapping[str, str] | None = None
    ) -> Delivery:
        """Everything up to ``sequence`` arrived; resets the failures. Never moves backwards.

        ``receipt`` is added to what was kept; with the sequence of ``through`` it alone is
        stored. The delivery that is returned is as it is now stored.
        """
        ...

    def failed(self, delivery: Delivery, error: str, retry_at: datetime | None) -> Delivery:
        """It did not; ``retry_at`` None parks it."""
        ...

    def release(self, channel: str, subject: str, *, by: str, skip: bool = False) -> Delivery:
        """Try a parked delivery again, or leave out the entry at which it stopped.

        Either is noted in the journal ("delivery released", "delivery skipped") with ``by``,
        who asked for it.
        """
        ...

    def deliveries(self, channel: str = "") -> tuple[Delivery, ...]:
        """All of a channel (of all channels), for people who look."""
        ...

    def next_due(self, channel: str) -> datetime | None:
        """When the earliest waiting retry of the channel comes; None when nothing waits."""
        ...
