# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of one apply group: every control's steps, rehearsed one on top of the other.

A control that cannot be planned is left out with the reason; it does not hold up the others of its
group. Nothing here touches the host.
"""

from __future__ import annotations

import contextlib
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evidence import evidence
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kinds import plan
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.overlay import (
    Overlay,
    Rehearsal,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.reasons import (
    Text,
    joined,
    reason_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step

Control = dict[str, Any]


class ControlPlan:
    """One control: ``steps`` as (fix, Step) where something changes, or the ``problem``."""

    def __init__(self, control: Control) -> None:
        self.id = str(control["id"])
        self.risk = str(control["risk"])
        self.fixes: list[dict[str, Any]] = list(control["steps"])
        self.steps: list[tuple[dict[str, Any], Step]] = []
        self.remains: list[Text] = []
        self.problem: Text | None = None
        self.lockout: Text | None = None

    @property
    def changes(self) -> list[Change]:
        """Everything that will be different."""
        return [change for _fix, step in self.steps for change in step.changes]

    def report(self) -> dict[str, Any]:
        """``{id, risk, changes, reloads, restarts, lockout?, problem?, remains?}``; no secrets."""
        told: dict[str, Any] = {
            "id": self.id,
            "risk": self.risk,
            "changes": [evidence(dict(change._asdict())) for change in self.changes],
            "reloads": union(step.reloads for _fix, step in self.steps),
            "restarts": union(step.restarts for _fix, step in self.steps),
        }
        for key in ("lockout", "problem", "remains"):
            if getattr(self, key):
                told[key] = getattr(self, key)
        return told


class GroupPlan:
    """The controls of one group, and the host as it would be."""

    def __init__(self, base: Any, overlay: Overlay, controls: list[ControlPlan]) -> None:
        self.base, self.overlay, self.controls = base, overlay, controls

    @property
    def steps(self) -> list[Step]:
        """All steps that change something, in order."""
        return [step for control in self.controls for _fix, step in control.steps]

    @property
    def changing(self) -> list[ControlPlan]:
        """Controls that change something."""
        return [control for control in self.controls if control.steps]

    def problems(self) -> Text | None:
        """The reasons of all controls that could not be planned, or None."""
        bad = [(one.id, one.problem) for one in self.controls if one.problem]
        return joined([(name, text) for name, text in bad if text]) if bad else None

    def report(self) -> list[dict[str, Any]]:
        """One entry per control."""
        return [control.report() for control in self.controls]


def plan_group(system: Any, controls: list[Control]) -> GroupPlan:
    """``controls`` are prepared fixes: ``{id, risk, group, steps}``."""
    overlay = Overlay(system)
    hands = Rehearsal(overlay)
    return GroupPlan(system, overlay, [_planned(overlay, hands, one) for one in controls])


def _planned(overlay: Overlay, hands: Rehearsal, control: Control) -> ControlPlan:
    found = ControlPlan(control)
    mark = overlay.mark()
    try:
        for fix in found.fixes:
            step = plan(overlay, fix)
            found.remains += step.remains
            if step.changes:
                found.steps.append((fix, step))
                _rehearse(step, hands)
    except Exception as error:
        # Whatever is wrong with one control, the others of its group can be planned.
        overlay.back(mark)
        found.steps = []
        found.problem = reason_of(error)
    return found


def _rehearse(step: Step, hands: Rehearsal) -> None:
    """An act that goes on from what a command said gets nothing here; then it ends early."""
    with contextlib.suppress(Exception):
        step.act(hands)


def union(lists: Any) -> list[str]:
    """Every element once, in the order of its first coming."""
    return list(dict.fromkeys(one for group in lists for one in group))
