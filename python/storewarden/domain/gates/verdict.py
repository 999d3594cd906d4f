# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate says: three values, because "I cannot tell" is neither yes nor no.

Only PASS promotes. Missing evidence is HOLD, always: the bug of nearly every gate is that it
takes an empty answer for a good one (reference: rollouts, fact 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """One gate's answer, from good to bad."""

    PASS = "pass"  # enough evidence, and all of it good
    HOLD = "hold"  # too little evidence, or a person has to say so: wait, then ask a person
    FAIL = "fail"  # evidence of harm: take it back


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One gate's answer about one wave.

    ``gate`` is the gate's name in the rollout ("probe", "sales"); ``reason`` and ``reason_zh``
    are one sentence each; ``evidence`` is JSON data, small enough for the journal (a few kB);
    ``hard`` marks a failure that stops the rollout at once, without waiting for the soak's end.
    """

    gate: str
    outcome: Outcome
    reason: str
    reason_zh: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)
    hard: bool = False


_WORST = (Outcome.FAIL, Outcome.HOLD, Outcome.PASS)


def worst(verdicts: Iterable[Verdict]) -> Outcome:
    """What all gates together say: one FAIL fails, else one HOLD holds; no gate at all holds."""
    outcomes = {verdict.outcome for verdict in verdicts}
    return next((each for each in _WORST if each in outcomes), Outcome.HOLD)
