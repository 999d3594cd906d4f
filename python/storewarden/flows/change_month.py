# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a month's changes: read from the ledger, reckoned in ``domain.change.month``.

What a standing change did in the month is read from its journal entries, since its record
only counts all of its runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, tzinfo

from storewarden.domain.change.debts import DebtCount
from storewarden.domain.change.events import ChangeEvent, EventKind
from storewarden.domain.change.month import (
    Material,
    MonthOfChanges,
    bounds,
    may_have_run,
    month_of_changes,
    narrowed,
)
from storewarden.domain.change.plain import entry_kind, event_of, plain_value
from storewarden.domain.change.record import Change
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.change.statistics import TARGET, Tally, by_class
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.changes import ChangeBook

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_FIRST_YEAR = 1970
_SHOWN = 20  # characters of a text that is no month
_RAN, _CLOSED = entry_kind(EventKind.RAN), entry_kind(EventKind.CLOSED)


def month_named(text: str, zone: tzinfo, now: datetime) -> date:
    """The first day of ``2026-06``; "" is the month of ``now``. Raises ConfigInvalid."""
    today = now.astimezone(zone).date()
    if not text:
        return today.replace(day=1)
    found = _MONTH.fullmatch(text.strip())
    try:
        month = date(int(found[1]), int(found[2]), 1) if found else None
    except ValueError:
        month = None
    if month is None or month.year < _FIRST_YEAR:
        raise ConfigInvalid(f"{text[:_SHOWN]!r} is no month", where="month", hint="2026-05")
    if month > today:
        raise ConfigInvalid("lies in the future", where="month", hint=f"is {month:%Y-%m}")
    return month


def changes_of_month(
    book: ChangeBook, rules: ApprovalRules, zone: tzinfo, name: str, now: datetime
) -> MonthOfChanges:
    """How the changes of the month ``name`` turned out, a text like 2026-06; "" is this month.

    Raises ConfigInvalid for what is no month, LedgerConflict and AdapterError.
    """
    month = month_named(name, zone, now)
    span = bounds(month, zone)
    every = book.changes()
    closed = [each for each in every if _within(each.closed_at, span)]
    running = [each for each in every if may_have_run(each, span)]
    standing = [narrowed(each, _runs(book, each.number), span) for each in running]
    material = Material(closed=tuple(closed), standing=tuple(standing), salt=_salt(book, closed))
    return month_of_changes(month, zone, material, rules, now)


def month_view(found: MonthOfChanges) -> dict[str, object]:
    """The report as JSON data: the same from the service and from the ledger beside it."""
    return {
        "month": f"{found.month:%Y-%m}",
        "over": found.over,
        "target": TARGET,
        "limit": found.limit,
        "core": _tally(found.core),
        "every": _tally(found.every),
        "kinds": [_tally(each) for each in found.kinds],
        "classes": [
            {**_tally(each), "analyse": each.name in found.failing} for each in found.classes
        ],
        "debts": [_debts(each) for each in found.debts],
        "sample": list(found.sample),
        "changes": [_line(each) for each in found.closed],
    }


def _within(at: datetime | None, span: tuple[datetime, datetime]) -> bool:
    return at is not None and span[0] <= at < span[1]


def _runs(book: ChangeBook, number: str) -> Iterator[ChangeEvent]:
    for entry in book.history(number):
        if entry.kind == _RAN:
            yield event_of(number, entry.kind, entry.at, entry.body)


def _salt(book: ChangeBook, closed: Sequence[Change]) -> str:
    """The hash of the entry that closed the last of them: until then nobody can know it."""
    if not closed:
        return ""
    last = max(closed, key=lambda change: (change.closed_at or change.opened_at, change.number))
    ends = [entry.hash for entry in book.history(last.number) if entry.kind == _CLOSED]
    return ends[-1] if ends else ""


def _tally(tally: Tally) -> dict[str, object]:
    return {
        "name": tally.name,
        "total": tally.total,
        "successful": tally.successful,
        "rate": tally.rate,
    }


def _debts(count: DebtCount) -> dict[str, object]:
    return {
        "kind": count.kind.value,
        "open": count.open,
        "overdue": count.overdue,
        "settled": count.settled,
        "settled_late": count.settled_late,
    }


def _line(change: Change) -> dict[str, object]:
    """Number, owner, scope, times and outcome: what the guide wants kept (2.5)."""
    draft = change.draft
    return {
        "number": change.number,
        "summary": draft.summary,
        "kind": draft.kind.value,
        "risk": draft.risk.value,
        "class": by_class(change),
        "requester": change.requester,
        "owner": change.owner,
        "items": len(draft.items),
        "stores": sorted({item.store for item in draft.items if item.store}),
        "opened_at": plain_value(change.opened_at),
        "started_at": plain_value(change.started_at),
        "ended_at": plain_value(change.ended_at),
        "closed_at": plain_value(change.closed_at),
        "outcome": plain_value(change.outcome),
        "reason": change.reason,
        "tickets": dict(change.tickets),
    }
