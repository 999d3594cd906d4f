# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of the backup catalog as JSON data and back, for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from storewarden.domain.backup import catalog_events as e
from storewarden.domain.plain_data import plain_value, typed_record

BACKUP = "backup "
"""What the kinds of journal entries begin with."""

EVENTS: Mapping[str, type[e.CatalogEvent]] = {
    "run began": e.RunBegan,
    "run ended": e.RunEnded,
    "set found": e.SetFound,
    "copy seen": e.CopySeen,
    "copy gone": e.CopyGone,
    "drilled": e.Drilled,
    "hold changed": e.HoldChanged,
    "deletion proposed": e.DeletionProposed,
    "deletion decided": e.DeletionDecided,
    "deletion ended": e.DeletionEnded,
}
"""The word of what may happen to the catalog."""

_WORDS: Mapping[type, str] = {event: BACKUP + word for word, event in EVENTS.items()}


def entry_kind(event: e.CatalogEvent) -> str:
    """The journal's word for an event."""
    return _WORDS[type(event)]


def subject_of(event: e.CatalogEvent) -> str:
    """What it happened to: the id of a run, a set or a drill, or a deletion's number."""
    if isinstance(event, e.RunBegan):
        return event.run.id
    if isinstance(event, e.RunEnded):
        return event.run
    if isinstance(event, e.SetFound):
        return event.set.id
    if isinstance(event, e.Drilled):
        return event.drill.id
    if isinstance(event, e.CopySeen | e.CopyGone | e.HoldChanged):
        return event.set
    return event.number


def body_of(event: e.CatalogEvent) -> dict[str, object]:
    """The journal body of an event."""
    own: Any = event
    return {each.name: plain_value(getattr(own, each.name)) for each in fields(own)}


def event_of(subject: str, kind: str, body: Mapping[str, object]) -> e.CatalogEvent:
    """The event that an entry tells of; ``subject`` is the entry's run. Raises ValueError for a
    body that is none of such an entry, or of something else's."""
    event = EVENTS.get(kind.removeprefix(BACKUP))
    if event is None:
        raise ValueError(f"{kind!r} is nothing that happens to the catalog")
    read: e.CatalogEvent = typed_record(event, body, kind)
    if subject_of(read) != subject:
        raise ValueError(f"{kind!r} tells of {subject_of(read)!r}, not of {subject!r}")
    return read
