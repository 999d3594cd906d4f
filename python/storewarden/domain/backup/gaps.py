# SPDX-License-Identifier: GPL-3.0-or-later
"""Which gaps a person is told of: each on its own, or very many of one policy as one.

When the store of a whole chain fails, three thousand targets miss their night: that is one fault
and one ticket with a count. What was told on its own stays so until it is gone: nobody is to read
that a fault is over because there are more of its kind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from storewarden.domain.backup.freshness import Coverage, Standing

BOUND = 20
"""Gaps of one policy that are told one by one; more are one. Chosen: what a shift can look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapKey:
    """What a gap is known by. ``host`` "": the policy as a whole; ``word`` is a ``Coverage``, or
    "" for many gaps of all words."""

    host: str
    policy: str
    word: str

    @property
    def many(self) -> bool:
        """Whether it stands for many."""
        return not self.host and not self.word

    @property
    def fault(self) -> str:
        """What one incident is about: a gap that gets worse is still the same one."""
        return f"backup:{self.policy}@{self.host}" if self.host else f"backup:{self.policy}"


def key_of(gap: Standing) -> GapKey:
    """The key of one gap."""
    return GapKey(host=gap.target.host, policy=gap.target.policy, word=gap.coverage.value)


def told_as(
    standings: Iterable[Standing], firing: Collection[GapKey], bound: int = BOUND
) -> Mapping[GapKey, tuple[Standing, ...]]:
    """What is to be told now, and the gaps behind each; ``firing`` are told already."""
    by_policy: dict[str, list[Standing]] = {}
    for each in standings:
        if each.coverage is not Coverage.OK:
            by_policy.setdefault(each.target.policy, []).append(each)
    told: dict[GapKey, tuple[Standing, ...]] = {}
    for policy, gaps in by_policy.items():
        many = GapKey(host="", policy=policy, word="")
        alone = [each for each in gaps if key_of(each) in firing]
        fresh = [each for each in gaps if key_of(each) not in firing]
        told |= {key_of(each): (each,) for each in alone}
        if fresh and (many in firing or len(gaps) > bound):
            told[many] = tuple(fresh)
        else:
            told |= {key_of(each): (each,) for each in fresh}
    return told
