# SPDX-License-Identifier: GPL-3.0-or-later
"""A measured value of the wave's stores: against a limit, against other stores, against itself.

The data: ``{"now": {store: value}, "newest": {store: seconds since 1970}}`` and, where something
is compared, ``"rest"`` as ``now`` for stores that no wave has reached, ``"past"`` and
``"rest_past"``: ``{store: [value a week before, two weeks before, ..]}``. One value per store: the
unit is the store, because minutes of one store are no samples (reference: rollouts, fact 5).
A query without a store label has the one key ``"*"``.

A limit fails a wave at once. A comparison fails it only with five stores and more on each side
and by the exact test, at an error probability that all comparisons and looks of the wave share;
with fewer it is advice: it may hold a wave that looks worse, never fail it. No data, old data
and values that are no numbers hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from storewarden.domain.gates.comparing import ITSELF, REST, WORDS, Compared, Levels, compare
from storewarden.domain.gates.keys import Keys
from storewarden.domain.gates.saying import (
    Counted,
    Saying,
    Told,
    amount,
    finite,
    listed,
    names,
    table,
    unheard,
)
from storewarden.domain.gates.scope import Need, Signal, WaveScope
from storewarden.domain.gates.server import Server
from storewarden.domain.gates.statistics import ALPHA
from storewarden.domain.gates.verdict import Verdict

NEEDS = (Need.NETWORK,)

WHOLE = "*"
"""The one key of a query that has no store label."""

OTHERS = 500
"""Stores to compare with at most; more prove nothing more."""

_WEEKS = 8  # of history at most; more is another season


class Reduce(StrEnum):
    """How the points of a range query become one value of the store."""

    MEDIAN = "median"  # a spike does not count
    MEAN = "mean"  # every minute counts the same
    MAX = "max"  # the worst minute, where more is worse
    MIN = "min"  # the worst minute, where less is worse
    LAST = "last"  # where it stands now


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``query`` and ``freshness`` are PromQL in which ``$stores`` is a regular expression of the
    stores asked about and ``$window`` the time watched; ``freshness`` is a plain selector of what
    the query reads, for only of a selector can Prometheus tell how old its newest sample is.

    ``label`` carries the store id ("" for a query without one); ``most`` and ``least`` limit the
    value (keys ``max`` and ``min``); ``allow`` is how many stores may be beyond; ``compare`` names
    what the wave is compared with ("rest", "itself"), ``weeks`` how many weeks back; ``relative``
    compares changes in proportion, and ``tolerance`` is a change that does not matter: 0.1 is 10 %.
    """

    server: Server
    query: str
    freshness: str
    label: str = "store"
    most: float | None = None
    least: float | None = None
    allow: int = 0
    compare: tuple[str, ...] = ()
    up_is_worse: bool = True
    weeks: int = 0
    relative: bool = True
    tolerance: float = 0.0
    stale_after: timedelta = timedelta(minutes=5)
    step: timedelta | None = None
    reduce: Reduce = Reduce.MEDIAN

    @property
    def comparisons(self) -> int:
        """How many comparisons it makes at one look."""
        return len(self.compare)

    @classmethod
    def read(cls, values: Mapping[str, object], where: str = "gates.prometheus") -> Settings:
        """Raises ConfigInvalid with gate and key."""
        keys = Keys(values, where)
        compare = _compare(keys)
        settings = cls(
            server=Server.read(keys),
            query=keys.text("query", required=True),
            freshness=keys.text("freshness", required=True),
            label=keys.text("label", "store"),
            most=keys.number("max"),
            least=keys.number("min"),
            allow=keys.whole("allow", 0),
            compare=compare,
            up_is_worse=_up_is_worse(keys, bool(compare)),
            weeks=_weeks(keys, compare),
            relative=keys.choice("change", "relative", ("relative", "absolute")) == "relative",
            tolerance=keys.real("tolerance", 0.0),
            stale_after=keys.span("stale_after", "5m"),
            step=keys.span("step", "") if keys.has("step") else None,
            reduce=Reduce(keys.choice("reduce", "median", tuple(Reduce))),
        )
        keys.done()
        settings._check(keys)
        return settings

    def _check(self, keys: Keys) -> None:
        if self.most is None and self.least is None and not self.compare:
            keys.wrong("", "has nothing to judge by", "give max, min or compare")
        if self.compare and not self.label:
            keys.wrong("compare", "needs a label: stores are compared")
        if self.step is not None and self.step < timedelta(seconds=1):
            keys.wrong("step", "must be 1s or more")
        if self.stale_after <= timedelta():
            keys.wrong("stale_after", "must be above 0")


def _compare(keys: Keys) -> tuple[str, ...]:
    found = keys.texts("compare")
    if not set(found) <= set(WORDS) or len(set(found)) < len(found):
        keys.wrong("compare", f"must be a list of {' and '.join(WORDS)}, each once")
    return found


def _up_is_worse(keys: Keys, compares: bool) -> bool:
    """Which way is bad: said, or told by the limit."""
    said = keys.text("worse")
    if said not in ("", "up", "down"):
        keys.wrong("worse", "must be up or down")
    if not said and compares and keys.has("max") == keys.has("min"):
        keys.wrong("worse", "is missing", "up or down: which way the value gets worse")
    return said == "up" or (not said and not keys.has("min"))


def _weeks(keys: Keys, compare: Sequence[str]) -> int:
    weeks = keys.whole("weeks", 4 if ITSELF in compare else 0)
    if weeks > _WEEKS:
        keys.wrong("weeks", f"must be {_WEEKS} or less")
    if ITSELF in compare and weeks < 2:
        keys.wrong("weeks", "must be 2 or more to compare stores with themselves")
    return weeks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """What was read. ``fresh`` are the wave's stores that have a value and new samples; ``missing``
    and ``stale`` the others."""

    fresh: Mapping[str, float]
    missing: tuple[str, ...]
    stale: tuple[str, ...]
    data: Mapping[str, object]
    settings: Settings

    @classmethod
    def of(cls, signal: Signal, settings: Settings, scope: WaveScope) -> _Values:
        """Sort the wave's stores by what is known of them."""
        wanted = scope.stores if settings.label else (WHOLE,)
        now, newest = table(signal.data, "now"), table(signal.data, "newest")
        edge = scope.now.timestamp() - settings.stale_after.total_seconds()
        values = {store: finite(now.get(store)) for store in wanted}
        known = {store: value for store, value in values.items() if value is not None}
        ages = {store: finite(newest.get(store)) for store in known}
        stale = tuple(store for store, at in ages.items() if at is None or at < edge)
        return cls(
            fresh={store: value for store, value in known.items() if store not in stale},
            missing=tuple(store for store in wanted if store not in known),
            stale=stale,
            data=signal.data,
            settings=settings,
        )

    @property
    def levels(self) -> Levels:
        """What is compared."""
        return Levels(
            now=self.fresh,
            rest=_numbers(table(self.data, "rest")),
            past=_histories(self.data, "past"),
            rest_past=_histories(self.data, "rest_past"),
            weeks=self.settings.weeks,
            relative=self.settings.relative,
            tolerance=self.settings.tolerance,
            worse=1.0 if self.settings.up_is_worse else -1.0,
        )

    @property
    def beyond(self) -> tuple[str, ...]:
        """Stores beyond a limit."""
        most, least = self.settings.most, self.settings.least
        return tuple(
            store
            for store, value in self.fresh.items()
            if (most is not None and value > most) or (least is not None and value < least)
        )


def judge(signal: Signal, settings: Settings, scope: WaveScope) -> Verdict:
    """Limits first, then missing and old data, then comparisons."""
    if held := unheard(signal):
        return held
    values = _Values.of(signal, settings, scope)
    alpha = ALPHA / max(1, scope.metrics * scope.looks)
    compared = [_compared(each, values, scope, alpha) for each in _against(settings, scope)]
    saying = Saying(
        gate=signal.gate,
        counted=_counted(values, scope),
        evidence={
            "values": dict(values.fresh),
            "missing": values.missing,
            "stale": values.stale,
            "beyond": values.beyond,
            "compared": {each.against: each.evidence for each in compared},
        },
    )
    return _judged(saying, values, compared)


def _against(settings: Settings, scope: WaveScope) -> tuple[str, ...]:
    """The last wave leaves no other stores; what else there is to judge by must do then."""
    more = settings.most is not None or settings.least is not None or ITSELF in settings.compare
    skip = not scope.others and more
    return tuple(each for each in settings.compare if each != REST or not skip)


def _compared(against: str, values: _Values, scope: WaveScope, alpha: float) -> Compared:
    """Half of the other stores must have a value: those that still answer may be the good ones."""
    levels, asked = values.levels, len(scope.others[:OTHERS])
    if against == REST and 2 * len(levels.rest) < asked:
        known = f"{len(levels.rest)}/{asked}"
        gap = Told(en=f"only {known} other stores have data", zh=f"仅 {known} 家其他门店有数据")
        return Compared(against=against, alpha=alpha, gap=gap)
    return compare(against, levels, alpha)


def _counted(values: _Values, scope: WaveScope) -> Counted:
    """Of a query without stores, all of them are meant."""
    if values.settings.label:
        return Counted(failed=len(values.beyond), of=len(values.fresh))
    seen = len(scope.seen_stores) if values.fresh else 0
    return Counted(failed=seen if values.beyond else 0, of=seen)


def _judged(saying: Saying, values: _Values, compared: Sequence[Compared]) -> Verdict:
    if len(values.beyond) > values.settings.allow:
        return _over(saying, values)
    worse = next((each for each in compared if each.worse), None)
    if worse is not None:
        return _worse(saying, worse)
    return _unclear(saying, values, compared) or _good(saying, values, compared)


def _unclear(saying: Saying, values: _Values, compared: Sequence[Compared]) -> Verdict | None:
    """HOLD for what is missing, old, or suspect; None when nothing is."""
    if values.missing or not (values.fresh or values.stale):
        which = names(values.missing or (WHOLE,))
        return saying.holds(f"no data of {which.en}", f"缺少数据：{which.zh}")
    if values.stale:
        which, old = names(values.stale), values.settings.stale_after
        return saying.holds(
            f"the newest sample is older than {old}: {which.en}", f"最新样本早于 {old}：{which.zh}"
        )
    for each in compared:
        if each.gap is not None:
            return saying.holds(each.gap.en, each.gap.zh)
        if each.suspect:
            return _suspect(saying, each)
    return None


def _over(saying: Saying, values: _Values) -> Verdict:
    limits, settings = [], values.settings
    if settings.most is not None:
        limits.append(f"<= {amount(settings.most)}")
    if settings.least is not None:
        limits.append(f">= {amount(settings.least)}")
    limit = " and ".join(limits)
    which = names([f"{store} = {amount(values.fresh[store])}" for store in values.beyond])
    return saying.fails(
        f"beyond the limit {limit}: {which.en}",
        f"超出限值 {limit.replace(' and ', '，')}：{which.zh}",
    )


def _worse(saying: Saying, found: Compared) -> Verdict:
    result, words = found.result, found.words
    assert result is not None  # noqa: S101 - worse means that there is one
    numbers = f"p = {result.p:.2g} <= {found.alpha:.2g}, n = {result.sample}/{result.rest}"
    # The group is worse as one; which stores of it are fine, such a test cannot say.
    whole = replace(saying, counted=Counted(failed=result.sample, of=result.sample))
    return whole.fails(f"worse than {words.en} ({numbers})", f"明显劣于{words.zh}（{numbers}）")


def _suspect(saying: Saying, found: Compared) -> Verdict:
    result, words = found.result, found.words
    assert result is not None  # noqa: S101 - suspect means that there is one
    numbers = f"p = {result.p:.2g}, n = {result.sample}/{result.rest}"
    return saying.holds(
        f"looks worse than {words.en}, too few stores for a proof ({numbers}): have a look",
        f"看似劣于{words.zh}，门店数不足以证明（{numbers}）：请人工查看",
    )


def _good(saying: Saying, values: _Values, compared: Sequence[Compared]) -> Verdict:
    en, zh = f"{len(values.fresh)} values within limits", f"{len(values.fresh)} 个数值均在限值内"
    if values.beyond:
        beyond, of = len(values.beyond), len(values.fresh)
        en, zh = (
            f"{beyond} of {of} values beyond limits, as allowed",
            f"{of} 个数值中 {beyond} 个超限，在允许范围内",
        )
    for each in compared:
        result, words = each.result, each.words
        if result is not None:
            advice = "" if result.testable else ", advice only"
            advice_zh = "" if result.testable else "，仅供参考"
            en += f"; not worse than {words.en} (p = {result.p:.2g}{advice})"
            zh += f"；不劣于{words.zh}（p = {result.p:.2g}{advice_zh}）"
    return saying.passes(en, zh)


def _numbers(found: Mapping[str, object]) -> dict[str, float]:
    values = {store: finite(value) for store, value in found.items()}
    return {store: value for store, value in values.items() if value is not None}


def _histories(data: Mapping[str, object], key: str) -> dict[str, list[float]]:
    """Store -> its finite values, the newest first. One without last week's is left out: a week
    that is missing must not let another one stand for it."""
    found = {store: listed(weeks) for store, weeks in table(data, key).items()}
    numbers = {store: [finite(each) for each in weeks] for store, weeks in found.items()}
    return {
        store: [each for each in weeks if each is not None]
        for store, weeks in numbers.items()
        if weeks and weeks[0] is not None
    }
