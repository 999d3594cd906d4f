# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The second visit: an armed change confirmed, taken back, or looked at.

It is kept apart from making the change, because it travels to the host once for every group: it
needs no kind of fix, and a thin line is glad of that.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import listeners
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.reasons import (
    Text,
    reason_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import Refused

Told = dict[str, Any]


class Tools(NamedTuple):
    """``look`` makes a fresh System, ``hands`` write, ``point`` is the group's restore point."""

    look: Callable[[], Any]
    hands: Any
    point: Any


def confirmed(tools: Tools, before: list[Told], seconds: float) -> Told:
    """``fixed``, or ``undone`` when something stopped listening or the host had gone back."""
    try:
        gone = listeners.missing(tools.look, before, seconds)
    except ProbeError as error:
        return undone(tools, error.reason())
    if gone:
        text = ", ".join(gone)
        return undone(tools, {"en": "no longer listening: " + text, "zh": "不再监听：" + text})
    try:
        tools.point.confirm()
    except Refused as no:
        return {"outcome": "undone", "reason": reason_of(no), **record_of(no.report)}
    return {"outcome": "fixed"}


def undone(tools: Tools, reason: Text) -> Told:
    """Taken back now, for this reason."""
    try:
        report = tools.point.undo()
    except Refused as no:
        return {"outcome": "undone", "reason": reason_of(no), **record_of(no.report)}
    return {"outcome": "undone", "reason": reason, **record_of(report)}


def inspected(tools: Tools) -> Told:
    """``{phase, left?, residue?, restored_after?}``; without such a point the phase is None."""
    report = tools.point.inspect()
    return {"phase": report.get("phase"), "left": report.get("left"), **record_of(report)}


def record_of(report: Told) -> Told:
    """What the undo's record says: ``residue``, and ``restored_after`` when the host did it by
    itself, in seconds from the deadline to the end."""
    record = report.get("record") or {}
    told: Told = {}
    if record.get("residue"):
        told["residue"] = record["residue"]
    overdue = record.get("overdue")
    if isinstance(overdue, (int, float)) and overdue > 0:
        told["restored_after"] = overdue
    return told
