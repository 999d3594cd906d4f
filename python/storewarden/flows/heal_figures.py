# SPDX-License-Identifier: GPL-3.0-or-later
"""How healing did in a span of time: outcomes of alerts, taken from the book.

An alert is an outcome when a person or a verified repair ended it. A host on which the action found
nothing wrong was not repaired by anybody, so it counts as over by itself, not as a success.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.healing.record import End, Occurrence, Repair, Stage
from storewarden.domain.healing.statistics import (
    Figures,
    Outcome,
    Proposal,
    by_action,
    by_rule,
    tallies,
)
from storewarden.ports.healing import HealingBook

MARGIN = timedelta(days=1)
"""How long before its end an alert may have come: hold-down, question, repair and verification
together take less than two hours."""

_OVER = (Stage.HEALED, Stage.ESCALATED)
_NOT_MADE = frozenset({End.NOT_BEGUN, End.UNREACHABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class HealFigures:
    """The figures of what ended from ``begin`` until before ``end``; ``earned`` are actions that
    may go from approve to auto."""

    begin: datetime
    end: datetime
    rules: tuple[Figures, ...]
    actions: tuple[Figures, ...]
    whole: Figures
    earned: tuple[Proposal, ...] = ()


def figures(
    book: HealingBook, begin: datetime, end: datetime, earned: Iterable[Proposal] = ()
) -> HealFigures:
    """Everything that ended in the span."""
    found = tuple(outcomes(book, begin))
    whole = tallies(found, begin, end, key=lambda _outcome: "*")
    return HealFigures(
        begin=begin,
        end=end,
        rules=tallies(found, begin, end, by_rule),
        actions=tallies(found, begin, end, by_action),
        whole=whole[0] if whole else Figures(name="*"),
        earned=tuple(earned),
    )


def outcomes(book: HealingBook, begin: datetime) -> Iterator[Outcome]:
    """One for each alert that ended, for those that ended since ``begin`` at least."""
    since = begin - MARGIN
    repairs = {each.id: each for each in book.repairs(since=since)}
    for occurrence in book.occurrences(stages=_OVER, since=since):
        decision = occurrence.decision
        if decision is None or not decision.rule:
            continue
        end = _end(occurrence, repairs)
        healthy = occurrence.stage is Stage.HEALED and end is End.HEALTHY
        yield Outcome(
            rule=decision.rule,
            action=decision.action,
            stage=Stage.GONE if healthy else occurrence.stage,
            starts_at=occurrence.began_at,
            ended_at=occurrence.since or occurrence.received_at,
            acted=end is not None and end not in _NOT_MADE,
        )


def _end(occurrence: Occurrence, repairs: Mapping[str, Repair]) -> End | None:
    """How its last repair came out on its host; None when none was begun."""
    repair, decision = repairs.get(occurrence.repair), occurrence.decision
    if repair is None or repair.begun_at is None or decision is None:
        return None
    return next((each.end for each in repair.ends if each.host in decision.hosts), None)


def figures_data(found: HealFigures) -> dict[str, object]:
    """As JSON data: durations in seconds, shares in percent; null where nothing can be said."""
    return {
        "begin": found.begin.isoformat(),
        "end": found.end.isoformat(),
        "all": _row(found.whole),
        "rules": [_row(each) for each in found.rules],
        "actions": [_row(each) for each in found.actions],
        "earned_auto": [
            {"action": each.action, "runs": each.runs, "verified": each.verified}
            for each in found.earned
        ],
    }


def _row(each: Figures) -> dict[str, object]:
    mttr, success, escalation = each.mttr, each.success, each.escalation
    return {
        "name": each.name,
        "alerts": each.total,
        "repaired": each.acted,
        "healed": each.healed,
        "escalated": each.escalated,
        "mttr_seconds": None if mttr is None else round(mttr.total_seconds()),
        "success_percent": None if success is None else round(float(success) * 100, 1),
        "escalation_percent": None if escalation is None else round(float(escalation) * 100, 1),
        "reached": dict(each.reached),
    }
