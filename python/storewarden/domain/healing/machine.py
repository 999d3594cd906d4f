# SPDX-License-Identifier: GPL-3.0-or-later
"""What may follow what in the life of an occurrence, in one table, and the fold over it.

The decision asks the table before it tells an event, and the ledger's check asks it again for every
entry that it reads back: what the table does not allow cannot have happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from storewarden.domain.healing.events import (
    AlertEvent,
    Arrived,
    Decided,
    Denied,
    Granted,
    Moved,
    Refired,
    Resolved,
)
from storewarden.domain.healing.record import OVER, Decision, Occurrence, Stage, Verdict

_OPEN = frozenset({Stage.RECEIVED, Stage.WAITING, Stage.ASKING, Stage.SUPPRESSED})
_REOPENED = frozenset({Stage.GONE, Stage.HEALED})
_MUST_WAIT = frozenset({Verdict.WAIT, Verdict.ASK})
_MAY_WAIT = _MUST_WAIT | {Verdict.SUPPRESS}

STAGE_OF: Mapping[Verdict, Stage] = {
    Verdict.ACT: Stage.ACTING,
    Verdict.ASK: Stage.ASKING,
    Verdict.WAIT: Stage.WAITING,
    Verdict.OBSERVE: Stage.OBSERVED,
    Verdict.SUPPRESS: Stage.SUPPRESSED,
    Verdict.REFUSE: Stage.REFUSED,
    Verdict.ESCALATE: Stage.ESCALATED,
    Verdict.DROP: Stage.GONE,
}
"""Where a decision brings an occurrence."""

NEXT: Mapping[Stage, frozenset[Stage]] = {
    **dict.fromkeys(_OPEN, frozenset(STAGE_OF.values())),
    # A run that was never begun, or that found its host busy, is decided anew.
    Stage.ACTING: frozenset({Stage.VERIFYING, Stage.WAITING, Stage.ESCALATED, Stage.GONE}),
    Stage.VERIFYING: frozenset({Stage.VERIFYING, Stage.HEALED, Stage.ESCALATED}),
    **dict.fromkeys(OVER, frozenset[Stage]()),
}
"""Which stages may follow one. Only an alert that fires again opens what is over."""


def fold(occurrence: Occurrence | None, event: AlertEvent) -> Occurrence:
    """The occurrence after ``event``; None only before Arrived.

    Raises ValueError for an event that the table does not allow, or that is another's.
    """
    what = event.what
    if occurrence is None:
        if not isinstance(what, Arrived):
            raise ValueError(f"{event.key} begins with {type(what).__name__}, not with Arrived")
        return _arrived(event, what)
    if event.key != occurrence.key:
        raise ValueError(f"an event of {event.key} is none of {occurrence.key}")
    if isinstance(what, Arrived):
        raise ValueError(f"{event.key} arrived twice")
    return _after(occurrence, event)


def replay(events: Iterable[AlertEvent]) -> Occurrence:
    """The occurrence after all its events, in order. ValueError when there are none."""
    occurrence: Occurrence | None = None
    for event in events:
        occurrence = fold(occurrence, event)
    if occurrence is None:
        raise ValueError("no events")
    return occurrence


def _arrived(event: AlertEvent, what: Arrived) -> Occurrence:
    if what.alert.key != event.key:
        raise ValueError(f"{event.key} is not the key of its alert")
    resolved = event.at if what.resolved else None
    return Occurrence(
        key=event.key,
        number=what.number,
        alert=what.alert,
        received_at=event.at,
        due=event.at,
        resolved_at=resolved,
        since=event.at,
    )


def _after(occurrence: Occurrence, event: AlertEvent) -> Occurrence:
    what = event.what
    if isinstance(what, Resolved):
        return _resolved(occurrence, event)
    if isinstance(what, Refired):
        return _refired(occurrence, event)
    if isinstance(what, Decided):
        return _decided(occurrence, event, what)
    if isinstance(what, Granted):
        _require(occurrence, occurrence.stage is Stage.ASKING, "nobody is asked")
        return replace(
            occurrence,
            granted=event.by,
            granted_until=what.until,
            agreed=what.guards,
            due=event.at,
        )
    if isinstance(what, Denied):
        _require(occurrence, occurrence.stage in _OPEN, "it cannot be taken over any more")
        return replace(occurrence, stage=Stage.ESCALATED, due=None, since=event.at)
    assert isinstance(what, Moved)  # noqa: S101 - for the type checker
    return _moved(occurrence, event, what)


def _resolved(occurrence: Occurrence, event: AlertEvent) -> Occurrence:
    """It stays where it stands: what is done about it is decided at the next look, now."""
    if occurrence.resolved_at is not None:
        return occurrence
    again = occurrence.stage in _OPEN | {Stage.VERIFYING}
    if occurrence.stage is Stage.SUPPRESSED and occurrence.due is None:
        again = False  # suppressed for good
    due = event.at if again else occurrence.due
    return replace(occurrence, resolved_at=event.at, due=due)


def _refired(occurrence: Occurrence, event: AlertEvent) -> Occurrence:
    """Not over after all. What was healed, or was gone, is decided about as if it had just come;
    a person who has it keeps it."""
    if occurrence.resolved_at is None:
        return occurrence
    if occurrence.stage not in _REOPENED:
        return replace(occurrence, resolved_at=None, good=0)
    return replace(
        occurrence,
        stage=Stage.RECEIVED,
        received_at=event.at,
        due=event.at,
        resolved_at=None,
        granted="",
        granted_until=None,
        agreed=(),
        tries=0,
        since=event.at,
        good=0,
        fresh=event.at,
    )


def _decided(occurrence: Occurrence, event: AlertEvent, what: Decided) -> Occurrence:
    decision: Decision = what.decision
    _require(occurrence, occurrence.stage in _OPEN, "it was decided already")
    acts = decision.verdict is Verdict.ACT
    if acts != bool(what.repair):
        raise ValueError(f"{occurrence.key}: a repair belongs to the decision to act, only to it")
    least, most = decision.verdict in _MUST_WAIT, decision.verdict in _MAY_WAIT
    if not least <= (decision.due is not None) <= most:
        raise ValueError(f"{occurrence.key}: who waits or asks says until when, nobody else")
    held = decision.due if decision.verdict is Verdict.SUPPRESS else None
    return replace(
        occurrence,
        stage=STAGE_OF[decision.verdict],
        decision=decision,
        due=decision.due,
        repair=what.repair or occurrence.repair,
        tries=occurrence.tries + acts,
        fresh=held or occurrence.fresh,
        since=_since(occurrence, STAGE_OF[decision.verdict], event),
    )


def _moved(occurrence: Occurrence, event: AlertEvent, what: Moved) -> Occurrence:
    _require(
        occurrence,
        what.stage in NEXT[occurrence.stage] and occurrence.stage not in _OPEN,
        f"it cannot become {what.stage.value}",
    )
    waits = what.stage in (Stage.WAITING, Stage.VERIFYING)
    if waits != (what.due is not None):
        raise ValueError(f"{occurrence.key}: who waits says until when, nobody else")
    since = _since(occurrence, what.stage, event)
    return replace(
        occurrence,
        stage=what.stage,
        due=what.due,
        since=since,
        good=what.good,
        tries=occurrence.tries - what.free,
    )


def _since(occurrence: Occurrence, stage: Stage, event: AlertEvent) -> datetime | None:
    return occurrence.since if stage is occurrence.stage else event.at


def _require(occurrence: Occurrence, holds: bool, why: str) -> None:
    if not holds:
        raise ValueError(f"{occurrence.key} is {occurrence.stage.value}: {why}")
