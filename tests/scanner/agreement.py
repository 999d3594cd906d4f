# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the two agree, where not, and where one of them does not answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ANSWERS = {"pass": "pass", "fixed": "pass", "fail": "fail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One control beside the rules that overlap it; ``kind`` is agree, disagree or silent."""

    control: str
    ours: str
    rules: Mapping[str, str]
    kind: str

    @property
    def contrary(self) -> tuple[str, ...]:
        """The rules that answered, and answered otherwise than the control."""
        answers = ((rule, _ANSWERS.get(result)) for rule, result in self.rules.items())
        return tuple(sorted(rule for rule, answer in answers if answer and answer != self.ours))


def compare(
    ours: Mapping[str, str], overlap: Mapping[str, Sequence[str]], theirs: Mapping[str, str]
) -> list[Row]:
    """One row per overlapping control.

    ``ours`` maps control to verdict, ``overlap`` control to rule ids, ``theirs`` rule id to the
    XCCDF result. A control that covers several rules agrees when their conjunction is its
    verdict: it passes when all pass, it fails when one fails.
    """
    return [_row(control, ours[control], overlap[control], theirs) for control in sorted(overlap)]


def _row(control: str, ours: str, rules: Sequence[str], theirs: Mapping[str, str]) -> Row:
    results = {rule: theirs.get(rule, "not evaluated") for rule in rules}
    answers = {_ANSWERS[result] for result in results.values() if result in _ANSWERS}
    joined = "fail" if "fail" in answers else "pass" if answers else ""
    if ours not in ("pass", "fail") or not joined:
        kind = "silent"
    else:
        kind = "agree" if joined == ours else "disagree"
    return Row(control=control, ours=ours, rules=results, kind=kind)


def counts(theirs: Mapping[str, str]) -> dict[str, int]:
    """How often the scanner gave each result, not-applicable ones included."""
    return dict(sorted(Counter(theirs.values()).items()))
