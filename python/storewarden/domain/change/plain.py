# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes and their events as JSON data and back, for the state row and the journal.

How records are written at all is ``domain/plain_data.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from storewarden.domain.change.events import ChangeEvent, EventKind
from storewarden.domain.change.record import Change, Draft, KeyStep, RollbackPlan, Span
from storewarden.domain.plain_data import (
    moment_of,
    plain_record,
    plain_value,
    stamp,
    typed_record,
    typed_value,
)

__all__ = [
    "body_of",
    "entry_kind",
    "event_of",
    "moment_of",
    "plain",
    "plain_draft",
    "plain_value",
    "stamp",
    "typed",
    "typed_draft",
    "typed_rollback",
    "typed_steps",
    "typed_window",
]

_ENTRY = "change "
_OWN = ("by", "at")  # keys of a journal body that are not the event's data


def plain(change: Change) -> dict[str, object]:
    """A change as JSON data, for its state row."""
    return plain_record(change)


def typed(data: Mapping[str, object]) -> Change:
    """The change that ``plain`` made ``data`` of. Raises ValueError, naming the place."""
    return typed_record(Change, data, "change")


def plain_draft(draft: Draft) -> dict[str, object]:
    """A draft as JSON data, for OPENED."""
    return plain_record(draft)


def typed_draft(data: object) -> Draft:
    """The draft of an OPENED event, or of a request body. Raises ValueError, naming the place."""
    return typed_record(Draft, data, "draft")


def typed_rollback(data: object) -> RollbackPlan:
    """A rollback plan. Raises ValueError."""
    return typed_record(RollbackPlan, data, "rollback")


def typed_window(data: object) -> Span | None:
    """A window; None stays None. Raises ValueError."""
    return None if data is None else typed_record(Span, data, "window")


def typed_steps(data: object) -> tuple[KeyStep, ...]:
    """Key steps. Raises ValueError."""
    return tuple(typed_value(tuple[KeyStep, ...], data, "steps"))


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
        by=typed_value(str, body.get("by", ""), "by"),
        data=data,
    )
