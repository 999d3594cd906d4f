# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether everything that is exposed could be taken back in time, asked before it is exposed.

``ceil(exposed / at once) x p95 of an undo <= 60 min`` (guide 1.3.4, 2.5.4; reference: rollouts,
"Clock"). Caps hold for an undo, too: of a store with one piece of work at a time, twelve devices
come one after the other, however many forks there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import ceil

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.capacity.groups import cap

UNDO_LIMIT = timedelta(minutes=60)
"""From the verdict to the last reachable host (guide 1.3.4, 2.5.4)."""

FIRST_UNDO_LIMIT = timedelta(minutes=30)
"""From the verdict to the first undo (guide 1.3.4)."""


class Bound(StrEnum):
    """What an undo of everything waits for."""

    FORKS = "forks"  # more hosts than are undone at once
    GROUP = "group"  # a group in which only a few may be away together


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoCapacity:
    """How long it takes to undo ``exposed`` hosts, ``at_once`` of them together.

    ``bound`` says what it waits for, ``group`` which group when it is one. ``enough_at_once`` is
    how many at once would do, and ``most_exposed`` how many hosts may be exposed as it is now.
    """

    exposed: int
    at_once: int
    p95: timedelta
    rounds: int
    bound: Bound
    group: str = ""
    limit: timedelta = UNDO_LIMIT

    @property
    def takes(self) -> timedelta:
        """From the first undo to the last host."""
        return self.rounds * self.p95

    @property
    def fits(self) -> bool:
        """Whether that is in time."""
        return self.takes <= self.limit

    @property
    def rounds_allowed(self) -> int:
        """So many undos after one another are in time."""
        return self.limit // self.p95 if self.p95 else self.rounds

    @property
    def enough_at_once(self) -> int | None:
        """So many at once would do; None when not even one undo is in time."""
        return ceil(self.exposed / self.rounds_allowed) if self.rounds_allowed else None

    @property
    def most_exposed(self) -> int:
        """So many hosts may be exposed with ``at_once``."""
        return self.rounds_allowed * self.at_once


def undo_capacity(
    exposed: int,
    at_once: int,
    p95: timedelta,
    chain: tuple[int, str] = (0, ""),
    limit: timedelta = UNDO_LIMIT,
) -> UndoCapacity:
    """``chain`` is the longest sequence that caps ask for, and the group that asks for it
    (``longest_chain``). ValueError unless ``at_once`` is at least one."""
    if at_once < 1:
        raise ValueError("at least one host is undone at once")
    rounds, group = chain
    by_forks = ceil(exposed / at_once)
    bound = Bound.GROUP if rounds > by_forks else Bound.FORKS
    return UndoCapacity(
        exposed=exposed,
        at_once=at_once,
        p95=p95,
        rounds=max(rounds, by_forks),
        bound=bound,
        group=group if bound is Bound.GROUP else "",
        limit=limit,
    )


def longest_chain(
    counts: Mapping[str, int], members: Mapping[str, Collection[str]], budgets: Budgets
) -> tuple[int, str]:
    """Of groups with ``counts`` hosts to be worked on: the most rounds that any of them needs,
    and which; (0, "") for none."""
    found = (
        (ceil(count / cap(group, len(members.get(group, ())), budgets)), group)
        for group, count in counts.items()
    )
    return max(found, key=lambda each: each[0], default=(0, ""))
