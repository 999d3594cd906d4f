# SPDX-License-Identifier: GPL-3.0-or-later
"""Occurrences, repairs and their events as JSON data and back, for state rows and the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from storewarden.domain.healing import events as e
from storewarden.domain.plain_data import (
    moment_of,
    plain_value,
    stamp,
    typed_record,
    typed_value,
)

ALERT, REPAIR = "alert ", "repair "
"""What the kinds of journal entries begin with."""

_OWN = ("by", "at")  # keys of a journal body that are not the event's data

ALERTS: Mapping[str, type[e.Happening]] = {
    "arrived": e.Arrived,
    "resolved": e.Resolved,
    "refired": e.Refired,
    "decided": e.Decided,
    "granted": e.Granted,
    "denied": e.Denied,
    "moved": e.Moved,
}
"""The word of what may happen to an occurrence."""

REPAIRS: Mapping[str, type[e.RepairHappening]] = {
    "opened": e.RepairOpened,
    "begun": e.RepairBegun,
    "ended": e.RepairEnded,
}
"""The word of what may happen to a repair."""

_WORDS: Mapping[type, str] = {
    **{happening: ALERT + word for word, happening in ALERTS.items()},
    **{happening: REPAIR + word for word, happening in REPAIRS.items()},
}


def entry_kind(event: e.AlertEvent | e.RepairEvent) -> str:
    """The journal's word for an event."""
    return _WORDS[type(event.what)]


def body_of(event: e.AlertEvent | e.RepairEvent) -> dict[str, object]:
    """The journal body of an event."""
    own: Any = event.what
    data = {each.name: plain_value(getattr(own, each.name)) for each in fields(own)}
    return {"by": event.by, "at": stamp(event.at), **data}


def alert_event(key: str, kind: str, at: datetime, body: Mapping[str, object]) -> e.AlertEvent:
    """The event that an entry tells of; ``key`` is the entry's run. Raises ValueError."""
    what: Any = happening_of(ALERTS, kind.removeprefix(ALERT), body)
    return e.AlertEvent(key=key, at=said_at(body, at), by=said_by(body), what=what)


def repair_event(ident: str, kind: str, at: datetime, body: Mapping[str, object]) -> e.RepairEvent:
    """The event that an entry tells of; ``ident`` is the entry's run. Raises ValueError."""
    what: Any = happening_of(REPAIRS, kind.removeprefix(REPAIR), body)
    return e.RepairEvent(id=ident, at=said_at(body, at), by=said_by(body), what=what)


def happening_of(kinds: Mapping[str, Any], word: str, body: Mapping[str, object]) -> object:
    """What happened, by its word among ``kinds``. Raises ValueError."""
    happening = kinds.get(word)
    if happening is None:
        raise ValueError(f"{word!r} is nothing that happens there")
    data = {key: value for key, value in body.items() if key not in _OWN}
    return typed_record(happening, data, word)


def said_at(body: Mapping[str, object], at: datetime) -> datetime:
    """When it happened; ``at`` is the entry's own time."""
    moment = body.get("at")
    return at if moment is None else moment_of(moment, "at")


def said_by(body: Mapping[str, object]) -> str:
    """Who told it."""
    return str(typed_value(str, body.get("by", ""), "by"))
