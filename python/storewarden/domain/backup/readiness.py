# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host could be put back to before a change: one question for each of its policies.

What counts is a complete chain of which every byte was read (``Level.READ``), no older than the
policy allows: a set that nobody has read is a hope. Before a major change one more full set is
wanted, taken for it and seen to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from storewarden.domain.backup.catalog import BackupSet, Catalog, chain_of, level_of
from storewarden.domain.backup.policy import Every, Level, Policy, SetKind

_GRACE = timedelta(hours=6)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unready:
    """Why not, in both languages; ``extra`` when only the one more full set is wanted."""

    en: str
    zh: str
    extra: bool = False


def unready(
    policy: Policy, catalog: Catalog, now: datetime, *, extra_since: datetime | None = None
) -> Unready | None:
    """Why a target of this policy cannot be put back; None when it can. ``extra_since``: a full
    set is wanted that was received since then. A policy that is not required asks for nothing."""
    if not policy.required:
        return None
    sets = {each.id: each for each in catalog.sets if each.expired is None}
    good = [each for each in sets.values() if _read(each, sets)]
    newest = max((each.fresh for each in good), default=None)
    oldest = now - longest(policy)
    if newest is None or newest < oldest:
        return _too_old(policy, newest, now)
    if extra_since is None or not policy.extra_full:
        return None
    if any(_extra(each, extra_since) for each in sets.values()):
        return None
    return Unready(
        en=f"{policy.id}: a major change waits for one more full set",
        zh=f"{policy.id}：重大变更前须再做一次全量备份",
        extra=True,
    )


def longest(policy: Policy) -> timedelta:
    """How old the newest set may be that was read: as long as sets are apart, or reads of them,
    whichever is longer. Logs do not count: they are no set by themselves."""
    periods = [each.period for each in policy.schedule if each.every is not Every.HOURS]
    reads = [each.every for each in policy.verify if each.level is Level.READ]
    return max(min(periods, default=timedelta(days=1)), *reads, timedelta()) + _GRACE


def _read(backup: BackupSet, sets: Mapping[str, BackupSet]) -> bool:
    chain = chain_of(backup, sets)
    return chain.complete and chain.level >= Level.READ


def _extra(backup: BackupSet, since: datetime) -> bool:
    """That it is there is enough: there is another one that was read."""
    there = backup.kind is SetKind.FULL and backup.fresh >= since
    return there and level_of(backup) >= Level.PRESENT


def _too_old(policy: Policy, newest: datetime | None, now: datetime) -> Unready:
    if newest is None:
        return Unready(
            en=f"{policy.id}: there is no set of which every byte was read",
            zh=f"{policy.id}：没有逐字节验证过的备份集",
        )
    hours, most = int((now - newest) / _HOUR), int(longest(policy) / _HOUR)
    return Unready(
        en=f"{policy.id}: the newest set that was read is {hours} h old, at most {most} h count",
        zh=f"{policy.id}：最新的已验证备份集已有 {hours} 小时，最多 {most} 小时",
    )
