# SPDX-License-Identifier: GPL-3.0-or-later
"""What the events of the catalog add up to.

Each fold gives the record back unchanged for what is known already, so whoever writes knows what
is new. Looks at a copy may come in any order: jobs run on hosts that are out of reach for hours.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from storewarden.domain.backup import catalog_events as e
from storewarden.domain.backup.catalog import (
    BackupSet,
    Copy,
    DeletionRequest,
    DeletionState,
    Doubt,
    DrillRecord,
    Run,
)
from storewarden.domain.backup.policy import Level

type RunEvent = e.RunBegan | e.RunEnded
type SetEvent = e.SetFound | e.CopySeen | e.CopyGone | e.HoldChanged
type DeletionEvent = e.DeletionProposed | e.DeletionDecided | e.DeletionEnded

_OPEN = (DeletionState.PROPOSED, DeletionState.APPROVED)


def fold_run(before: Run | None, event: RunEvent) -> Run:
    """The run afterwards. Raises ValueError for one that ends and never began."""
    if isinstance(event, e.RunBegan):
        return before or event.run
    if before is None:
        raise ValueError(f"run {event.run} ended and never began")
    if before.ended is not None:
        return before
    return replace(
        before,
        ended=event.at,
        end=event.end,
        reason=event.reason,
        reason_zh=event.reason_zh,
        set=event.set,
        seconds=event.seconds,
        tool_seconds=event.tool_seconds,
    )


def fold_set(before: BackupSet | None, event: SetEvent) -> BackupSet:
    """The set with its copies afterwards. Raises ValueError for a copy of no set."""
    if isinstance(event, e.SetFound):
        return before or replace(event.set, copies=(), expired=None)
    if before is None:
        raise ValueError(f"set {event.set} is not in the catalog")
    if isinstance(event, e.HoldChanged):
        return replace(before, hold=event.hold)
    copies = {each.location: each for each in before.copies}
    after = _copy(copies.get(event.location), event)
    if after is None:  # a copy that nobody knew is gone: nothing has changed
        return before
    copies[event.location] = after
    return _with(before, copies)


def fold_drill(before: DrillRecord | None, event: e.Drilled) -> DrillRecord:
    """The drill: it ends once."""
    return before or event.drill


def fold_deletion(before: DeletionRequest | None, event: DeletionEvent) -> DeletionRequest:
    """The request afterwards. Raises ValueError for what cannot happen to it."""
    if isinstance(event, e.DeletionProposed):
        return before or DeletionRequest(
            number=event.number,
            sets=event.sets,
            digest=event.digest,
            proposed_by=event.by,
            proposed_at=event.at,
        )
    if before is None:
        raise ValueError(f"nobody proposed deletion {event.number}")
    return (
        _decided(before, event) if isinstance(event, e.DeletionDecided) else _ended(before, event)
    )


def deletion_open(request: DeletionRequest) -> bool:
    """Whether anything may still come of it."""
    return request.state in _OPEN


def _copy(before: Copy | None, event: e.CopySeen | e.CopyGone) -> Copy | None:
    if isinstance(event, e.CopyGone):
        return None if before is None else _gone(before, event)
    there = before or Copy(set=event.set, location=event.location, made=event.at)
    there = replace(
        there,
        made=min(there.made, event.at),
        immutable_until=max(
            (each for each in (there.immutable_until, event.immutable_until) if each), default=None
        ),
    )
    if there.void is not None and event.at <= there.void:
        return there
    if event.doubt:
        return _doubted(there, event)
    return _harmed(there, event) if event.damaged else _whole(there, event)


def _gone(before: Copy, event: e.CopyGone) -> Copy:
    if before.void is not None and event.at <= before.void:
        return before
    after = _since(before, event.at)
    return replace(after, damaged="", deleted=None if after.looks else event.at)


def _harmed(before: Copy, event: e.CopySeen) -> Copy:
    """A later look of Level.READ may be known already: then it is whole again."""
    after = _since(before, event.at)
    deep = after.seen(Level.READ) if after.looks else None
    return replace(after, damaged="" if deep else event.damaged, deleted=None)


def _whole(before: Copy, event: e.CopySeen) -> Copy:
    key = str(event.level.value)
    looks = dict(before.looks)
    looks[key] = max(looks.get(key, event.at), event.at)
    damaged = "" if event.level >= Level.READ else before.damaged
    return _seen(replace(before, looks=looks, damaged=damaged, deleted=None))


def _doubted(before: Copy, event: e.CopySeen) -> Copy:
    """What was seen stays known: a look that succeeds makes an end of the doubt, not of that."""
    key, doubt = str(event.level.value), Doubt(since=event.at, why=event.doubt)
    if key in before.doubts and before.doubts[key].since >= event.at:
        return before
    return _settled(replace(before, doubts={**before.doubts, key: doubt}))


def _settled(copy: Copy) -> Copy:
    """Without the doubts that a later look has settled."""
    if not copy.doubts:
        return copy
    looks = {deep: copy.seen(Level(int(deep))) for deep in copy.doubts}
    left = {
        deep: doubt
        for deep, doubt in copy.doubts.items()
        if (seen := looks[deep]) is None or seen < doubt.since
    }
    return replace(copy, doubts=left)


def _since(copy: Copy, void: datetime) -> Copy:
    """Without what was seen, or could not be seen, up to a moment."""
    looks = {deep: at for deep, at in copy.looks.items() if at > void}
    doubts = {deep: each for deep, each in copy.doubts.items() if each.since > void}
    return _seen(replace(copy, looks=looks, void=void, doubts=doubts))


def _seen(copy: Copy) -> Copy:
    deepest = max(map(int, copy.looks), default=0)
    level, verified = Level(deepest), copy.looks.get(str(deepest))
    return _settled(replace(copy, level=level, verified=verified))


def _with(before: BackupSet, copies: dict[str, Copy]) -> BackupSet:
    """A set is gone when its last copy is."""
    there = tuple(copies[name] for name in sorted(copies))
    gone = [each.deleted for each in there if each.deleted is not None]
    return replace(before, copies=there, expired=max(gone) if len(gone) == len(there) else None)


def _decided(before: DeletionRequest, event: e.DeletionDecided) -> DeletionRequest:
    state = DeletionState(event.state)
    after = replace(
        before, state=state, decided_by=event.by, decided_at=event.at, reason=event.reason
    )
    if after == before:
        return before
    steps = (DeletionState.APPROVED, DeletionState.REFUSED, DeletionState.WITHDRAWN)
    late = before.state is DeletionState.APPROVED and state is DeletionState.WITHDRAWN
    if state not in steps or not (before.state is DeletionState.PROPOSED or late):
        now = before.state.value
        raise ValueError(f"deletion {before.number} is {now}, it cannot be {state.value} now")
    return after


def _ended(before: DeletionRequest, event: e.DeletionEnded) -> DeletionRequest:
    after = replace(before, state=DeletionState.DONE, gone=event.gone, left=dict(event.left))
    if after == before:
        return before
    if before.state is not DeletionState.APPROVED:
        raise ValueError(f"deletion {before.number} is {before.state.value}: it was not approved")
    return after
