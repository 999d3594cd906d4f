# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an alert still fires, asked of the system that sent it.

Asked before a repair (the alert may be over by now) and after it (the host's own word is not
enough). One question to a source answers for all its alerts, and holds for a few seconds. A source
that cannot be asked says nothing; one that does not answer is not quiet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from storewarden.domain.errors import StorewardenError
from storewarden.domain.healing.alert import Alert
from storewarden.domain.healing.record import Occurrence
from storewarden.domain.healing.world import Recheck
from storewarden.ports.alerts import AlertSource
from storewarden.ports.clock import Clock

_HOLDS = timedelta(seconds=5)
"""How long one answer of a source counts: many alerts are looked at in one tick."""


class SourceCheck:
    """``ports.alerts.AlertCheck`` over the sources that can be asked, by name."""

    def __init__(self, sources: Mapping[str, AlertSource], clock: Clock) -> None:
        self._sources = sources
        self._clock = clock
        self._known: dict[str, tuple[datetime, frozenset[str] | None]] = {}
        self._mutex = threading.Lock()

    def holds(self, alert: Alert, hosts: tuple[str, ...]) -> Mapping[str, bool | None]:
        """Per host: True while it fires, False when it is quiet, None when nobody can tell."""
        firing = self._firing(alert.source)
        answer = None if firing is None else alert.key in firing
        return dict.fromkeys(hosts, answer)

    def rechecks(self, occurrences: Iterable[Occurrence]) -> dict[str, Recheck]:
        """What their senders say of these now; those that nobody can be asked about are left
        out."""
        found: dict[str, Recheck] = {}
        for each in occurrences:
            if each.alert.source not in self._sources:
                continue
            firing = self._firing(each.alert.source)
            if firing is None:
                found[each.key] = Recheck.SILENT
            else:
                found[each.key] = Recheck.FIRING if each.key in firing else Recheck.QUIET
        return found

    def _firing(self, source: str) -> frozenset[str] | None:
        """The keys of what fires there; None when it cannot be asked, or does not answer."""
        if source not in self._sources:
            return None
        with self._mutex:
            now = self._clock.now()
            known = self._known.get(source)
            if known is None or not timedelta(0) <= now - known[0] < _HOLDS:
                known = (now, self._asked(source, now))
                self._known[source] = known
            return known[1]

    def _asked(self, source: str, now: datetime) -> frozenset[str] | None:
        try:
            delivery = self._sources[source].firing(now)
        except StorewardenError:
            return None
        return frozenset(alert.key for alert in delivery.alerts)
