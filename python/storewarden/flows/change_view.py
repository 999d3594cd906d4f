# SPDX-License-Identifier: GPL-3.0-or-later
"""A change as others read it: the same JSON from the service and from the ledger beside it.

``whole`` holds the record itself, word for word as ``domain.change.plain`` writes it, so
that a reader may make a ``Change`` of it again.
"""

from __future__ import annotations

from storewarden.domain.change.debts import Owed
from storewarden.domain.change.plain import plain, plain_value, stamp
from storewarden.domain.change.record import Change
from storewarden.flows.change_desk import ChangeDesk
from storewarden.ports.ledger import JournalEntry


def whole(desk: ChangeDesk, change: Change) -> dict[str, object]:
    """``{"change": the record, "waits_for": whose yes is missing}``."""
    return {"change": plain(change), "waits_for": desk.waits_for(change)}


def row(desk: ChangeDesk, change: Change) -> dict[str, object]:
    """One line of a list: no items, no journal."""
    draft = change.draft
    return {
        "number": change.number,
        "state": change.state.value,
        "kind": draft.kind.value,
        "risk": draft.risk.value,
        "summary": draft.summary,
        "requester": change.requester,
        "owner": change.owner,
        "opened_at": stamp(change.opened_at),
        "window": plain_value(draft.window),
        "items": len(draft.items),
        "outcome": change.outcome.value if change.outcome else None,
        "standing": draft.standing.action if draft.standing else None,
        "open_debts": sum(debt.settled_at is None for debt in change.debts),
        "waits_for": desk.waits_for(change),
    }


def entry(found: JournalEntry) -> dict[str, object]:
    """One journal entry with its hash."""
    return {
        "sequence": found.sequence,
        "at": stamp(found.at),
        "kind": found.kind,
        "body": dict(found.body),
        "hash": found.hash,
    }


def debt(owed: Owed) -> dict[str, object]:
    """One open debt."""
    return {
        "number": owed.number,
        "summary": owed.summary,
        "owner": owed.owner,
        "kind": owed.debt.kind.value,
        "due": stamp(owed.debt.due),
        "what": owed.debt.what,
        "reminded": owed.debt.reminded,
        "overdue": owed.overdue,
    }
