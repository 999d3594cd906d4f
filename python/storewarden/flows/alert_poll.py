# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking monitoring systems what fires, for what a webhook lost.

A webhook is a promise that somebody breaks: a receiver that was down for half a minute, a group
that was cut, a "resolved" that was never sent. So each source is asked every minute. What fires and
is not known is received as if it had been sent. What the ledger holds as firing and the source no
longer has is over, but not at once: an Alertmanager that was restarted knows nothing until
Prometheus has told it again, which takes up to a minute. What was called over and fires there is
not over: it is told anew.

While more alerts wait than can be decided about nothing new is taken; the next question finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.ports.alerts import BACKLOG, MOST_ALERTS, AlertInbox, AlertSource

EVERY = timedelta(seconds=60)  # reference: alert senders, "poller (60 s)"
GONE_AFTER = timedelta(minutes=3)
"""Missing from the source's answers for so long, an alert is over."""


def duty_name(source: str) -> str:
    """How the duty is called that asks ``source``."""
    return f"alerts:{source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PollParts:
    """What asking one source needs; ``decides`` lets what was found be decided about now."""

    source: AlertSource
    inbox: AlertInbox
    every: timedelta = EVERY
    gone_after: timedelta = GONE_AFTER
    backlog: int = BACKLOG
    decides: Callable[[], None] = lambda: None


class AlertPoll:
    """The duty that asks one source."""

    def __init__(self, parts: PollParts) -> None:
        self._parts = parts
        self.name = duty_name(parts.source.name)
        self.every = parts.every
        self._missed: dict[str, datetime] = {}  # key -> since when it is missing there

    def tick(self, now: datetime) -> datetime | None:
        """Ask once. Raises AdapterError and LedgerConflict; then nothing is taken for over."""
        parts = self._parts
        # Before the question: what arrives meanwhile is not missing from the answer.
        held = {alert.key: alert for alert in parts.inbox.firing(parts.source.name)}
        there = parts.source.firing(now)
        keys = {alert.key for alert in there.alerts}
        new = [
            alert
            for alert in there.alerts
            if alert.signal is Signal.FIRING and alert.key not in held
        ]
        if new and parts.inbox.backlog() <= parts.backlog:
            self._receive(new, now)
        missing = {key: alert for key, alert in held.items() if key not in keys}
        self._receive(self._over(missing, now), now)
        return None

    def _over(self, missing: Mapping[str, Alert], now: datetime) -> list[Alert]:
        """Those that have been missing long enough; the others are remembered."""
        self._missed = {key: min(self._missed.get(key, now), now) for key in missing}
        return [
            replace(alert, signal=Signal.RESOLVED, ends_at=now)
            for key, alert in missing.items()
            if now - self._missed[key] >= self._parts.gone_after
        ]

    def _receive(self, alerts: Sequence[Alert], now: datetime) -> None:
        for start in range(0, len(alerts), MOST_ALERTS):
            some = tuple(alerts[start : start + MOST_ALERTS])
            told = Delivery(source=self._parts.source.name, alerts=some, polled=True)
            received = self._parts.inbox.receive(told, now)
            if received.new or received.resolved:
                self._parts.decides()
