# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is still owed, over all changes: the list that is worked off.

An emergency may act first because this list exists; a debt leaves it by being
paid, never by its change being closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.change.record import Change, Debt, DebtKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One open debt: of which change, who answers for that, and whether its time is over."""

    number: str
    summary: str
    owner: str
    debt: Debt
    overdue: bool
    left: timedelta
    """Until it is due; negative when overdue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtCount:
    """How many debts of one kind there are: open now (overdue among them), and paid."""

    kind: DebtKind
    open: int
    overdue: int
    settled: int
    settled_late: int


def debts(changes: Iterable[Change], now: datetime) -> tuple[Owed, ...]:
    """All open debts, the one that is due first on top."""
    found = [
        Owed(
            number=change.number,
            summary=change.draft.summary,
            owner=change.owner,
            debt=debt,
            overdue=debt.due <= now,
            left=debt.due - now,
        )
        for change in changes
        for debt in change.debts
        if debt.settled_at is None
    ]
    return tuple(sorted(found, key=lambda owed: (owed.debt.due, owed.number, owed.debt.kind.value)))


def count_debts(changes: Iterable[Change], now: datetime) -> tuple[DebtCount, ...]:
    """The debts of ``changes`` counted, one row per kind."""
    every = [debt for change in changes for debt in change.debts]
    return tuple(_count(kind, [d for d in every if d.kind is kind], now) for kind in DebtKind)


def _count(kind: DebtKind, found: list[Debt], now: datetime) -> DebtCount:
    unpaid = [debt for debt in found if debt.settled_at is None]
    late = [debt for debt in found if debt.settled_at is not None and debt.settled_at > debt.due]
    return DebtCount(
        kind=kind,
        open=len(unpaid),
        overdue=sum(debt.due <= now for debt in unpaid),
        settled=len(found) - len(unpaid),
        settled_late=len(late),
    )
