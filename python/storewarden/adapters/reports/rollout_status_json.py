# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout's status for programs: documented in docs/reference/rollout-status.md, versioned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from storewarden.domain.gates.verdict import Verdict
from storewarden.domain.rollout.record import HostRecord, Rollback, WaveRecord
from storewarden.ports.journal import stamp
from storewarden.ports.reports import Page
from storewarden.ports.rollout_status import RolloutStatus

VERSION = 1


def render(status: RolloutStatus, _page: Page | None = None, _rows: int = 0) -> str:
    """The whole text."""
    return json.dumps(plain(status), ensure_ascii=False, indent=2) + "\n"


def plain(status: RolloutStatus) -> dict[str, object]:
    """The status as JSON data."""
    rollout = status.rollout
    return {
        "version": VERSION,
        "at": stamp(status.at),
        "rollout": rollout.number,
        "change": rollout.change,
        "payload": rollout.spec.payload,
        "state": rollout.state.value,
        "held": rollout.held,
        "held_zh": rollout.held_zh,
        "until": _at(rollout.until),
        "stopped": status.stopped,
        "opened": stamp(rollout.opened),
        "by": rollout.by,
        "started": _at(rollout.started),
        "ended": _at(rollout.ended),
        "membership": rollout.membership,
        "lock": None if rollout.lock is None else dict(rollout.lock.data),
        "rollback": None if rollout.rollback is None else _rollback(rollout.rollback),
        "counts": {state.value: count for state, count in sorted(status.counts.items())},
        "waves": [_wave(status, wave) for wave in rollout.waves],
        "dispatches": [
            {"id": each.id, "phase": each.phase.value, "wave": each.wave, "at": stamp(each.at),
             "hosts": list(each.hosts)}
            for each in rollout.dispatches.values()
        ],
        "hosts": [_host(host) for host in rollout.hosts.values()],
    }  # fmt: skip


def _wave(status: RolloutStatus, wave: WaveRecord) -> dict[str, object]:
    left = status.watched(wave)
    return {
        "number": wave.number,
        "stores": list(wave.stores),
        "state": wave.state.value,
        "began": _at(wave.began),
        "soaking": _at(wave.soaking),
        "left_seconds": None if left is None else _seconds(left[0]),
        "left_trading_seconds": None if left is None else _seconds(left[1]),
        "extended": wave.extended,
        "ended": _at(wave.ended),
        "excused": wave.excused,
        "verdicts": [_verdict(each) for each in wave.verdicts],
    }


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "gate": verdict.gate,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "reason_zh": verdict.reason_zh,
        "hard": verdict.hard,
        "evidence": _plain(verdict.evidence),
    }


def _host(host: HostRecord) -> dict[str, object]:
    return {
        "host": host.name,
        "store": host.store,
        "wave": host.wave,
        "state": host.state.value,
        "since": _at(host.since),
        "touched": host.touched,
        "restore_point": host.restore_point,
        "seconds": host.seconds,
        "undo_seconds": host.undo_seconds,
        "restored_at": _at(host.restored_at),
        "debt": host.debt,
        "reason": host.reason,
    }


def _rollback(back: Rollback) -> dict[str, object]:
    return {
        "cause": back.cause.value,
        "reason": back.reason,
        "by": back.by,
        "verdict": stamp(back.verdict),
        "first_undo": _at(back.first_undo),
        "last_restored": _at(back.last_restored),
        "ended": _at(back.ended),
    }


def _at(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _seconds(length: timedelta) -> int:
    return round(length.total_seconds())


def _plain(value: object) -> object:
    """JSON data that may hold tuples and mappings of its own kind."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
