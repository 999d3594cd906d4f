# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks, and who else there is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from storewarden.domain.change.people import Person
from storewarden.web.access import person_of
from storewarden.web.parts import Parts

router = APIRouter(tags=["people"])


class PersonAnswer(BaseModel):
    """One person; addresses are left out."""

    id: str
    name: str
    roles: list[str]
    language: str


@router.get("/me", summary="Whose token this is")
def me(request: Request) -> PersonAnswer:
    """The person of the token."""
    return _answer(person_of(request))


@router.get("/people", summary="Everybody who can ask for or approve changes")
def everybody(parts: Parts) -> list[PersonAnswer]:
    """All people of the people file who have not left."""
    return [_answer(person) for person in parts.people.everybody()]


def _answer(person: Person) -> PersonAnswer:
    return PersonAnswer(
        id=person.id, name=person.name, roles=sorted(person.roles), language=person.language
    )
