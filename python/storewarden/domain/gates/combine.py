# SPDX-License-Identifier: GPL-3.0-or-later
"""All gates of a wave together: was enough of it looked at, and what do few stores prove.

Coverage is a verdict of its own, so that a wave in which most hosts were skipped cannot be
promoted by the few that were not. And every verdict gets the bound of its sample printed: three
good stores still leave room for 63 % bad ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction

from storewarden.domain.gates.saying import Counted, Saying, finite, names, share
from storewarden.domain.gates.scope import WaveScope
from storewarden.domain.gates.statistics import upper_bound
from storewarden.domain.gates.verdict import Outcome, Verdict, worst

COVERAGE = "coverage"
"""The name of the verdict on coverage; no gate of a rollout may have it."""

_UNITS_ZH = {"stores": ("家", "门店"), "hosts": ("台", "主机")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How much of a wave must have been seen: share of its hosts, hosts, time watched."""

    share: Fraction = Fraction(4, 5)  # reference: rollouts, "Gate" 2
    hosts: int = 1
    watched: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All verdicts of a wave; ``hard`` when one of them stops the rollout at once."""

    verdicts: tuple[Verdict, ...]
    outcome: Outcome
    hard: bool


def combine(
    verdicts: Iterable[Verdict], scope: WaveScope, exposure: Exposure | None = None
) -> Judgement:
    """Coverage first, then the gates' own verdicts, each with its bound."""
    own = (coverage(scope, exposure or Exposure()), *verdicts)
    bounded = tuple(with_bound(each, scope) for each in own)
    hard = any(each.hard and each.outcome is Outcome.FAIL for each in bounded)
    return Judgement(verdicts=bounded, outcome=worst(bounded), hard=hard)


def coverage(scope: WaveScope, exposure: Exposure) -> Verdict:
    """HOLD until enough of the wave was verified, and something of every stratum."""
    seen = [host for host in scope.hosts if scope.seen(host)]
    least = max(exposure.hosts, math.ceil(exposure.share * len(scope.hosts)))
    strata = {scope.strata[host]: False for host in scope.hosts if host in scope.strata}
    strata.update({scope.strata[host]: True for host in seen if host in scope.strata})
    unseen = sorted(stratum for stratum, known in strata.items() if not known)
    saying = Saying(
        gate=COVERAGE,
        evidence={"verified": len(seen), "of": len(scope.hosts), "least": least, "unseen": unseen},
    )
    if len(seen) < least or not seen:
        return saying.holds(
            f"{len(seen)} of {len(scope.hosts)} hosts are verified, {least} are needed",
            f"{len(scope.hosts)} 台主机中已验证 {len(seen)} 台，至少需要 {least} 台",
        )
    if unseen:
        which = names(unseen)
        return saying.holds(
            f"no host is verified of {which.en}", f"以下分层尚无已验证主机：{which.zh}"
        )
    if scope.watched < exposure.watched:
        return saying.holds(
            f"watched for {scope.watched}, {exposure.watched} is needed",
            f"已观察 {scope.watched}，需要 {exposure.watched}",
        )
    return saying.passes(
        f"{len(seen)} of {len(scope.hosts)} hosts are verified, something of every kind",
        f"{len(scope.hosts)} 台主机中已验证 {len(seen)} 台，各分层均有覆盖",
    )


def with_bound(verdict: Verdict, scope: WaveScope) -> Verdict:
    """The verdict with the bound that its sample leaves; printed once, however often asked."""
    if "bound" in verdict.evidence:
        return verdict
    counted = _counted(verdict.evidence.get("counted"), scope)
    bound = upper_bound(counted.failed, counted.of)
    en, zh = _bound_words(counted, bound)
    return replace(
        verdict,
        reason=f"{verdict.reason}; {en}",
        reason_zh=f"{verdict.reason_zh or verdict.reason}；{zh}",
        evidence={**verdict.evidence, "bound": round(bound, 4)},
    )


def _counted(found: object, scope: WaveScope) -> Counted:
    """What the gate counted itself, or else the wave's verified stores."""
    if isinstance(found, Mapping):
        failed, of = finite(found.get("failed")), finite(found.get("of"))
        if failed is not None and of is not None and 0 <= failed <= of:
            return Counted(failed=int(failed), of=int(of), unit=str(found.get("unit", "stores")))
    return Counted(failed=0, of=len(scope.seen_stores))


def _bound_words(counted: Counted, bound: float) -> tuple[str, str]:
    unit = counted.unit if counted.unit in _UNITS_ZH else "stores"
    each, noun = _UNITS_ZH[unit]
    if counted.of == 0:
        return f"no {unit} were seen, so nothing is proven", f"未观察到任何{noun}，尚无证明力"
    en = f"{counted.failed} of {counted.of} {unit} bad"
    zh = f"{counted.of} {each}{noun}中 {counted.failed} {each}异常"
    if bound >= 1.0:
        return en, zh
    return (
        f"{en}: up to {share(bound)} of all may be (95 %)",
        f"{zh}，全部{noun}中至多 {share(bound)} 可能异常（95% 置信）",
    )
