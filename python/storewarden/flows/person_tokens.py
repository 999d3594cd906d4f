# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving somebody a token, and taking it away; both stand in the journal, the token never.

The journal comes first: a token that is written down and was never made harms nobody, one
that was made and is written down nowhere does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.clock import Clock
from storewarden.ports.ledger import Ledger
from storewarden.ports.people import IssuedToken, People, TokenBook, TokenFacts

ISSUED = "token issued"
WITHDRAWN = "token withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenParts:
    """``longest`` is how long a token may live, ``by`` who acts, as the system knows them.

    ``people`` are asked for when they are needed: taking a token away must not fail because
    somebody broke the people file.
    """

    people: Callable[[], People]
    book: TokenBook
    ledger: Ledger
    clock: Clock
    longest: timedelta
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A person as ``person list`` shows them; ``expires`` is of the token that lives longest."""

    id: str
    name: str
    roles: tuple[str, ...]
    tokens: int
    expires: datetime | None


def issue_token(
    parts: TokenParts, person: str, lifetime: timedelta | None, hand_over: Callable[[str], None]
) -> TokenFacts:
    """Make a token for ``person`` and give it to ``hand_over``, once; what may be shown of it.

    Raises ConfigInvalid for somebody who is not in the people file, Refused for a lifetime
    longer than the site allows, and whatever ``hand_over`` raises: a token that nobody
    received is accepted by nobody.
    """
    _require(parts, person)
    issued = parts.book.prepare(person, _lifetime(parts, lifetime), parts.by)
    hand_over(issued.token)
    parts.ledger.append(
        ISSUED, _body(issued), run=f"person {person}", step=f"issue {issued.facts.id}"
    )
    parts.book.keep(issued)
    return issued.facts


def withdraw_tokens(parts: TokenParts, person: str) -> tuple[TokenFacts, ...]:
    """Accept no token of ``person`` any more; those that were accepted until now.

    Somebody who has left the people file may be named as well. The tokens go first here: what
    must not work any longer shall not wait for a ledger. Raises ConfigInvalid for a name that
    nobody has or had: misspelt, it would leave the right one with their tokens.
    """
    _require_known(parts, person)
    ended = parts.book.withdraw(person)
    for facts in ended:
        body = {"person": person, "token": facts.id, "by": parts.by}
        parts.ledger.append(WITHDRAWN, body, run=f"person {person}", step=f"withdraw {facts.id}")
    return ended


def list_people(parts: TokenParts) -> tuple[Standing, ...]:
    """Everybody in the people file who has not left, by id."""
    now = parts.clock.now()
    valid = [facts for facts in parts.book.tokens() if facts.valid(now)]
    return tuple(
        Standing(
            id=person.id,
            name=person.name,
            roles=tuple(sorted(person.roles)),
            tokens=sum(facts.person == person.id for facts in valid),
            expires=max((f.expires for f in valid if f.person == person.id), default=None),
        )
        for person in parts.people().everybody()
    )


def _require(parts: TokenParts, person: str) -> None:
    people = parts.people()
    trouble = people.trouble()
    if trouble:
        raise ConfigInvalid(f"people cannot be read: {trouble}", hint="no token was made")
    if people.person(person) is None:
        raise ConfigInvalid(
            f"{person!r} is nobody in the people file",
            where="person",
            hint="storewarden person list",
        )


def _require_known(parts: TokenParts, person: str) -> None:
    had = any(facts.person == person for facts in parts.book.tokens())
    if not had and parts.people().person(person) is None:
        raise ConfigInvalid(
            f"{person!r} has and had no token", where="person", hint="storewarden person list"
        )


def _lifetime(parts: TokenParts, asked: timedelta | None) -> timedelta:
    lifetime = parts.longest if asked is None else asked
    if lifetime <= timedelta(0):
        raise ConfigInvalid("is over already", where="--expires", hint="a later day, or 30d")
    if lifetime > parts.longest:
        raise Refused(
            f"a token lives at most {parts.longest.days} days",
            where="--expires",
            hint="people.token_days; the guide has 60 for privileged accounts (1.1.2)",
        )
    return lifetime


def _body(issued: IssuedToken) -> dict[str, object]:
    facts = issued.facts
    return {
        "person": facts.person,
        "token": facts.id,
        "expires": facts.expires,
        "by": facts.by,
    }
