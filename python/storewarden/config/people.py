# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may ask for, approve and do changes: the people file.

It is written by hand, so everything wrong is one line with file and line. A person who
left keeps an entry with `left:`, so that old records still have a name to them::

    people:
      zhang.wei:
        name: 张伟
        roles: [operations_lead]
        email: zhang.wei@example.com
        language: zh
      li.na:
        name: Li Na
        left: 2026-05-31     # from this day on her tokens are not accepted
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from storewarden.config.fields import SitePath
from storewarden.config.marked_yaml import MarkedYaml, read_marked
from storewarden.domain.change.people import CLOCKWORK, Person
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.people import Member

_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ANYBODY_WRITES = stat.S_IWOTH


def _days(value: int) -> int:
    if not 1 <= value <= 366:
        raise ValueError("must be 1-366")
    return value


class PeopleConfig(BaseModel):
    """Where people and their tokens are kept.

    ``token_days`` is how long a token is accepted at most (guide 1.1.2: privileged, 60 d).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    file: SitePath | None = None
    tokens: SitePath | None = None
    token_days: Annotated[int, AfterValidator(_days)] = 60


def read_people(path: Path) -> tuple[Member, ...]:
    """Everybody in the people file, in its order.

    Raises ConfigInvalid, with the line, for a file that cannot be read or says something
    else, and for one that anybody on the machine could write himself into.
    """
    _refuse_open(path)
    content = read_marked(path, str(path))
    try:
        page = _Page.model_validate(content.data)
    except ValidationError as error:
        raise _refusal(error, content, path) from None
    _require_each_once(page, content, path)
    return tuple(_member(name, listed) for name, listed in page.people.items())


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError("must be small letters, digits, dots and hyphens, at most 40")
    if value == CLOCKWORK:
        raise ValueError("is the name of the program itself")
    return value


def _role(value: str) -> str:
    if not _ROLE.fullmatch(value):
        raise ValueError("must be small letters, digits and underscores, like operations_lead")
    return value


def _text(value: str) -> str:
    if not value.strip() or len(value) > 100 or not value.isprintable():
        raise ValueError("must be one line of printable text")
    return value.strip()


def _email(value: str) -> str:
    if value and not re.fullmatch(r"[^\s@<>,;]+@[^\s@<>,;]+", value):
        raise ValueError("must be an address like name@example.com")
    return value


def _day(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value} is no day of the calendar") from None
    if isinstance(value, datetime) or not (value is None or isinstance(value, date)):
        raise ValueError("must be a day like 2026-05-31")
    return value


def _listed(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a list, like [operations_lead]")
    return tuple(value) if isinstance(value, list) else value


class _Listed(BaseModel):
    """One person as written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, AfterValidator(_text)]
    roles: Annotated[
        tuple[Annotated[str, AfterValidator(_role)], ...], BeforeValidator(_listed)
    ] = ()
    email: Annotated[str, AfterValidator(_email)] = ""
    language: Literal["en", "zh"] = "en"
    left: Annotated[date | None, BeforeValidator(_day)] = None


class _Page(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    people: Annotated[
        Mapping[Annotated[str, AfterValidator(_id)], _Listed],
        BeforeValidator(lambda value: {} if value is None else value),  # nobody yet
    ]


def _require_each_once(page: _Page, content: MarkedYaml, path: Path) -> None:
    """Somebody with two entries would be the second person to what the first one did."""
    owners: dict[str, str] = {}
    for name, listed in page.people.items():
        address = listed.email.casefold()
        if not address or listed.left is not None:
            continue
        if address in owners:
            raise ConfigInvalid(
                f"people.{name}.email: is the address of {owners[address]}",
                where=f"{path}:{content.line(('people', name, 'email'))}",
                hint="one person, one entry, one address of their own",
            )
        owners[address] = name


def _member(name: str, listed: _Listed) -> Member:
    person = Person(
        id=name,
        name=listed.name,
        roles=frozenset(listed.roles),
        email=listed.email,
        language=listed.language,
    )
    return Member(person=person, left=listed.left)


def _refuse_open(path: Path) -> None:
    """A file that anybody may write would make anybody an approver."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigInvalid(
            f"cannot be read: {(error.strerror or str(error)).lower()}",
            where=str(path),
            hint="named by people.file",
        ) from None
    if not stat.S_ISREG(mode):  # a named pipe would hold up everybody who shows a token
        raise ConfigInvalid("is no file", where=str(path), hint="named by people.file")
    if mode & _ANYBODY_WRITES:
        raise ConfigInvalid(
            "may be written by anybody", where=str(path), hint=f"chmod o-w {path.name}"
        )


def _refusal(error: ValidationError, content: MarkedYaml, path: Path) -> ConfigInvalid:
    """The problem that stands first in the file."""
    problems = error.errors(include_url=False)
    first = min(problems, key=lambda each: (content.line(_place(each)), _unknown_last(each)))
    place = _place(first)
    words = ".".join(str(part) for part in place)
    what = f"{words}: {_said(first)}" if words else "must begin with people:"
    unknown = [str(_place(each)[-1]) for each in problems if each["type"] == "extra_forbidden"]
    hint = f"{', '.join(unknown)} is no key here" if first["type"] == "missing" and unknown else ""
    return ConfigInvalid(
        what, where=f"{path}:{content.line(place)}", hint=hint or _HINTS.get(first["type"], "")
    )


def _unknown_last(problem: ErrorDetails) -> bool:
    return problem["type"] == "extra_forbidden"


def _place(problem: ErrorDetails) -> tuple[int | str, ...]:
    """Where it is; pydantic adds "[key]" after the name of a person that is no id."""
    return tuple(part for part in problem["loc"] if part != "[key]")


_HINTS = {
    "extra_forbidden": f"known: {', '.join(_Listed.model_fields)}",
    "string_type": "put it in quotes",
}
_KEYS = "must be keys with values"
_SAYS = {
    "extra_forbidden": "unknown key",
    "missing": "is not there",
    "string_type": "must be text",
    "dict_type": _KEYS,
    "model_type": _KEYS,
    "model_attributes_type": _KEYS,
    "mapping_type": _KEYS,
}


def _said(problem: ErrorDetails) -> str:
    kind = problem["type"]
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    if kind == "literal_error":
        return f"must be {problem['ctx']['expected']}"
    return _SAYS.get(kind, problem["msg"].lower())
