# SPDX-License-Identifier: GPL-3.0-or-later
"""From the free-form ``tickets`` section to an adapter's own frozen ``Settings``.

Every adapter describes its keys as a dataclass; this reads a mapping into it and refuses
what is unknown, missing or of another type, naming ``tickets.<system>.<key>``. Values are
never repeated in a refusal, because a secret may have been written where a reference belongs.

Types that are understood: str, bool, int, float, Path, Literal, ``SecretRef``, ``X | None``,
``tuple[X, ...]``, ``Mapping[str, X]``, further dataclasses, and object (whatever it is).
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, NewType, Union, cast, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from storewarden.domain.errors import ConfigInvalid

SecretRef = NewType("SecretRef", str)
"""``file:PATH``, ``env:NAME`` or ``vault:MOUNT/PATH#FIELD``; never the secret itself."""

_REFERENCE = re.compile(r"(file|env|vault):\S.*")
_PLAIN: dict[object, tuple[tuple[type, ...], str]] = {
    str: ((str,), "must be text (in quotes)"),
    bool: ((bool,), "must be true or false"),
    int: ((int,), "must be a whole number"),
    float: ((int, float), "must be a number"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """What every system reached over HTTP has; adapters add their own keys.

    ``timeout_seconds`` is the wait for one packet; ``ca_file`` is trusted instead of the
    machine's own authorities; ``proxy`` is a url (the environment's proxies are not used).
    """

    url: str
    timeout_seconds: float = 20.0
    ca_file: Path | None = None
    verify_tls: bool = True
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """The key being read, and where relative paths begin."""

    key: str
    folder: Path

    def below(self, name: object) -> _Place:
        return _Place(f"{self.key}.{name}", self.folder)

    def refusal(self, what: str, hint: str = "") -> ConfigInvalid:
        return ConfigInvalid(what, where=self.key, hint=hint)


def read_settings[T](
    kind: type[T], values: Mapping[str, object], system: str, folder: Path = Path()
) -> T:
    """``values`` as ``kind``; ConfigInvalid names the first key that is wrong.

    ``folder`` is where relative paths begin. ``__post_init__`` of ``kind`` may raise
    ConfigInvalid itself, with ``where`` made by ``key_of``.
    """
    place = _Place(f"tickets.{system}", folder)
    settings = cast("T", _dataclass(kind, values, place))
    if isinstance(settings, RestSettings):
        _check_rest(settings, place)
    return settings


def key_of(system: str, key: str) -> str:
    """How a setting is named in refusals."""
    return f"tickets.{system}.{key}"


def _check_rest(settings: RestSettings, place: _Place) -> None:
    _check_url(settings.url, place.below("url"))
    if settings.proxy:
        _check_url(settings.proxy, place.below("proxy"))
    if not 0 < settings.timeout_seconds <= 600:
        raise place.below("timeout_seconds").refusal("must be above 0 and at most 600")


def _check_url(url: str, place: _Place) -> None:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise place.refusal("is not a url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise place.refusal("must begin with https:// or http:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise place.refusal(
            "must hold neither user, password, query nor fragment",
            "credentials have keys of their own, with references like file:PATH",
        )


def _dataclass(kind: type[Any], values: object, place: _Place) -> object:
    if not isinstance(values, Mapping):
        raise place.refusal("must be keys with values")
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind) if field.init}
    for name in values:
        if name not in known:
            raise place.below(name).refusal("unknown key", _meant(str(name), known))
    given = {
        name: _value(hints[name], values[name], place.below(name))
        for name in known
        if values.get(name) is not None  # a key without a value means its default
    }
    for name, field in known.items():
        if name not in given and _required(field):
            raise place.below(name).refusal("is missing", "this ticket system needs it")
    return kind(**given)


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _meant(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known) or 'none'}"


def _value(hint: Any, value: object, place: _Place) -> object:
    """One value as the annotation ``hint`` wants it."""
    if hint in _PLAIN:
        return _plain(hint, value, place)
    if hint is SecretRef:
        return _reference(value, place)
    if hint is Path:
        return _path(value, place)
    if hint is object:
        return value
    if is_dataclass(hint):
        return _dataclass(cast("type[Any]", hint), value, place)
    reader = _GENERIC.get(get_origin(hint))
    if reader is None:
        raise TypeError(f"{place.key}: settings of type {hint} cannot be read")
    return reader(get_args(hint), value, place)


def _plain(hint: object, value: object, place: _Place) -> object:
    allowed, says = _PLAIN[hint]
    if not isinstance(value, allowed) or (isinstance(value, bool) and hint is not bool):
        raise place.refusal(says)
    return float(value) if hint is float and isinstance(value, int) else value


def _reference(value: object, place: _Place) -> SecretRef:
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise place.refusal(
            "must be a reference: file:PATH, env:NAME or vault:MOUNT/PATH#FIELD",
            "a secret itself never belongs into this file",
        )
    return SecretRef(value)


def _path(value: object, place: _Place) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip():
        raise place.refusal("must be the path of a file")
    return place.folder / Path(value).expanduser()


def _one_of(options: tuple[Any, ...], value: object, place: _Place) -> object:
    if value not in options or isinstance(value, bool) != isinstance(options[0], bool):
        raise place.refusal(f"must be {' or '.join(str(option) for option in options)}")
    return value


def _union(hints: tuple[Any, ...], value: object, place: _Place) -> object:
    """Only ``X | None``: what was left out never comes here."""
    (hint,) = (hint for hint in hints if hint is not type(None))
    return _value(hint, value, place)


def _tuple(hints: tuple[Any, ...], value: object, place: _Place) -> object:
    if not isinstance(value, list | tuple):
        raise place.refusal("must be a list, one entry per line after '- '")
    return tuple(_value(hints[0], item, place.below(n)) for n, item in enumerate(value))


def _mapping(hints: tuple[Any, ...], value: object, place: _Place) -> object:
    if not isinstance(value, Mapping):
        raise place.refusal("must be keys with values")
    return types.MappingProxyType(
        {str(name): _value(hints[1], item, place.below(name)) for name, item in value.items()}
    )


_GENERIC: dict[object, Callable[[tuple[Any, ...], object, _Place], object]] = {
    Literal: _one_of,
    Union: _union,
    types.UnionType: _union,
    tuple: _tuple,
    Mapping: _mapping,
}
