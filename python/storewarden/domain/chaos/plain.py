# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments and plans as JSON data, for the journal and for programs; spans are seconds."""

from __future__ import annotations

from datetime import timedelta

from storewarden.domain.chaos.experiment import Experiment, Row
from storewarden.domain.chaos.plan import Plan


def plan_data(plan: Plan) -> dict[str, object]:
    """A plan with every reason."""
    return {
        "fault": plan.fault.name,
        "hosts": list(plan.wish.hosts),
        "options": dict(plan.wish.options),
        "seconds": int(plan.wish.span.total_seconds()),
        "expect": plan.wish.expect,
        "change": plan.change,
        "allowed": plan.allowed,
        "reasons": [
            {
                "about": each.about,
                "host": each.host,
                "good": each.good,
                "en": each.en,
                "zh": each.zh,
            }
            for each in plan.reasons
        ],
    }


def begun_data(experiment: Experiment) -> dict[str, object]:
    """What is known before anything is broken."""
    return {
        "fault": experiment.fault,
        "hosts": list(experiment.hosts),
        "options": dict(experiment.options),
        "seconds": int(experiment.span.total_seconds()),
        "begun_at": experiment.begun_at.isoformat(),
        "by": experiment.by,
        "change": experiment.change,
        "expect": experiment.expect,
    }


def ended_data(experiment: Experiment) -> dict[str, object]:
    """What came of it."""
    ended = experiment.ended_at
    return {
        "outcome": experiment.outcome,
        "ended_at": None if ended is None else ended.isoformat(),
        "proved": experiment.proved,
        "rows": [row_data(each) for each in experiment.rows],
    }


def experiment_data(experiment: Experiment) -> dict[str, object]:
    """All of it."""
    name: dict[str, object] = {"experiment": experiment.name}
    return name | begun_data(experiment) | ended_data(experiment)


def row_data(row: Row) -> dict[str, object]:
    """One line of the result table."""
    return {
        "host": row.host,
        "proof": row.proof.value,
        "fault": row.what[0],
        "fault_zh": row.what[1],
        "alert": row.alert,
        "rule": row.rule,
        "action": row.action,
        "repair": row.repair,
        "alert_after": _seconds(row.seen),
        "repaired_after": _seconds(row.repaired),
        "healed_after": _seconds(row.healed),
        "undone": row.undone.value,
        "undone_after": _seconds(row.undone_after),
        "why": row.why[0],
        "why_zh": row.why[1],
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), 1)
