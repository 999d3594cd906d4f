# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a channel, checked before anything is sent.

A channel describes its own keys as a class ``Settings`` on top of ``ChannelSettings``; the
keys that every channel has (language, filters, quiet hours) never come here. A refusal names
``notifications.channels.<name>.<key>`` and never repeats a value, because a secret may have
been written where a reference belongs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from storewarden.domain.errors import ConfigInvalid

_REFERENCE = re.compile(r"(file|env|vault):\S.*")
_SAYS = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text (in quotes)",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list, one entry per line after '- '",
    "dict_type": "must be keys with values",
}


def _reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise ValueError(
            "must be a reference: file:PATH, env:NAME or vault:MOUNT/PATH#FIELD; "
            "a secret itself never belongs into this file"
        )
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _seconds(value: float) -> float:
    if not 0 < value <= 300:
        raise ValueError("must be above 0 and at most 300")
    return value


def _word(value: str) -> str:
    """A part of a message in which a blank or an angle bracket would mean something else."""
    if not re.fullmatch(r"[\w.@+-]+", value):
        raise ValueError("must be letters, digits and . _ @ + - only")
    return value


SecretRef = Annotated[str, AfterValidator(_reference)]
Seconds = Annotated[float, AfterValidator(_seconds)]
Word = Annotated[str, AfterValidator(_word)]
Words = Annotated[tuple[Word, ...], BeforeValidator(_tuple)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_tuple)]
SecretRefs = Annotated[tuple[SecretRef, ...], BeforeValidator(_tuple)]


class ChannelSettings(BaseModel):
    """Frozen and strict; ``timeout_seconds`` is the wait for one packet."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    timeout_seconds: Seconds = 15.0


class WebSettings(ChannelSettings):
    """What every channel over HTTP has: the whole url is a secret, for it holds the token.

    ``ca_file`` is trusted instead of the machine's own authorities; ``proxy`` is a url (the
    proxies of the environment are not used).
    """

    url: SecretRef
    ca_file: str = ""
    proxy: str = ""


def read_settings[T: ChannelSettings](
    kind: type[T], values: Mapping[str, object], channel: str
) -> T:
    """``values`` as ``kind``; ConfigInvalid names the first key that is wrong."""
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    what = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else ""
    raise ConfigInvalid(
        what or _SAYS.get(problem["type"], problem["msg"].lower()),
        where=f"{key_of(channel)}.{key}" if key else key_of(channel),
        hint=_meant(key, kind) if problem["type"] == "extra_forbidden" else "",
    )


def key_of(channel: str) -> str:
    """How a channel is named in refusals."""
    return f"notifications.channels.{channel}"


def _meant(key: str, kind: type[BaseModel]) -> str:
    close = difflib.get_close_matches(key, kind.model_fields, n=1)
    known = ", ".join(kind.model_fields)
    return f"did you mean {close[0]}?" if close else f"this type of channel has: {known}"
