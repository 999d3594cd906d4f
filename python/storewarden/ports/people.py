# SPDX-License-Identifier: GPL-3.0-or-later
"""People, their roles and their tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from storewarden.domain.change.people import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of the people file; from the day ``left`` on (in the site's zone) the person
    is gone."""

    person: Person
    left: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """What is known of one token: everything but the token. ``id`` is safe to show."""

    id: str
    person: str
    issued: datetime
    expires: datetime
    by: str
    withdrawn: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """Whether it is accepted at ``now``, as far as the token itself goes."""
        return self.withdrawn is None and now < self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A new token, shown this one time; ``token`` stays out of reprs."""

    facts: TokenFacts
    token: str = field(repr=False)


class People(Protocol):
    """The people-and-roles file, read again when it changes."""

    def person(self, id: str) -> Person | None:
        """One person, None when unknown or gone."""
        ...

    def everybody(self) -> tuple[Person, ...]:
        """All of them, by id."""
        ...

    def authenticate(self, token: str) -> Person:
        """Whose token this is. Raises Refused for one that is unknown, expired or withdrawn,
        without saying which."""
        ...

    def trouble(self) -> str:
        """Why the files as they are now cannot be used, in one line; "" when they can.

        As long as there is trouble, the last ones that were whole count.
        """
        ...


class TokenBook(Protocol):
    """Where tokens are kept, as digests. Methods raise ConfigInvalid and AdapterError."""

    def prepare(self, person: str, lifetime: timedelta, by: str) -> IssuedToken:
        """Make a token that is not accepted yet; ``by`` is who asked, as the system knows them."""
        ...

    def keep(self, issued: IssuedToken) -> None:
        """Accept it from now on."""
        ...

    def withdraw(self, person: str) -> tuple[TokenFacts, ...]:
        """Accept none of a person's tokens any more; those that were accepted until now."""
        ...

    def tokens(self) -> tuple[TokenFacts, ...]:
        """All that are remembered, oldest first."""
        ...
