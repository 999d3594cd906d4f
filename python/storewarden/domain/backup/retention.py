# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sets may go, by name; nothing goes because it is old alone.

Ages count from when the catalog received a set, never from the client's clock: a till that lies
about the year must not push real sets out. What a younger set builds upon stays as long as that
one. What is proposed is a list of ids with its hash; another person approves that list, and before
anything is deleted it is made again and has to be the same (guide 1.6.3, 1.7.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from storewarden.domain.backup.catalog import BackupSet, Target
from storewarden.domain.backup.policy import Method, Policy, SetKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Sets that may go, oldest first; ``kept`` says of each old set that stays why it does."""

    sets: tuple[str, ...]
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """What a second person approves: sha256 over the ids, hexadecimal."""
        return hashlib.sha256("\n".join(self.sets).encode()).hexdigest()


def expired(
    sets: Iterable[BackupSet],
    policies: Mapping[str, Policy],
    now: datetime,
    *,
    safe: Callable[[BackupSet], bool] = lambda _backup: True,
) -> Proposal:
    """What may go now. ``safe`` says whether a full set is good enough to be one of those that are
    always kept (read and complete); one that is not protects nothing."""
    known = {each.id: each for each in sets if each.expired is None}
    groups: dict[Target, list[BackupSet]] = {}
    for each in sorted(known.values(), key=lambda one: (one.received, one.id)):
        groups.setdefault(each.target, []).append(each)
    going, kept = list[BackupSet](), dict[str, str]()
    for target, mine in groups.items():
        policy = policies.get(target.policy)
        if policy is None:
            kept |= {each.id: f"there is no policy {target.policy} any more" for each in mine}
            continue
        old = [each for each in mine if now - each.received > policy.retention.keep]
        against = _against(mine, old, policy, known, safe)
        kept |= {each.id: against[each.id] for each in old if each.id in against}
        going += [each for each in old if each.id not in against]
    going.sort(key=lambda one: (one.received, one.id))
    return Proposal(sets=tuple(each.id for each in going), kept=kept)


def _against(
    mine: list[BackupSet],
    old: list[BackupSet],
    policy: Policy,
    known: Mapping[str, BackupSet],
    safe: Callable[[BackupSet], bool],
) -> dict[str, str]:
    """Set -> why it stays."""
    if policy.method is Method.NETWORK:
        return {each.id: "the history of configurations is kept whole" for each in old}
    if policy.legal_hold:
        return {each.id: f"the policy {policy.id} is under legal hold" for each in old}
    found = {each.id: "it is under legal hold" for each in old if each.hold}
    for each in _last_fulls(mine, policy.retention.fulls, safe):
        found.setdefault(each.id, f"one of the last {policy.retention.fulls} good full sets")
    young = {each.id for each in mine} - {each.id for each in old}
    for each in mine:
        if each.id in young or each.id in found:
            for needed in _ancestors(each, known):
                found.setdefault(needed, f"{each.id} builds upon it")
    return found


def _last_fulls(
    mine: list[BackupSet], wanted: int, safe: Callable[[BackupSet], bool]
) -> list[BackupSet]:
    """The last good ones. Where there are too few, the last that something may still come of:
    nobody has read them, but they are all that there is."""
    fulls = [each for each in mine if each.kind is SetKind.FULL]
    good = [each for each in fulls if safe(each)]
    hopes = [each for each in fulls if not safe(each) and any(one.usable for one in each.copies)]
    last = good[-wanted:] if wanted else []
    lacking = wanted - len(last)
    return [*last, *(hopes[-lacking:] if lacking > 0 else [])]


def _ancestors(backup: BackupSet, known: Mapping[str, BackupSet]) -> list[str]:
    """All that a set builds upon, whole or not: what is damaged today may be mended tomorrow."""
    found: list[str] = []
    parent = known.get(backup.parent)
    while parent is not None and parent.id not in found:
        found.append(parent.id)
        parent = known.get(parent.parent)
    return found
