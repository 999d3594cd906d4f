# SPDX-License-Identifier: GPL-3.0-or-later
"""People who are as you say, without files; and a book of tokens in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from storewarden.domain.change.people import Person
from storewarden.domain.errors import Refused
from storewarden.ports.clock import Clock
from storewarden.ports.people import IssuedToken, TokenFacts


class FixedPeople:
    """The People and TokenBook ports over a list. ``problem`` is what ``trouble`` tells."""

    def __init__(self, people: Iterable[Person], clock: Clock) -> None:
        self._people = {person.id: person for person in people}
        self._clock = clock
        self._issued: list[IssuedToken] = []
        self.problem = ""

    def person(self, id: str) -> Person | None:
        """One person, None when unknown or gone."""
        return self._people.get(id)

    def everybody(self) -> tuple[Person, ...]:
        """All of them, by id."""
        return tuple(self._people[name] for name in sorted(self._people))

    def leave(self, id: str) -> None:
        """Somebody is gone from now on."""
        self._people.pop(id, None)

    def authenticate(self, token: str) -> Person:
        """Whose token this is."""
        now = self._clock.now()
        for issued in self._issued:
            person = self._people.get(issued.facts.person)
            if issued.token == token and issued.facts.valid(now) and person:
                return person
        raise Refused("the token is not accepted", where="token")

    def trouble(self) -> str:
        """What a test says."""
        return self.problem

    def prepare(self, person: str, lifetime: timedelta, by: str) -> IssuedToken:
        """A token that says how many were made before it."""
        now, count = self._clock.now(), len(self._issued) + 1
        facts = TokenFacts(
            id=f"{count:08x}", person=person, issued=now, expires=now + lifetime, by=by
        )
        return IssuedToken(facts=facts, token=f"sw_{person}_{count:064x}")

    def keep(self, issued: IssuedToken) -> None:
        """Accept it from now on."""
        self._issued.append(issued)

    def withdraw(self, person: str) -> tuple[TokenFacts, ...]:
        """Accept none of a person's tokens any more."""
        now, ended = self._clock.now(), list[TokenFacts]()
        for place, issued in enumerate(self._issued):
            if issued.facts.person == person and issued.facts.valid(now):
                facts = replace(issued.facts, withdrawn=now)
                self._issued[place] = replace(issued, facts=facts)
                ended.append(facts)
        return tuple(ended)

    def tokens(self) -> tuple[TokenFacts, ...]:
        """All that were kept, oldest first."""
        return tuple(issued.facts for issued in self._issued)
