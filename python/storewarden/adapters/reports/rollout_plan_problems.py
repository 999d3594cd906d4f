# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a planned rollout, and what is worth knowing about it, as lines."""

from __future__ import annotations

from collections.abc import Iterator

from storewarden.adapters.reports.rollout_plan_words import Words
from storewarden.adapters.reports.rollout_times import span
from storewarden.adapters.reports.values import clean
from storewarden.domain.maintenance.words import said
from storewarden.domain.rollout.schedule import WaveTimes
from storewarden.ports.rollout_reports import RolloutPlanReport

_MOST_UNDO = 3  # waves whose undo is too slow: the first one and what follows say the same


def problems(report: RolloutPlanReport, words: Words) -> Iterator[str]:
    """Everything that a start would trip over, apart from deadlines."""
    for wave in report.schedule.waves:
        if wave.stuck:
            yield clean(_stuck(report, wave, words))
    for wave in report.undo_too_slow[:_MOST_UNDO]:
        yield clean(_slow(report, wave, words))
    if report.consents:
        yield clean(words("consent", groups=words.joined(report.consents)))
    if report.gone:
        yield clean(words("gone", hosts=words.joined(report.gone)))


def remarks(report: RolloutPlanReport, words: Words) -> Iterator[str]:
    """What is worth knowing and forbids nothing."""
    plan = report.plan
    for size in plan.idle:
        yield clean(words("idle", size=words.size(size)))
    if report.stale:
        yield clean(words("stale", names=words.joined(report.stale)))
    if plan.added_rest:
        yield words["added_rest"]
    if plan.cuts and plan.cuts[0].unseen:
        yield words("unseen", number=1, count=plan.cuts[0].unseen, all=plan.strata)
    for each in report.loosened:
        yield words.loosening(each)
    if plan.left_out:
        yield words("left_out", count=plan.left_out)
    if report.provisional:
        yield words("provisional", years=words.joined(report.provisional))


def _stuck(report: RolloutPlanReport, wave: WaveTimes, words: Words) -> str:
    told = words(
        "stuck",
        number=wave.number,
        needs=span(report.needs, words.language),
        stores=words.joined(wave.stuck),
    )
    known = (report.against.get(store, ()) for store in wave.stuck)
    reasons = next((each for each in known if each), ())
    why = words["semi"].join(said(each, report.zone, words.language.value) for each in reasons)
    return told + words["colon"] + why if why else told


def _slow(report: RolloutPlanReport, wave: WaveTimes, words: Words) -> str:
    undo, spec = wave.undo, report.spec
    return words(
        "undo_group" if undo.group else "undo_forks",
        number=wave.number,
        exposed=undo.exposed,
        at_once=undo.at_once,
        group=undo.group,
        takes=span(undo.takes, words.language),
        limit=span(undo.limit, words.language),
        remedy=words.remedy(wave, spec.at_once, spec.budgets.site),
    )
