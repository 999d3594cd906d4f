# SPDX-License-Identifier: GPL-3.0-or-later
"""The wave's stores beside other stores, or beside themselves in the weeks before.

One value per store. With history, stores are compared by how much they changed against the same
weekday and hours of the weeks before, so that large and small ones compare; with themselves, by
this week's change beside the change a week ago. Nothing here knows where values come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from storewarden.domain.gates.saying import Told
from storewarden.domain.gates.statistics import ALPHA, Comparison, mann_whitney, median

REST, ITSELF = "rest", "itself"

WORDS = {
    REST: Told(en="the other stores", zh="其他门店"),
    ITSELF: Told(en="themselves in the weeks before", zh="自身前几周同期"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Values of the wave's stores (``now``, ``past``) and of the others; ``past`` maps a store to
    its values of the weeks before, the newest first. ``weeks`` is 0 to compare values as they
    are; ``tolerance`` is a difference that does not matter, in proportion; ``worse`` is 1, or -1
    where less is worse."""

    now: Mapping[str, float]
    rest: Mapping[str, float] = field(default_factory=dict)
    past: Mapping[str, Sequence[float]] = field(default_factory=dict)
    rest_past: Mapping[str, Sequence[float]] = field(default_factory=dict)
    weeks: int = 0
    relative: bool = True
    tolerance: float = 0.0
    worse: float = 1.0

    @property
    def negative(self) -> bool:
        """A relative change of something that is below zero has no direction."""
        values = [*self.now.values(), *self.rest.values()]
        past = [*self.past.values(), *self.rest_past.values()]
        return any(value < 0 for value in values) or any(each < 0 for h in past for each in h)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One comparison. ``gap`` says why it could not be made; ``alpha`` is what it may err."""

    against: str
    alpha: float
    gap: Told | None = None
    result: Comparison | None = None
    shift: float = 0.0

    @property
    def words(self) -> Told:
        """What it was compared with."""
        return WORDS[self.against]

    @property
    def worse(self) -> bool:
        """Worse than chance explains."""
        return self.result is not None and self.result.testable and self.result.p <= self.alpha

    @property
    def suspect(self) -> bool:
        """Too few for a proof, and yet it looks worse."""
        return self.result is not None and not self.result.testable and self.result.p <= ALPHA

    @property
    def evidence(self) -> dict[str, object]:
        """For the journal."""
        if self.result is None:
            return {"gap": self.gap.en if self.gap else ""}
        found = self.result
        return {
            "p": found.p, "alpha": self.alpha, "stores": found.sample, "compared_with": found.rest,
            "shift": self.shift, "exact": found.exact, "advisory": not found.testable,
        }  # fmt: skip


def compare(against: str, levels: Levels, alpha: float) -> Compared:
    """``against`` is "rest" or "itself"; what cannot be compared has a gap, never a result."""
    words = WORDS[against]
    if levels.weeks and levels.relative and levels.negative:
        gap = Told(
            en="values below 0 have no relative change (set change: absolute)",
            zh="存在负值，无法计算相对变化（请设 change: absolute）",
        )
        return Compared(against=against, alpha=alpha, gap=gap)
    groups = _with_itself(levels) if against == ITSELF else _with_rest(levels)
    if not groups.sample or not groups.rest:
        gap = Told(en=f"nothing to compare with {words.en}", zh=f"没有可与{words.zh}比较的数据")
        return Compared(against=against, alpha=alpha, gap=gap)
    margin = levels.tolerance * groups.level
    result = mann_whitney([each - margin for each in groups.sample], groups.rest)
    shift = (median(groups.sample) - median(groups.rest)) * levels.worse
    return Compared(against=against, alpha=alpha, result=result, shift=shift)


@dataclass(slots=True, kw_only=True)
class _Groups:
    """Two groups of values in which higher is worse; ``level`` is what a tolerance refers to."""

    sample: list[float]
    rest: list[float]
    level: float = 1.0


def _with_rest(levels: Levels) -> _Groups:
    if not levels.weeks:
        return _Groups(
            sample=[value * levels.worse for value in levels.now.values()],
            rest=[value * levels.worse for value in levels.rest.values()],
            level=abs(median(list(levels.rest.values()))) if levels.rest else 1.0,
        )
    return _Groups(
        sample=_changes(levels.now, levels.past, levels),
        rest=_changes(levels.rest, levels.rest_past, levels),
        level=_level(levels.rest_past, levels),
    )


def _with_itself(levels: Levels) -> _Groups:
    """This week's change of each store beside its change a week ago."""
    past = {store: weeks for store, weeks in levels.past.items() if store in levels.now}
    last = {store: weeks[0] for store, weeks in past.items() if len(weeks) > 1}
    older = {store: weeks[1:] for store, weeks in past.items() if len(weeks) > 1}
    return _Groups(
        sample=_changes(levels.now, past, levels),
        rest=_changes(last, older, levels),
        level=_level(past, levels),
    )


def _level(past: Mapping[str, Sequence[float]], levels: Levels) -> float:
    """A relative change needs no level: 0.1 is 10 % of anything."""
    if levels.relative or not past:
        return 1.0
    return abs(median([median(weeks) for weeks in past.values()]))


def _changes(
    now: Mapping[str, float], past: Mapping[str, Sequence[float]], levels: Levels
) -> list[float]:
    """Stores without a history have no change."""
    pairs = [(value, median(past[store])) for store, value in now.items() if past.get(store)]
    return [_change(*pair, relative=levels.relative) * levels.worse for pair in pairs]


def _change(now: float, before: float, *, relative: bool) -> float:
    """The difference, or in proportion to the middle of both: a store that had no errors at all
    and has some now is at the top of that scale, not a division by zero."""
    if not relative:
        return now - before
    middle = now / 2 + before / 2
    return (now - before) / middle if middle else 0.0
