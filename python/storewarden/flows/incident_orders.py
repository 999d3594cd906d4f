# SPDX-License-Identifier: GPL-3.0-or-later
"""What people do with an incident: take it, write a note, say that it is solved; and what the
business answers to that: well, or not.

Everybody with a token may take an incident, note, solve, and dispute: whoever sees that a till does
not sell must not have to look for somebody first. To confirm is for those whose roles approve
changes (the business among them), and never for the person whose word is to be confirmed.

An answer may get lost on its way, so the same wish of the same person again is no second event:
that is judged by what the incident says already, under the book's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from storewarden.domain.change.people import Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.change.spoken import role_name
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.domain.healing.incident import (
    Answered,
    Confirmed,
    Disputed,
    Happening,
    Incident,
    IncidentEvent,
    IncidentState,
    Noted,
    Solved,
    fold,
)
from storewarden.domain.healing.incident_clock import follow
from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.ports.clock import Clock
from storewarden.ports.incidents import IncidentBook

type _Judge = Callable[[Incident], Happening | None]
"""What an order makes of an incident; None when that has happened already. Raises Refused."""


class NoSuchIncident(ConfigInvalid):
    """There is no incident of that number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentParts:
    """What orders take. ``wake`` lets whoever follows incidents look at once; ``language`` is that
    of refusals, the site's."""

    book: IncidentBook
    clock: Clock
    rules: ApprovalRules
    policy: IncidentPolicy
    language: str = "en"
    wake: Callable[[], None] = lambda: None


class IncidentOrders:
    """Orders of one person. Each gives the incident as it is then.

    They raise NoSuchIncident, ConfigInvalid for an empty text, and Refused for what cannot happen
    to the incident as it stands, or is not this person's to say.
    """

    def __init__(self, parts: IncidentParts, person: Person) -> None:
        self._parts, self._person = parts, person

    def take(self, number: str) -> Incident:
        """ "I am at it." From somebody else it is taken over."""

        def judge(incident: Incident) -> Happening | None:
            self._require_work(incident)
            return None if incident.holder == self._person.id else Answered()

        return self._give(number, judge)

    def note(self, number: str, text: str) -> Incident:
        """A line of its story; also of one that is closed."""
        said = _text(text, "--text")
        return self._give(
            number, lambda incident: None if self._told(incident, said) else Noted(en=said, zh=said)
        )

    def solve(self, number: str, how: str) -> Incident:
        """ "It is well again", and how that was done. Nobody has verified it."""
        said = _text(how, "--how")

        def judge(incident: Incident) -> Happening | None:
            if incident.state is IncidentState.SOLVED and incident.solved_by == self._person.id:
                return None
            self._require_work(incident)
            return Solved(verified=False, how=said)

        return self._give(number, judge)

    def confirm(self, number: str) -> Incident:
        """The business says that it is well; when it is verified, too, it is closed."""

        def judge(incident: Incident) -> Happening | None:
            if incident.confirmed_by == self._person.id:
                return None
            self._require_solved(incident)
            self._require_confirming(incident)
            return Confirmed()

        return self._give(number, judge)

    def dispute(self, number: str, why: str) -> Incident:
        """The business says that it is not: it is open again, and its clock never stopped."""
        said = _text(why, "--why")

        def judge(incident: Incident) -> Happening | None:
            again = self._told(incident, f"not solved: {said}")
            if incident.state is IncidentState.ANSWERED and again:
                return None
            self._require_solved(incident)
            return Disputed(why=said)

        return self._give(number, judge)

    def _give(self, number: str, judge: _Judge) -> Incident:
        parts = self._parts
        named(parts.book, number)
        now = parts.clock.now()

        def decide(incident: Incident) -> tuple[IncidentEvent, ...]:
            what = judge(incident)
            if what is None:
                return ()
            event = IncidentEvent(number=number, at=now, what=what, by=self._person.id)
            return (event, *_closing(fold(incident, event), what, parts.policy, now))

        found = parts.book.amend(number, decide)
        parts.wake()
        return found

    def _require_work(self, incident: Incident) -> None:
        """It is not over, and nobody holds it for solved."""
        if incident.over:
            raise self._no(
                incident, "it is closed", "已关闭", "a note can still be written", "仍可添加备注"
            )
        if incident.state is IncidentState.SOLVED:
            raise self._no(
                incident,
                f"{incident.solved_by} said that it is solved",
                f"{incident.solved_by} 已报告解决",
                "who finds it broken disputes it",
                "如仍有故障，请提出异议",
            )

    def _require_solved(self, incident: Incident) -> None:
        if incident.over:
            raise self._no(incident, "it is closed", "已关闭")
        if incident.state is not IncidentState.SOLVED:
            raise self._no(incident, "nobody has said that it is solved", "尚未报告解决")

    def _require_confirming(self, incident: Incident) -> None:
        person, wanted = self._person, self._parts.rules.approving
        if incident.solved_by == person.id:
            raise self._no(
                incident,
                f"{person.id} said that it is solved: somebody else confirms that",
                f"{person.id} 报告了解决，须由他人确认",
            )
        if not set(wanted) & set(person.roles):
            en, zh = ("; ".join(role_name(role, each) for role in wanted) for each in ("en", "zh"))
            raise self._no(
                incident,
                f"{person.id} has none of the roles that confirm",
                f"{person.id} 没有可确认的角色",
                f"one of: {en}",
                f"可确认的角色：{zh}",
            )

    def _told(self, incident: Incident, text: str) -> bool:
        """Whether this is word for word what the person said last."""
        mine = [entry.en for entry in incident.timeline if entry.by == self._person.id]
        return mine[-1:] == [text]

    def _no(
        self, incident: Incident, en: str, zh: str, hint: str = "", hint_zh: str = ""
    ) -> Refused:
        chinese = self._parts.language == "zh"
        told = (zh, hint_zh) if chinese else (en, hint)
        return Refused(told[0], where=incident.number, hint=told[1])


def named(book: IncidentBook, number: str) -> Incident:
    """The incident of that number. Raises NoSuchIncident."""
    found = book.incident(number)
    if found is None:
        raise NoSuchIncident(
            "there is no such incident", where=number[:60], hint="storewarden incident list --all"
        )
    return found


def _closing(
    incident: Incident, what: Happening, policy: IncidentPolicy, now: datetime
) -> tuple[IncidentEvent, ...]:
    """Verified and confirmed is closed, in the same step: nobody has to wait for the clock."""
    return follow(incident, policy, now) if isinstance(what, Confirmed) else ()


def _text(text: str, where: str) -> str:
    said = " ".join(text.split())
    if not said:
        raise ConfigInvalid("say it in a few words", where=where, hint="it stands in the journal")
    return said
