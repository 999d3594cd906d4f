# SPDX-License-Identifier: GPL-3.0-or-later
"""What healing did about hosts since a moment, read from its book and never asked of it.

Healing is not told that a fault was made on purpose: what is to be proved is that it finds out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from storewarden.domain.chaos.experiment import Sighting, Stand
from storewarden.domain.healing.record import End, HostEnd, Occurrence, Repair, Stage
from storewarden.ports.healing import HealingBook

_STANDS = {
    Stage.HEALED: Stand.HEALED,
    Stage.ESCALATED: Stand.PERSON,
    Stage.OBSERVED: Stand.LEFT,
    Stage.SUPPRESSED: Stand.LEFT,
    Stage.REFUSED: Stand.LEFT,
    Stage.GONE: Stand.GONE,
}


def sightings(book: HealingBook, hosts: Collection[str], since: datetime) -> tuple[Sighting, ...]:
    """Alerts about these hosts that came since then, in the order of their arrival."""
    found = reversed(book.occurrences(since=since))
    return tuple(each for one in found for each in _of(book, one, hosts))


def _of(book: HealingBook, one: Occurrence, hosts: Collection[str]) -> Iterator[Sighting]:
    decision = one.decision
    # Before it was decided, or when it was refused, only its labels say whom it is about.
    named = decision.hosts if decision is not None and decision.hosts else _labelled(one)
    repair = book.repair(one.repair) if one.repair else None
    for host in sorted({*named} & {*hosts}):
        end = _end(repair, host)
        repaired = repair is not None and end is not None and end.end is End.REPAIRED
        yield Sighting(
            key=one.key,
            name=one.alert.name,
            host=host,
            rule=decision.rule if decision is not None else "",
            action=decision.action if decision is not None else "",
            seen_at=one.received_at,
            stand=_STANDS.get(one.stage, Stand.OPEN),
            since=one.since,
            repair=one.repair,
            repaired_at=repair.ended_at if repaired and repair is not None else None,
            why=_why(one, end),
        )


def _labelled(one: Occurrence) -> tuple[str, ...]:
    return tuple(one.alert.labels.values())


def _end(repair: Repair | None, host: str) -> HostEnd | None:
    ends = repair.ends if repair is not None else ()
    return next((each for each in ends if each.host == host), None)


def _why(one: Occurrence, end: HostEnd | None) -> tuple[str, str]:
    """The repair's own words, else the weightiest reason of the decision."""
    if end is not None and end.end is not End.REPAIRED and end.reason:
        return end.reason, end.reason_zh or end.reason
    reasons = one.decision.reasons if one.decision is not None else ()
    return (reasons[0].en, reasons[0].zh) if reasons else ("", "")
