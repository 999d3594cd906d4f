# SPDX-License-Identifier: GPL-3.0-or-later
"""An adapter's own keys, checked before anything is asked of the other side.

An adapter describes its keys as a model on top of ``AdapterSettings``; what they may hold is
pydantic's business, the words of a refusal are ours. A refusal names the section and the key
and never repeats a value, because a secret may have been written where a reference belongs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from storewarden.domain.errors import ConfigInvalid

_REFERENCE = re.compile(r"(file|env|vault):\S.*")
_SAYS = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text (in quotes)",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list, one entry per line after '- '",
    "dict_type": "must be keys with values",
    "model_type": "must be keys with values",
}


def wrong(what: str, *, key: str = "", hint: str = "") -> PydanticCustomError:
    """To be raised by a check; ``key`` is the key meant, below the one that is checked."""
    return PydanticCustomError("wrong", "{what}", {"what": what, "key": key, "hint": hint})


def _reference(value: object) -> object:
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise wrong(
            "must be a reference: file:PATH, env:NAME or vault:MOUNT/PATH#FIELD",
            hint="a secret itself never belongs into this file",
        )
    return value


def _path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip():
        raise wrong("must be the path of a file")
    folder: Path = info.context if isinstance(info.context, Path) else Path()
    return folder / Path(value).expanduser()


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _named(value: object) -> object:
    """YAML has keys that are no texts: 3, true."""
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else value


def at_least(least: int) -> AfterValidator:
    """A number that is ``least`` or more."""

    def check(value: int) -> int:
        if value < least:
            raise wrong(f"must be {least} or more")
        return value

    return AfterValidator(check)


def up_to(most: int) -> AfterValidator:
    """A number above 0 that is ``most`` or less."""

    def check(value: float) -> float:
        if not 0 < value <= most:
            raise wrong(f"must be above 0 and at most {most}")
        return value

    return AfterValidator(check)


SecretRef = Annotated[str, BeforeValidator(_reference)]
"""``file:PATH``, ``env:NAME`` or ``vault:MOUNT/PATH#FIELD``; never the secret itself."""

FilePath = Annotated[Path, BeforeValidator(_path)]
"""Relative ones begin in the folder of the file in which they stand."""

type ListOf[T] = Annotated[tuple[T, ...], BeforeValidator(_tuple)]
type Named[T] = Annotated[
    Mapping[str, T], BeforeValidator(_named), AfterValidator(MappingProxyType)
]
"""Keys of the site's own choice, with values of one kind."""


class AdapterSettings(BaseModel):
    """Frozen and strict: "95" is not 95, and nothing unknown passes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: object) -> object:
        """A key without a value means its default."""
        if not isinstance(values, Mapping):
            return values
        for name in values:
            if name not in cls.model_fields:
                raise wrong("unknown key", key=str(name), hint=_meant(str(name), cls.model_fields))
        return {name: value for name, value in values.items() if value is not None}


def read_settings[T: AdapterSettings](
    kind: type[T], values: Mapping[str, object], section: str, folder: Path = Path()
) -> T:
    """``values`` as ``kind``; ConfigInvalid names the first key that is wrong.

    ``section`` is how their place is named (``tickets.rt``), ``folder`` is where relative
    paths begin.
    """
    try:
        return kind.model_validate(dict(values), context=folder)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
    told = problem.get("ctx", {})
    place = (section, *problem["loc"], told.get("key", ""))
    raise ConfigInvalid(
        _said(problem, told),
        where=".".join(str(part) for part in place if part != ""),
        hint=str(told.get("hint", "")),
    )


def _said(problem: ErrorDetails, told: Mapping[str, Any]) -> str:
    kind = problem["type"]
    if kind == "wrong":
        return str(told["what"])
    if kind == "value_error":
        return str(told["error"])
    if kind == "literal_error":
        return f"must be {' or '.join(re.findall(r"'([^']*)'", str(told['expected'])))}"
    return _SAYS.get(kind, problem["msg"].lower())


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known) or 'none'}"
