# SPDX-License-Identifier: GPL-3.0-or-later
"""One request of a sender, from its bytes to the ledger.

The sender is answered only after everything it brought lies in the ledger. When that cannot be, it
has to come again, so it is told that it is our fault: senders repeat after a 5xx, and drop what
was refused.

Of more than 500 alerts all are kept, 500 at a time, those that fire before those that are over: a
refusal would lose them, now and at every repetition. What the sender itself left out is asked for
at once, where the source can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import batched

from storewarden.domain.errors import AdapterError, Refused
from storewarden.domain.healing.alert import Alert, Delivery, Signal
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
        return parts.readers[source].read(source, body, parts.clock.now())

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
        received = _joined(
            parts.inbox.receive(replace(delivery, alerts=some), now) for some in _slices(delivery)
        )
        if parts.decides and (received.new or received.resolved):
            parts.wake(parts.decides)
        if delivery.missing and source in parts.polled:
            parts.wake(duty_name(source))
        return Taken(delivery=delivery, received=received)


def _slices(delivery: Delivery) -> Iterator[tuple[Alert, ...]]:
    """At most 500 at a time: everybody else who writes waits for each of them."""
    if len(delivery.alerts) <= MOST_ALERTS:
        yield delivery.alerts
        return
    # What is said of one alert must not be turned round: the last word of each counts.
    said = {alert.key: alert for alert in delivery.alerts if alert.signal is not Signal.RESOLVED}
    said |= {alert.key: alert for alert in delivery.alerts if alert.signal is Signal.RESOLVED}
    yield from batched(
        sorted(said.values(), key=lambda alert: alert.signal is not Signal.FIRING), MOST_ALERTS
    )


def _joined(some: Iterable[Received]) -> Received:
    known = list(some)
    return Received(
        new=tuple(key for each in known for key in each.new),
        repeated=sum(each.repeated for each in known),
        resolved=tuple(key for each in known for key in each.resolved),
    )
