# SPDX-License-Identifier: GPL-3.0-or-later
"""A planned rollout as JSON for programs. ``schema`` changes when a key changes its meaning."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from storewarden.adapters.reports.rollout_plan_problems import problems, remarks
from storewarden.adapters.reports.rollout_plan_words import Words
from storewarden.domain.maintenance.words import said
from storewarden.domain.rollout.deadlines import Kept
from storewarden.domain.rollout.record import HostRecord
from storewarden.domain.rollout.schedule import WaveTimes
from storewarden.domain.rollout.wish import wish_digest
from storewarden.ports.reports import Page
from storewarden.ports.rollout_reports import RolloutPlanReport

SCHEMA = "storewarden-rollout-plan-1"


def render(report: RolloutPlanReport, page: Page) -> str:
    """The document."""
    return json.dumps(document(report, page), ensure_ascii=False, indent=2) + "\n"


def document(report: RolloutPlanReport, page: Page) -> dict[str, Any]:
    """The same as data; texts are in the page's language."""
    spec, plan, words = report.spec, report.plan, Words(page.language)
    by_wave: dict[int, list[HostRecord]] = {}
    for host in plan.hosts:
        by_wave.setdefault(host.wave, []).append(host)
    return {
        "schema": SCHEMA,
        "at": report.at.isoformat(),
        "start": report.start.isoformat(),
        "good": report.good,
        "change": report.change or None,
        "payload": spec.payload,
        "class": spec.payload_class.value,
        "reversibility": spec.reversibility.value,
        "operation": report.operation.value,
        "risk": report.risk.value,
        "emergency": spec.emergency,
        "salt": spec.salt,
        "membership": plan.membership,
        "digest": wish_digest(plan.spec),
        "needs_seconds": _seconds(report.needs),
        "soak": {
            "wall_seconds": _seconds(spec.watched.wall),
            "trading_seconds": _seconds(spec.watched.trading),
        },
        "gates": [{"name": each.name, "kind": each.kind} for each in spec.gates],
        "hosts": len(plan.hosts),
        "stores": len(plan.stores),
        "strata": plan.strata,
        "done": _iso(report.schedule.done),
        "over": _iso(report.schedule.over),
        "waves": [
            _wave(report, times, by_wave[times.number], words) for times in report.schedule.waves
        ],
        "deadlines": [_deadline(each) for each in report.deadlines],
        "emergency_lane": _lane(report),
        "refused": [{"host": each.host, "reason": each.reason} for each in plan.refused],
        "consents": list(report.consents),
        "gone": list(report.gone),
        "problems": list(problems(report, words)),
        "remarks": list(remarks(report, words)),
        "store": _store(report, words),
    }


def _wave(
    report: RolloutPlanReport, times: WaveTimes, hosts: list[HostRecord], words: Words
) -> dict[str, Any]:
    record = report.plan.waves[times.number - 1]
    cut = report.plan.cuts[times.number - 1]
    return {
        "number": times.number,
        "reach": words.size(cut.size),
        "part": [cut.part, cut.parts],
        "unseen_strata": cut.unseen,
        "begins": _iso(times.begins),
        "ends": _iso(times.ends),
        "soak_ends": _iso(times.wall),
        "trade_seen": _iso(times.traded),
        "promoted": _iso(times.promoted),
        "stuck": list(times.stuck),
        "exposed": times.exposed,
        "undo_seconds": _seconds(times.undo.takes),
        "undo_in_time": times.undo.fits,
        "undo_waits_for": times.undo.group or times.undo.bound.value,
        "stores": list(record.stores),
        "hosts": [each.name for each in hosts],
    }


def _deadline(kept: Kept) -> dict[str, Any]:
    return {
        "deadline": kept.deadline.value,
        "guide": kept.guide,
        "due": kept.due.isoformat(),
        "will": _iso(kept.will),
        "kept": kept.kept,
        "binding": kept.binding,
    }


def _lane(report: RolloutPlanReport) -> dict[str, Any] | None:
    if report.lane is None:
        return None
    return {
        "soak_seconds": _seconds(report.spec.emergency_soak),
        "done": _iso(report.lane.schedule.done),
        "missed": [each.deadline.value for each in report.lane.missed],
    }


def _store(report: RolloutPlanReport, words: Words) -> dict[str, Any] | None:
    tale = report.store
    if tale is None:
        return None
    language = words.language.value
    return {
        "store": tale.store,
        "wave": tale.wave.number,
        "zone": str(tale.zone),
        "hosts": [{"host": name, "role": role} for name, role in tale.hosts],
        "turns": tale.turns,
        "begins": _iso(tale.begins),
        "ends": _iso(tale.ends),
        "window_closes": _iso(tale.closes),
        "promoted": _iso(tale.wave.promoted),
        "against": [said(each, tale.zone, language) for each in tale.against],
        "refused": [{"host": each.host, "reason": each.reason} for each in tale.unfit],
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
