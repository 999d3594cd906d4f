# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an alert still fires, asked of the system that sent it, or of its own expression.

Asked before a repair (the alert may be over by now) and after it (the host's own word is not
enough). One question to a source answers for all its alerts, and holds for a few seconds. A source
that cannot be asked says nothing; one that does not answer is not quiet. Where the expression can
be asked, it is: its answer is of this moment, a sender's is minutes old.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.errors import StorewardenError
from storewarden.domain.healing.action import HealAction, VerifyBy
from storewarden.domain.healing.alert import Alert, Signal
from storewarden.domain.healing.record import Occurrence
from storewarden.domain.healing.rule import Rule
from storewarden.domain.healing.world import Recheck
from storewarden.ports.alerts import AlertCheck, AlertSource
from storewarden.ports.clock import Clock

type VerifiedBy = Callable[[str, str], VerifyBy]
"""Names of a rule and an action -> what says that a host is well again."""


def verified_by(rules: Iterable[Rule], actions: Mapping[str, HealAction]) -> VerifiedBy:
    """The rule's word, else the action's."""
    wishes = {rule.name: rule.verify for rule in rules}

    def asked(rule: str, action: str) -> VerifyBy:
        known = actions.get(action)
        usual = known.verify if known is not None else VerifyBy.ALERT
        return wishes.get(rule) or usual

    return asked


def by_alert(_rule: str, _action: str) -> VerifyBy:
    """Every host by its alert."""
    return VerifyBy.ALERT


_HOLDS = timedelta(seconds=5)
"""How long one answer of a source counts: many alerts are looked at in one tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a source said at ``at``: keys and fingerprints of what fires, and of what is silenced
    or inhibited there. None of both when it did not answer."""

    at: datetime
    firing: frozenset[str] | None = None
    quieted: frozenset[str] = frozenset()

    def holds(self, mark: str) -> bool | None:
        """Whether an alert fires; None for one that is silenced, and when there is no answer."""
        if self.firing is None or mark in self.quieted:
            return None
        return mark in self.firing

    def recheck(self, mark: str) -> Recheck:
        """The same before a repair."""
        if self.firing is None:
            return Recheck.SILENT
        if mark in self.quieted:
            return Recheck.NOTED
        return Recheck.FIRING if mark in self.firing else Recheck.QUIET


class SourceCheck:
    """``ports.alerts.AlertCheck`` over the sources that can be asked, by name."""

    def __init__(
        self,
        sources: Mapping[str, AlertSource],
        clock: Clock,
        expressions: Mapping[str, AlertCheck] | None = None,
        *,
        holds: timedelta = _HOLDS,
    ) -> None:
        """``expressions`` ask an alert's own expression, by the name of its source; ``holds`` is
        how long an answer of a source counts, less than from one look to the next."""
        self._holds = holds
        self._sources = sources
        self._expressions = expressions or {}
        self._clock = clock
        self._known: dict[str, _Answer] = {}
        self._mutex = threading.Lock()

    def holds(self, alert: Alert, hosts: tuple[str, ...]) -> Mapping[str, bool | None]:
        """Per host: True while it fires, False when it is quiet, None when nobody can tell.

        An alert that began anew since is the same fault: it is known by its fingerprint.
        """
        asked = self._expressions.get(alert.source)
        told = asked.holds(alert, hosts) if asked is not None else {}
        if any(each is not None for each in told.values()):
            return told
        answer = self._answer(alert.source, self._clock.now() - self._holds)
        found = None if answer is None else answer.holds(alert.fingerprint)
        return dict.fromkeys(hosts, found)

    def rechecks(self, occurrences: Iterable[Occurrence]) -> dict[str, Recheck]:
        """What their senders say of these now; those that nobody can be asked about are left
        out. An answer from before an alert came says nothing of it."""
        asked: dict[str, list[Occurrence]] = {}
        for each in occurrences:
            asked.setdefault(each.alert.source, []).append(each)
        found: dict[str, Recheck] = {}
        for source, some in asked.items():
            newest = max(each.received_at for each in some)
            answer = self._answer(source, max(newest, self._clock.now() - self._holds))
            if answer is not None:
                found |= {each.key: answer.recheck(each.key) for each in some}
        return found

    def _answer(self, source: str, since: datetime) -> _Answer | None:
        """An answer that is not older than ``since``; None when the source cannot be asked."""
        if source not in self._sources:
            return None
        with self._mutex:
            known = self._known.get(source)
            if known is None or known.at < since:
                known = self._asked(source)
                self._known[source] = known
            return known

    def _asked(self, source: str) -> _Answer:
        now = self._clock.now()
        try:
            alerts = self._sources[source].firing(now).alerts
        except StorewardenError:
            return _Answer(at=now)
        return _Answer(
            at=now,
            firing=_marks(each for each in alerts if each.signal is Signal.FIRING),
            quieted=_marks(each for each in alerts if each.signal is Signal.NOTED),
        )


def _marks(alerts: Iterable[Alert]) -> frozenset[str]:
    """What each of them is known by: the occurrence, and the alert itself."""
    return frozenset(mark for each in alerts for mark in (each.key, each.fingerprint))
