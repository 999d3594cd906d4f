# SPDX-License-Identifier: GPL-3.0-or-later
"""Is what was approved what is rolled out (docs/adr/0015).

A rollout that is opened while its change waits for approvals stands on the change, and its
approvers say yes to it: from then on no other one is opened on that change. A change that was
approved before it had a rollout was approved for what its plan says in words; only who asked for
it, or owns it, may say what that is, once. Whoever wants something else asks anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storewarden.domain.change.record import Change
from storewarden.domain.rollout.record import Rollout, RolloutState
from storewarden.domain.rollout.wish import SHOWN, wish_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants to open what: ``digest`` of ``wish_digest``; ``supersedes`` is the number of the
    rollout whose hosts it takes over, "" for none."""

    person: str
    digest: str
    supersedes: str = ""


def cover_refusal(
    change: Change, rollouts: Sequence[Rollout], wish: Wish, *, approved: bool
) -> str:
    """Why ``wish`` is not what the change was approved for; "" when it may be opened.

    ``rollouts`` are those of the change, whatever became of them. ``approved`` is whether work on
    the change may begin (an emergency may before anybody has said yes).
    """
    given = [each.at for each in change.approvals if not each.expired]
    if not (given or approved):
        return ""  # nobody has said yes: whoever does will have seen it
    seen = _newest([each for each in rollouts if given and each.opened <= min(given)])
    if seen is not None:
        return _other(seen, wish, "its approvers saw")
    if wish.person not in (change.requester, change.owner, change.started_by):
        return f"it was approved without a rollout: only {_people(change)} may open one now"
    standing = [each for each in rollouts if each.state is not RolloutState.CANCELLED]
    before = _newest(standing)
    if before is None or before.number == wish.supersedes:
        return ""
    return _other(before, wish, "it already has")


def _other(before: Rollout, wish: Wish, told: str) -> str:
    digest = wish_digest(before.spec)
    if digest == wish.digest:
        return ""
    return f"{told} {before.number} ({digest[:SHOWN]}), and this is another one"


def _newest(rollouts: Sequence[Rollout]) -> Rollout | None:
    return max(
        rollouts, key=lambda each: (each.opened, len(each.number), each.number), default=None
    )


def _people(change: Change) -> str:
    return " or ".join(dict.fromkeys((change.requester, change.owner)))
