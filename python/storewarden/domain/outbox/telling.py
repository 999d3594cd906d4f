# SPDX-License-Identifier: GPL-3.0-or-later
"""Which journal entries are worth telling, and as what.

A kind that is not known here is no notice: new kinds of entries come with every
part of storewarden, and most of them are bookkeeping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from storewarden.domain.outbox.change_words import change_words
from storewarden.domain.outbox.delivery_words import BLOCKED, blocked_words
from storewarden.domain.outbox.drift_words import (
    FORCED,
    JUDGED,
    MONTH_CLOSED,
    forced_words,
    judged_words,
    month_words,
)
from storewarden.domain.outbox.incident_lines import is_incident_entry
from storewarden.domain.outbox.incident_words import incident_words
from storewarden.domain.outbox.ledger_words import (
    ANCHORED,
    AUDIT_ENDED,
    PARKED,
    anchor_words,
    audit_words,
    parked_words,
)
from storewarden.domain.outbox.notice import Context, Event, Notice, Words
from storewarden.domain.outbox.restore_words import RESTORED, restored_words
from storewarden.domain.outbox.rollout_words import is_rollout, rollout_words

_CHANGE = "change "


def notice_of(event: Event, context: Context) -> Notice | None:
    """What an entry has to tell; None when nobody has to know.

    ``context.change`` must be the entry's change (its run) for entries of changes, else they
    are not told; ``context.audit`` its audit's result for "audit ended".
    """
    words = _words(event, context)
    if words is None:
        return None
    return Notice(sequence=event.sequence, at=event.at, kind=event.kind, run=event.run, words=words)


def needs_change(kind: str) -> bool:
    """Whether telling entries of this kind takes their change."""
    return kind.startswith(_CHANGE)


def needs_audit(kind: str) -> bool:
    """Whether telling entries of this kind takes their audit's result."""
    return kind == AUDIT_ENDED


_PLAIN: Mapping[str, Callable[[Event], Words | None]] = {
    BLOCKED: blocked_words,
    PARKED: parked_words,
    JUDGED: judged_words,
    MONTH_CLOSED: month_words,
    FORCED: forced_words,
    RESTORED: restored_words,
}
"""Entries that tell everything themselves."""


def _words(event: Event, context: Context) -> Words | None:
    if needs_change(event.kind):
        return change_words(event, context.change, context) if context.change else None
    if event.kind == AUDIT_ENDED:
        return audit_words(event, context)
    if event.kind == ANCHORED:
        return anchor_words(event, context)
    if is_rollout(event.kind):
        return rollout_words(event)
    if is_incident_entry(event.kind):
        return incident_words(event, context.incident)
    words = _PLAIN.get(event.kind)
    return words(event) if words else None
