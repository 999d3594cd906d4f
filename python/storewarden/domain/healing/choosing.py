# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rule answers an alert: the first one that is enabled and matches.

A condition that cannot work on an alert is neither true nor false. Going on to the next rule would
let a broken expression choose another repair, so the search ends there and a person is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from storewarden.domain.healing.alert import Alert
from storewarden.domain.healing.rule import Rule, facts_of, truthy


class Fit(StrEnum):
    """How a rule and an alert fit."""

    CHOSEN = "chosen"  # it matches, and is the first one
    SHADOWED = "shadowed"  # it would match as well, but another came first
    DISABLED = "disabled"  # switched off
    LABELS = "labels"  # a matcher does not match
    CONDITION = "condition"  # the matchers do, the condition does not
    BROKEN = "broken"  # the condition cannot be evaluated on this alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One rule tried; ``detail`` is the matcher or the condition that was against it."""

    rule: Rule
    fit: Fit
    detail: str = ""


def choose(alert: Alert, rules: Sequence[Rule]) -> Trial | None:
    """The rule for this alert, CHOSEN or BROKEN; None when there is none."""
    for rule in rules:
        trial = _try(alert, rule)
        if trial.fit in (Fit.CHOSEN, Fit.BROKEN):
            return trial
    return None


def trials(alert: Alert, rules: Sequence[Rule]) -> tuple[Trial, ...]:
    """Every rule with what came of it, for an explanation."""
    told: list[Trial] = []
    first = ""
    for rule in rules:
        trial = _try(alert, rule)
        if trial.fit in (Fit.CHOSEN, Fit.BROKEN):
            if first:
                trial = Trial(rule=rule, fit=Fit.SHADOWED, detail=first)
            first = first or rule.name
        told.append(trial)
    return tuple(told)


def _try(alert: Alert, rule: Rule) -> Trial:
    if not rule.enabled:
        return Trial(rule=rule, fit=Fit.DISABLED)
    for matcher in rule.matchers:
        if not matcher.matches(alert.labels):
            return Trial(rule=rule, fit=Fit.LABELS, detail=str(matcher))
    if rule.condition is None:
        return Trial(rule=rule, fit=Fit.CHOSEN)
    try:
        found = rule.condition(facts_of(alert))
    except ValueError as error:
        return Trial(rule=rule, fit=Fit.BROKEN, detail=str(error))
    if truthy(found):
        return Trial(rule=rule, fit=Fit.CHOSEN)
    return Trial(rule=rule, fit=Fit.CONDITION, detail=rule.expression)
