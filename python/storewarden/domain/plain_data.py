# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as JSON data and back, for state rows and the journal.

One rule for all records: a dataclass is an object with a key per field, an enum its value, a
moment text in UTC with microseconds, a duration its seconds, a fraction text ("1/10"), a tuple a
list. Reading is strict, because a row that cannot be read word for word was written by somebody
else; only a field that has a default may be absent (rows of an older version, and records that
were written ``brief``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from fractions import Fraction
from functools import cache
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

_MICROSECOND = timedelta(microseconds=1)


def plain_value(value: object, *, brief: Collection[type] = ()) -> object:
    """Any record, enum, moment, duration or tuple as JSON data.

    Records of the types in ``brief`` leave out what is at its default: where there are many
    thousands of them. A field whose default may change one day must not be written so.
    """
    if isinstance(value, Enum):
        return value.value
    turn = _TURNS.get(type(value))
    if turn is not None:
        return turn(value)
    if is_dataclass(value):
        return plain_record(value, brief=brief)
    if isinstance(value, tuple | list):
        return [plain_value(item, brief=brief) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain_value(item, brief=brief) for key, item in value.items()}
    return value


def plain_record(record: Any, *, brief: Collection[type] = ()) -> dict[str, object]:
    """A dataclass as an object."""
    kind: Any = type(record)
    known = _fields(kind)
    if kind in brief:
        known = tuple(each for each in known if getattr(record, each.name) != _default(each))
    return {each.name: plain_value(getattr(record, each.name), brief=brief) for each in known}


def typed_record[T](kind: type[T], data: object, where: str) -> T:
    """The record that ``plain_record`` made ``data`` of. Raises ValueError, naming the place."""
    return cast(T, _read(kind, data, where))


def typed_value(kind: Any, data: object, where: str) -> Any:
    """``data`` as ``kind``, a field's type: the few forms that records use.

    Raises ValueError, naming ``where``.
    """
    if kind is object:
        return data
    if isinstance(kind, UnionType):  # only "X | None" occurs
        inner = next(each for each in get_args(kind) if each is not type(None))
        return None if data is None else typed_value(inner, data, where)
    origin = get_origin(kind)
    if origin is tuple:
        item, found = get_args(kind)[0], _list(data, where)
        return tuple(typed_value(item, each, f"{where}[{i}]") for i, each in enumerate(found))
    if origin is not None:  # Mapping[str, X]
        item = get_args(kind)[1]
        pairs = _mapping(data, where).items()
        return {str(key): typed_value(item, each, f"{where}.{key}") for key, each in pairs}
    if is_dataclass(kind):
        return _read(kind, data, where)
    return _single(kind, data, where)


def stamp(at: datetime) -> str:
    """A moment as text: UTC, microseconds. Raises ValueError for one without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at} is a time without a zone")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment_of(text: object, where: str) -> datetime:
    """The moment that ``stamp`` wrote. Raises ValueError, naming ``where``."""
    if not isinstance(text, str):
        raise ValueError(f"{where} is {text!r}, not a time")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{where} is {text!r}, not a time") from None
    if moment.tzinfo is None:
        raise ValueError(f"{where} is {text!r}, a time without a zone")
    return moment.astimezone(UTC)


def _seconds(span: timedelta) -> int | float:
    """Whole seconds as a whole number, so that hashes do not depend on how it was reckoned."""
    whole = span // timedelta(seconds=1)
    return whole if timedelta(seconds=whole) == span else span / timedelta(seconds=1)


_TURNS: Mapping[type, Callable[[Any], object]] = {
    datetime: stamp,
    timedelta: _seconds,
    Fraction: str,
}


def _single(kind: Any, data: object, where: str) -> Any:
    read = _READERS.get(kind)
    if read is not None:
        return read(data, where)
    if issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError:
            known = ", ".join(each.value for each in kind)
            raise ValueError(f"{where} is {data!r}, not one of {known}") from None
    if type(data) is not kind:  # a yes is not a number, so no isinstance
        raise ValueError(f"{where} is {data!r}, not {kind.__name__}")
    return data


def _number(data: object, where: str) -> float:
    if type(data) is int or type(data) is float:
        return float(data)
    raise ValueError(f"{where} is {data!r}, not a number")


def _span(data: object, where: str) -> timedelta:
    # Through whole microseconds: a float's own rounding is not to reach the record.
    return round(_number(data, where) * 1_000_000) * _MICROSECOND


def _fraction(data: object, where: str) -> Fraction:
    if not isinstance(data, str):
        raise ValueError(f"{where} is {data!r}, not a fraction")
    try:
        return Fraction(data)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{where} is {data!r}, not a fraction") from None


_READERS: Mapping[type, Callable[[object, str], object]] = {
    datetime: moment_of,
    float: _number,
    timedelta: _span,
    Fraction: _fraction,
}


def _read(kind: Any, data: object, where: str) -> Any:
    given, hints, known = _mapping(data, where), _hints(kind), _fields(kind)
    foreign = sorted(set(given) - {each.name for each in known})
    if foreign:
        raise ValueError(f"{where} has {', '.join(foreign)}, which nobody knows")
    values = {}
    for each in known:
        if each.name in given:
            place = f"{where}.{each.name}"
            values[each.name] = typed_value(hints[each.name], given[each.name], place)
        elif each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"{where}.{each.name} is missing")
    return kind(**values)


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _fields(kind: type) -> tuple[Field[Any], ...]:
    return fields(kind)


def _mapping(data: object, where: str) -> Mapping[str, object]:
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} is {data!r}, not an object")
    return data


def _list(data: object, where: str) -> list[object] | tuple[object, ...]:
    if not isinstance(data, list | tuple):
        raise ValueError(f"{where} is {data!r}, not a list")
    return data
