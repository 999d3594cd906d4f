# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts and repairs as JSON data, for the API and the command line."""

from __future__ import annotations

from typing import Any

from storewarden.domain.healing.record import Decision, Occurrence, Repair
from storewarden.domain.plain_data import plain_record, plain_value


def occurrence_data(occurrence: Occurrence) -> dict[str, Any]:
    """One alert with what was decided about it."""
    alert, decision = occurrence.alert, occurrence.decision
    return {
        "key": occurrence.key,
        "number": occurrence.number,
        "source": alert.source,
        "name": alert.name,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": alert.starts_at.isoformat(),
        "received_at": occurrence.received_at.isoformat(),
        "resolved_at": _moment(occurrence.resolved_at),
        "stage": occurrence.stage.value,
        "due": _moment(occurrence.due),
        "granted": occurrence.granted,
        "repair": occurrence.repair,
        "tries": occurrence.tries,
        "decision": _decision(decision) if decision is not None else None,
    }


def repair_data(repair: Repair) -> dict[str, Any]:
    """One repair with the ends of its hosts."""
    return plain_record(repair)


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "verdict": decision.verdict.value,
        "at": decision.at.isoformat(),
        "rule": decision.rule,
        "action": decision.action,
        "hosts": list(decision.hosts),
        "options": plain_value(decision.options),
        "reasons": [
            {"guard": each.guard, "en": each.en, "zh": each.zh} for each in decision.reasons
        ],
        "due": _moment(decision.due),
        "incident": decision.incident,
    }


def _moment(at: Any) -> str | None:
    return None if at is None else at.isoformat()
