# SPDX-License-Identifier: GPL-3.0-or-later
"""How every gate puts its answer: one sentence in English and in Chinese, evidence as data.

A verdict ends in the journal, so its evidence is JSON data: a value that JSON does not know (not
a number, infinite) is written as text, never dropped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from storewarden.domain.gates.scope import Signal
from storewarden.domain.gates.verdict import Outcome, Verdict

_SHOWN = 3
_LONGEST = 200
_MOST = 50  # entries of one list or mapping in the evidence; the journal gets a few kB


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a gate counted: so many of so many were bad. ``unit`` is "stores" or "hosts"."""

    failed: int
    of: int
    unit: str = "stores"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One sentence each, without a full stop."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """The parts of an answer that the judge of one gate has in hand all along."""

    gate: str
    counted: Counted | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)

    def passes(self, en: str, zh: str) -> Verdict:
        """Enough evidence, all of it good."""
        return self._verdict(Outcome.PASS, en, zh)

    def holds(self, en: str, zh: str) -> Verdict:
        """Too little evidence."""
        return self._verdict(Outcome.HOLD, en, zh)

    def fails(self, en: str, zh: str, *, hard: bool = False) -> Verdict:
        """Evidence of harm."""
        return self._verdict(Outcome.FAIL, en, zh, hard=hard)

    def _verdict(self, outcome: Outcome, en: str, zh: str, *, hard: bool = False) -> Verdict:
        evidence = dict(self.evidence)
        if self.counted is not None:
            own = {"failed": self.counted.failed, "of": self.counted.of}
            evidence["counted"] = {**own, "unit": self.counted.unit}
        return Verdict(
            gate=self.gate,
            outcome=outcome,
            reason=en,
            reason_zh=zh,
            evidence=plain(evidence),
            hard=hard,
        )


def unheard(signal: Signal) -> Verdict | None:
    """The answer to a signal that could not be had; None when it could."""
    if not signal.problem:
        return None
    saying = Saying(gate=signal.gate, evidence={"problem": one_line(signal.problem)})
    why = one_line(signal.problem)
    return saying.holds(f"no evidence: {why}", f"无法取得证据：{why}")


def names(those: Sequence[str]) -> Told:
    """A few names, and how many there are beyond."""
    shown, more = those[:_SHOWN], len(those) - _SHOWN
    if more <= 0:
        return Told(en=", ".join(shown), zh="、".join(shown))
    return Told(
        en=f"{', '.join(shown)} and {more} more", zh=f"{'、'.join(shown)} 等 {len(those)} 个"
    )


def one_line(text: str) -> str:
    """Anybody's words on one short line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def share(value: float) -> str:
    """A share as per cent, with as many digits as make sense."""
    percent = value * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"


def amount(value: float) -> str:
    """A number for people."""
    return f"{value:.6g}"


def finite(value: object) -> float | None:
    """The number, if it is one; a truth value, a text, NaN and infinity are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def table(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    """The mapping below a key; an empty one when there is none."""
    found = data.get(key)
    return {str(k): v for k, v in found.items()} if isinstance(found, Mapping) else {}


def listed(value: object) -> tuple[object, ...]:
    """A list's entries; none when it is no list."""
    return tuple(value) if isinstance(value, (list, tuple)) else ()


def plain(value: Mapping[str, object]) -> dict[str, object]:
    """As JSON data, cut to what a journal entry may hold."""
    kept = list(value.items())[:_MOST]
    cut = {str(key): _plain(each) for key, each in kept}
    return cut if len(value) <= _MOST else {**cut, "...": len(value) - _MOST}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in list(value)[:_MOST]]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    return one_line(str(value))
