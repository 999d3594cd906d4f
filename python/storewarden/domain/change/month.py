# SPDX-License-Identifier: GPL-3.0-or-later
"""How the changes of one month turned out: the figures that the guide asks for each month.

A change belongs to the month in which it was closed, in the site's zone; a standing change is
open for longer than that, so it counts by the runs that began in the month. The auditor's
sample is drawn when the month is over, with a lot that nobody could know before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from storewarden.domain.change.debts import DebtCount, count_debts
from storewarden.domain.change.events import ChangeEvent, EventKind
from storewarden.domain.change.plain import moment_of
from storewarden.domain.change.record import Change
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.change.statistics import (
    Tally,
    audit_sample,
    by_class,
    by_kind,
    failing,
    overall,
    success_rate,
)

CORE = "core"
"""The tier of the systems that the target is about (guide 2.7.1)."""

_A_MONTH = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a month is reckoned from.

    ``closed`` are the changes that were closed in it, standing ones among them; ``standing``
    are standing changes with the runs of the month alone (``narrowed``). ``salt`` draws the
    sample: the hash of the journal entry that closed the month's last change, say.
    """

    closed: tuple[Change, ...]
    standing: tuple[Change, ...] = ()
    salt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthOfChanges:
    """One month; ``month`` is its first day, ``over`` says whether more may still come.

    ``core`` counts what touched a core system. ``failing`` are the classes that fail more often
    than ``limit``, a share.
    ``sample`` are the numbers of the changes to be audited, empty while the month goes on.
    """

    month: date
    over: bool
    closed: tuple[Change, ...]
    every: Tally
    core: Tally
    kinds: tuple[Tally, ...]
    classes: tuple[Tally, ...]
    failing: tuple[str, ...]
    limit: float
    debts: tuple[DebtCount, ...]
    sample: tuple[str, ...]


def bounds(month: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """The first moment of the month that ``month`` lies in, and that of the next, in UTC."""
    first = month.replace(day=1)
    later = (first + _A_MONTH).replace(day=1)
    begins, ends = (datetime.combine(day, time.min, tzinfo=zone) for day in (first, later))
    return begins.astimezone(UTC), ends.astimezone(UTC)


def may_have_run(change: Change, span: tuple[datetime, datetime]) -> bool:
    """Whether a run of this change can have begun within ``span``; its events know."""
    standing = change.standing
    if standing is None or standing.last_run is None:
        return False
    return change.opened_at < span[1] and standing.until > span[0]


def narrowed(
    change: Change, events: Iterable[ChangeEvent], span: tuple[datetime, datetime]
) -> Change:
    """A standing change with those runs alone that began within ``span``.

    Raises ValueError for a change that is no standing one, and for events that are damaged.
    """
    if change.standing is None:
        raise ValueError(f"{change.number} is no standing change, it has no runs")
    ran = [event for event in events if event.kind is EventKind.RAN and _began(event, span)]
    failures = sum(event.data.get("succeeded") is not True for event in ran)
    return replace(change, standing=replace(change.standing, runs=len(ran), failures=failures))


def month_of_changes(
    month: date, zone: tzinfo, material: Material, rules: ApprovalRules, now: datetime
) -> MonthOfChanges:
    """The month's figures, as they are at ``now``."""
    single = (change for change in material.closed if change.standing is None)
    counted = (*single, *material.standing)
    over = bounds(month, zone)[1] <= now
    drawn = audit_sample(material.closed, month, zone, material.salt) if over else ()
    return MonthOfChanges(
        month=month.replace(day=1),
        over=over,
        closed=tuple(sorted(material.closed, key=lambda change: change.number)),
        every=overall(counted),
        core=replace(overall(change for change in counted if _touches_core(change)), name=CORE),
        kinds=success_rate(counted, by_kind),
        classes=success_rate(counted, by_class),
        failing=tuple(each.name for each in failing(counted, limit=rules.failing_share)),
        limit=rules.failing_share,
        debts=count_debts(material.closed, now),
        sample=tuple(change.number for change in drawn),
    )


def _began(event: ChangeEvent, span: tuple[datetime, datetime]) -> bool:
    return span[0] <= moment_of(event.data.get("began"), "began") < span[1]


def _touches_core(change: Change) -> bool:
    return any(item.tier == CORE for item in change.draft.items)
