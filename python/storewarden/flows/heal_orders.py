# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's yes or no to a repair that waits for one.

Saying no, or taking it over, is open to everybody with a token: whoever sees harm must not have to
look for somebody first. A yes is for those whose roles approve changes. It counts as long as the
question did: what a person saw is what they agreed to, not what comes later.
"""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.change.people import Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.domain.healing.events import AlertEvent, Denied, Granted
from storewarden.domain.healing.record import Occurrence, Stage
from storewarden.ports.clock import Clock
from storewarden.ports.healing import HealingBook, Numbers, Settled


class AlertOrders:
    """Answers of one person."""

    def __init__(
        self, book: HealingBook, rules: ApprovalRules, clock: Clock, person: Person
    ) -> None:
        self._book, self._rules = book, rules
        self._clock, self._person = clock, person

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
            occurrence = _asked(there, key)
            until = occurrence.due
            if until is None or until <= now:
                raise Refused("the question has run out", where=key[:12])
            return _one(AlertEvent(key=key, at=now, what=Granted(until=until), by=self._person.id))

        self._book.amend((key,), granted)
        return self._there(key)

    def deny(self, key: str, reason: str) -> Occurrence:
        """No, or "I do it myself": a person has it from now on. Raises as ``approve``."""
        now = self._clock.now()

        def denied(there: Mapping[str, Occurrence], _numbers: Numbers) -> Settled:
            occurrence = there.get(key)
            if occurrence is None or occurrence.stage not in _OPEN:
                raise Refused("nothing is to be decided about it any more", where=key[:12])
            return _one(AlertEvent(key=key, at=now, what=Denied(reason=reason), by=self._person.id))

        self._book.amend((key,), denied)
        return self._there(key)

    def _there(self, key: str) -> Occurrence:
        found = self._book.occurrence(key)
        if found is None:
            raise ConfigInvalid("there is no such alert", where=key[:12])
        return found


_OPEN = (Stage.RECEIVED, Stage.WAITING, Stage.ASKING)


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


def _asked(there: Mapping[str, Occurrence], key: str) -> Occurrence:
    occurrence = there.get(key)
    if occurrence is None or occurrence.stage is not Stage.ASKING:
        raise Refused("nobody is asked about it", where=key[:12])
    return occurrence


def _one(event: AlertEvent) -> Settled:
    return Settled(events=(event,))
