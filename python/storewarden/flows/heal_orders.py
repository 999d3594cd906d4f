# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's yes or no to a repair that waits for one.

Saying no, or taking it over, is open to everybody with a token: whoever sees harm must not have to
look for somebody first. A yes is for those whose roles approve changes. It counts as long as the
question did: what a person saw is what they agreed to, not what comes later.

An answer may get lost on its way, so the same word of the same person again is no second event and
no refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from storewarden.domain.change.people import Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.domain.healing.events import AlertEvent, Denied, Granted
from storewarden.domain.healing.record import Occurrence, Stage
from storewarden.flows.heal_incidents import IncidentFacts, calling
from storewarden.ports.clock import Clock
from storewarden.ports.healing import HealingBook, Numbers, Settled

BEGINNING = 8
"""Letters of a key that an answer has to give at least: a new alert might begin like a short one,
and be the one that is meant by nobody."""


class AlertOrders:
    """Answers of one person. ``wake`` lets alerts be decided about at once."""

    def __init__(
        self,
        book: HealingBook,
        rules: ApprovalRules,
        clock: Clock,
        person: Person,
        *,
        wake: Callable[[], None] = lambda: None,
        incidents: IncidentFacts | None = None,
    ) -> None:
        """``incidents``: what the incident of an alert says that a person takes over."""
        self._facts = incidents or IncidentFacts()
        self._book, self._rules = book, rules
        self._clock, self._person = clock, person
        self._wake = wake

    def approve(self, key: str) -> Occurrence:
        """Yes: it is decided again at once, and the question is no longer in the way.

        Raises ConfigInvalid when there is no such alert, Refused when nobody is asked about it or
        the person may not say yes.
        """
        roles = set(self._rules.approving)
        if not roles & set(self._person.roles):
            raise Refused(
                "only who approves changes may say yes to a repair",
                where=key[:12],
                hint=f"one of these roles: {', '.join(sorted(roles))}",
            )
        now = self._clock.now()

        def granted(there: Mapping[str, Occurrence], _numbers: Numbers) -> Settled:
            if _granted_by(there.get(key), self._person, now):
                return Settled()
            occurrence = _asked(there, key)
            until = occurrence.due
            if until is None or until <= now:
                raise Refused("the question has run out", where=key[:12])
            what = Granted(until=until, guards=_questions(occurrence))
            return _one(AlertEvent(key=key, at=now, what=what, by=self._person.id))

        self._book.amend((key,), granted)
        self._wake()
        return self._there(key)

    def deny(self, key: str, reason: str) -> Occurrence:
        """No, or "I do it myself": a person has it from now on. Raises as ``approve``."""
        now = self._clock.now()

        def denied(there: Mapping[str, Occurrence], _numbers: Numbers) -> Settled:
            occurrence = there.get(key)
            if occurrence is None or occurrence.stage not in _OPEN:
                if self._denied(key):
                    return Settled()
                raise Refused("nothing is to be decided about it any more", where=key[:12])
            return _one(AlertEvent(key=key, at=now, what=Denied(reason=reason), by=self._person.id))

        self._book.amend((key,), calling(denied, self._facts))
        self._wake()
        return self._there(key)

    def _denied(self, key: str) -> bool:
        """Whether the last that happened to it is this person's no."""
        last = self._book.history(key)[-1:]
        return any(each.kind == _DENIED and each.body.get("by") == self._person.id for each in last)

    def _there(self, key: str) -> Occurrence:
        found = self._book.occurrence(key)
        if found is None:
            raise ConfigInvalid("there is no such alert", where=key[:12])
        return found


_OPEN = (Stage.RECEIVED, Stage.WAITING, Stage.ASKING)
_DENIED = "alert denied"


def answered(book: HealingBook, text: str) -> Occurrence:
    """The alert that somebody answers about. Raises ConfigInvalid as ``named``, and for a key of
    which too little is given."""
    if len(text) < BEGINNING:
        raise ConfigInvalid(
            f"too little of a key: at least {BEGINNING} letters of it",
            where=text,
            hint="storewarden heal history shows twelve",
        )
    return named(book, text)


def named(book: HealingBook, text: str) -> Occurrence:
    """The alert whose key begins so. Raises ConfigInvalid for none, and for several."""
    found = book.occurrence(text)
    if found is None:
        raise ConfigInvalid(
            "there is no such alert, or several begin so",
            where=text[:64],
            hint="storewarden heal history shows them",
        )
    return found


def _granted_by(occurrence: Occurrence | None, person: Person, now: datetime) -> bool:
    """Whether the person has said yes to what is asked, or was asked last."""
    if occurrence is None or occurrence.granted != person.id:
        return False
    until = occurrence.granted_until
    return occurrence.stage is not Stage.ASKING or (until is not None and now < until)


def _asked(there: Mapping[str, Occurrence], key: str) -> Occurrence:
    occurrence = there.get(key)
    if occurrence is None or occurrence.stage is not Stage.ASKING:
        raise Refused("nobody is asked about it", where=key[:12])
    return occurrence


def _questions(occurrence: Occurrence) -> tuple[str, ...]:
    """The guards whose reasons stood before the person who answers."""
    reasons = occurrence.decision.reasons if occurrence.decision is not None else ()
    return tuple(dict.fromkeys(each.guard for each in reasons))


def _one(event: AlertEvent) -> Settled:
    return Settled(events=(event,))
