# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as JSON data and back, for the state row and the journal.

One rule for all records: a dataclass is an object with a key per field, an enum
its value, a moment text in UTC with microseconds, a tuple a list. Reading is
strict, because a row that cannot be read word for word was written by somebody
else; only a field that has a default may be absent (rows of an older version).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from storewarden.domain.change.events import ChangeEvent, EventKind
from storewarden.domain.change.record import Change, Draft, KeyStep, RollbackPlan, Span

_ENTRY = "change "
_OWN = ("by", "at")  # keys of a journal body that are not the event's data


def plain(change: Change) -> dict[str, object]:
    """A change as JSON data, for its state row."""
    return _object(change)


def typed(data: Mapping[str, object]) -> Change:
    """The change that ``plain`` made ``data`` of. Raises ValueError, naming the place."""
    change: Change = _read(Change, data, "change")
    return change


def plain_draft(draft: Draft) -> dict[str, object]:
    """A draft as JSON data, for OPENED."""
    return _object(draft)


def typed_draft(data: object) -> Draft:
    """The draft of an OPENED event, or of a request body. Raises ValueError, naming the place."""
    draft: Draft = _read(Draft, data, "draft")
    return draft


def plain_value(value: object) -> object:
    """Any record, enum, moment or tuple of this room as JSON data."""
    return _plain(value)


def typed_rollback(data: object) -> RollbackPlan:
    """A rollback plan. Raises ValueError."""
    plan: RollbackPlan = _read(RollbackPlan, data, "rollback")
    return plan


def typed_window(data: object) -> Span | None:
    """A window; None stays None. Raises ValueError."""
    return None if data is None else _read(Span, data, "window")


def typed_steps(data: object) -> tuple[KeyStep, ...]:
    """Key steps. Raises ValueError."""
    return tuple(_typed(tuple[KeyStep, ...], data, "steps"))


def body_of(event: ChangeEvent) -> dict[str, object]:
    """The journal body of an event."""
    return {"by": event.by, "at": stamp(event.at), **event.data}


def entry_kind(kind: EventKind) -> str:
    """The journal's word for an event of this kind."""
    return _ENTRY + kind.value


def event_of(number: str, kind: str, at: datetime, body: Mapping[str, object]) -> ChangeEvent:
    """The event that a journal entry tells of; ``number`` is the entry's run.

    ``kind`` is the entry's kind, with or without "change " in front. ``at`` (the entry's own
    moment) counts when the body has none. Raises ValueError for a kind nobody knows.
    """
    moment = body.get("at")
    data = {key: value for key, value in body.items() if key not in _OWN}
    return ChangeEvent(
        number=number,
        kind=EventKind(kind.removeprefix(_ENTRY)),
        at=at if moment is None else moment_of(moment, "at"),
        by=_typed(str, body.get("by", ""), "by"),
        data=data,
    )


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


def _object(record: Any) -> dict[str, object]:
    kind: Any = type(record)
    return {each.name: _plain(getattr(record, each.name)) for each in _fields(kind)}


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return stamp(value)
    if is_dataclass(value):
        return _object(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _typed(kind: Any, data: object, where: str) -> Any:
    """``data`` as ``kind``, a field's type: the few forms that records of this room use."""
    if isinstance(kind, UnionType):  # only "X | None" occurs
        inner = next(each for each in get_args(kind) if each is not type(None))
        return None if data is None else _typed(inner, data, where)
    origin = get_origin(kind)
    if origin is tuple:
        item = get_args(kind)[0]
        return tuple(
            _typed(item, each, f"{where}[{i}]") for i, each in enumerate(_list(data, where))
        )
    if origin is not None:  # Mapping[str, X]
        item = get_args(kind)[1]
        pairs = _mapping(data, where).items()
        return {str(key): _typed(item, each, f"{where}.{key}") for key, each in pairs}
    if is_dataclass(kind):
        return _read(kind, data, where)
    return _single(kind, data, where)


def _single(kind: Any, data: object, where: str) -> Any:
    if kind is datetime:
        return moment_of(data, where)
    if issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError:
            known = ", ".join(each.value for each in kind)
            raise ValueError(f"{where} is {data!r}, not one of {known}") from None
    if type(data) is not kind:  # a yes is not a number, so no isinstance
        raise ValueError(f"{where} is {data!r}, not {kind.__name__}")
    return data


def _read(kind: Any, data: object, where: str) -> Any:
    given, hints, known = _mapping(data, where), _hints(kind), _fields(kind)
    foreign = sorted(set(given) - {each.name for each in known})
    if foreign:
        raise ValueError(f"{where} has {', '.join(foreign)}, which nobody knows")
    values = {}
    for each in known:
        if each.name in given:
            values[each.name] = _typed(hints[each.name], given[each.name], f"{where}.{each.name}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"{where}.{each.name} is missing")
    return kind(**values)


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
