# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts in memory: an inbox that can be full or away, and a monitoring system that a test writes.

``MemoryInbox`` keeps the promises of ``conformance_alerts``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.ports.alerts import Received

_LATE = timedelta(minutes=2)


@dataclass(slots=True, kw_only=True)
class KeptAlert:
    """One occurrence: the first word that was heard of it, how often it came, when it ended."""

    alert: Alert
    seen: int = 1
    resolved_at: datetime | None = None
    decided: bool = False


class MemoryInbox:
    """An AlertInbox. ``trouble`` is raised by every ``receive`` while it is set; ``extra`` counts
    as waiting besides what waits; ``deliveries`` is what came, in order."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptAlert] = {}
        self.deliveries: list[Delivery] = []
        self.trouble: Exception | None = None
        self.extra = 0
        self._lock = threading.Lock()

    def receive(self, delivery: Delivery, now: datetime) -> Received:
        """Keep it."""
        with self._lock:
            if self.trouble is not None:
                raise self.trouble
            self.deliveries.append(delivery)
            alerts = _once(delivery.alerts)
            known = [key for key in alerts if key in self.kept]
            for key in known:
                self.kept[key].seen += 1
            over = [key for key in known if self._ends(key, alerts[key], now)]
            again = [
                key
                for key in known
                if self._fires_again(key, alerts[key], now, polled=delivery.polled)
            ]
            new = [key for key, alert in alerts.items() if self._begins(key, alert, now)]
            new += again
            return Received(new=tuple(new), repeated=len(known), resolved=tuple(over))

    def backlog(self) -> int:
        """Those that were not ``decide``d."""
        with self._lock:
            return self.extra + sum(not each.decided for each in self.kept.values())

    def firing(self, source: str) -> tuple[Alert, ...]:
        """Those that are not over."""
        with self._lock:
            return tuple(
                each.alert
                for each in self.kept.values()
                if each.alert.source == source and each.resolved_at is None
            )

    def decide(self, keys: Iterable[str]) -> None:
        """They wait no more."""
        with self._lock:
            for key in keys:
                self.kept[key].decided = True

    def _ends(self, key: str, alert: Alert, now: datetime) -> bool:
        there = self.kept[key]
        if alert.signal is not Signal.RESOLVED or there.resolved_at is not None:
            return False
        there.resolved_at = now
        return True

    def _fires_again(self, key: str, alert: Alert, now: datetime, *, polled: bool) -> bool:
        there = self.kept[key]
        ended = there.resolved_at
        late = ended is not None and (alert.once or now - ended < _LATE)
        if alert.signal is not Signal.FIRING or ended is None or (late and not polled):
            return False
        there.resolved_at, there.decided = None, False
        return True

    def _begins(self, key: str, alert: Alert, now: datetime) -> bool:
        if key in self.kept or alert.signal is Signal.NOTED:
            return False
        over = alert.signal is Signal.RESOLVED
        self.kept[key] = KeptAlert(alert=alert, resolved_at=now if over else None)
        return True


def _once(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """Of several words about one occurrence in one request "it is over" counts."""
    found: dict[str, Alert] = {}
    for alert in alerts:
        if alert.key not in found or alert.signal is Signal.RESOLVED:
            found[alert.key] = alert
    return found


@dataclass(slots=True, kw_only=True)
class MemorySource:
    """An AlertSource; ``alerts`` is what it knows now, ``trouble`` is raised while it is set."""

    name: str
    alerts: list[Alert] = field(default_factory=list)
    trouble: Exception | None = None
    asked: int = 0

    def firing(self, now: datetime) -> Delivery:  # noqa: ARG002 - the port
        """What a test has put there."""
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        alerts = tuple(replace(alert, source=self.name) for alert in self.alerts)
        return Delivery(source=self.name, alerts=alerts)
