# SPDX-License-Identifier: GPL-3.0-or-later
"""One request of a sender, from its bytes to the ledger.

The sender is answered only after everything it brought lies in the ledger. When that cannot be, it
has to come again, so it is told that it is our fault: senders repeat after a 5xx, and drop what
was refused.

Of more than 500 alerts the first 500 are kept, those that fire before those that are over. The rest
counts as left out by the sender, as if it had truncated the group itself: a refusal would lose them
all. What was left out is asked for at once, where the source can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from storewarden.domain.errors import AdapterError, Refused
from storewarden.domain.healing.alert import Delivery, Signal
from storewarden.flows.alert_poll import duty_name
from storewarden.ports.alerts import BACKLOG, MOST_ALERTS, AlertInbox, AlertReader, Received
from storewarden.ports.clock import Clock


class TooManyWait(AdapterError):
    """More alerts than can be decided about are waiting; come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a request brought, and what became of it."""

    delivery: Delivery
    received: Received


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeParts:
    """``readers`` by source; ``polled`` are the sources that can be asked; ``wake`` lets a duty
    tick now; ``decides`` is the duty that decides about alerts, "" where nobody does."""

    readers: Mapping[str, AlertReader]
    inbox: AlertInbox
    clock: Clock
    polled: Collection[str] = ()
    wake: Callable[[str], None] = lambda _duty: None
    decides: str = ""
    backlog: int = BACKLOG


class AlertIntake:
    """Takes requests; used by many threads at once."""

    def __init__(self, parts: IntakeParts) -> None:
        self._parts = parts

    def read(self, source: str, body: bytes) -> Delivery:
        """What a request would bring. Raises AlertsMalformed, and Refused for no such source."""
        parts = self._parts
        if source not in parts.readers:
            raise Refused("no such source of alerts", where=source)
        return _first(parts.readers[source].read(source, body, parts.clock.now()))

    def take(self, source: str, body: bytes) -> Taken:
        """Read and keep it. Raises AlertsMalformed for the body, TooManyWait when it cannot be
        kept now, LedgerConflict and AdapterError as the ledger does."""
        parts, now = self._parts, self._parts.clock.now()
        delivery = self.read(source, body)
        # What is over makes room: it is taken however many wait.
        firing = any(alert.signal is Signal.FIRING for alert in delivery.alerts)
        if firing and (waiting := parts.inbox.backlog()) > parts.backlog:
            raise TooManyWait(
                f"{waiting} alerts wait for a decision", hint="come again", retryable=True
            )
        received = parts.inbox.receive(delivery, now)
        if parts.decides and (received.new or received.resolved):
            parts.wake(parts.decides)
        if delivery.missing and source in parts.polled:
            parts.wake(duty_name(source))
        return Taken(delivery=delivery, received=received)


def _first(delivery: Delivery) -> Delivery:
    over = len(delivery.alerts) - MOST_ALERTS
    if over <= 0:
        return delivery
    ordered = sorted(delivery.alerts, key=lambda alert: alert.signal is not Signal.FIRING)
    kept = tuple(ordered[:MOST_ALERTS])
    return replace(delivery, alerts=kept, missing=delivery.missing + over)
