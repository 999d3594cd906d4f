# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One apply group on one host: planned, kept, armed, made, checked and told, in one call.

From arming on there is no way out but two: the controller confirms over a new connection, or
everything goes back. Whatever fails here takes the change back at once.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    after_act,
    claims,
    listeners,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kind_packages import (
    UPDATE,
    UPDATE_SECONDS,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kinds import plan
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.lockout import (
    Surroundings,
    judge,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.planning import (
    GroupPlan,
    plan_group,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.reasons import reason_of
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.settling import (
    Told,
    Tools,
    record_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed, Step
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import (
    Refused,
    RestoreError,
)

_SPENT = 0.1  # of the deadline, from which on it is extended before the controller comes back


def planned(look: Callable[[], Any], controls: list[Told], around: Surroundings) -> Told:
    """What ``applied`` would do: ``{outcome, reason?, controls}``."""
    return _outlook(plan_group(look(), controls), around)


def _outlook(found: GroupPlan, around: Surroundings) -> Told:
    """The outcome as far as it is known without touching anything."""
    locked = judge(found, around)
    report: Told = {"restore_point": None, "controls": found.report()}
    problems = found.problems()
    if locked is not None:
        return {**report, "outcome": "refused", "reason": locked}
    if found.steps:
        return {**report, "outcome": "planned"}
    if problems is not None:
        return {**report, "outcome": "refused", "reason": problems}
    return {**report, "outcome": "unchanged"}


def applied(tools: Tools, controls: list[Told], around: Surroundings) -> Told:
    """``outcome`` is unchanged, refused or failed (not begun, or undone again), or "applied":
    armed and waiting for the confirmation, with the ``listeners`` to look for before it."""
    began = time.monotonic()
    found = plan_group(tools.look(), controls)
    if _package_lists_renewed(tools, found):
        found = plan_group(tools.look(), controls)
    report = _outlook(found, around)
    if report["outcome"] == "planned":
        report.update(_made(tools, found))
    report["ms"] = round((time.monotonic() - began) * 1000, 1)
    return report


def _package_lists_renewed(tools: Tools, found: GroupPlan) -> bool:
    """A package that is not found may only be missing from old lists: one look at the source."""
    stuck = [one for one in found.controls if one.problem]
    if not any(fix["kind"] == "packages" for one in stuck for fix in one.fixes):
        return False
    try:
        tools.hands.run(list(UPDATE), UPDATE_SECONDS)
    except FixFailed:
        return False  # the plan's own reason says what is missing
    return True


def _made(tools: Tools, found: GroupPlan) -> Told:
    items = claims.of_steps(found.steps)
    try:
        for step in found.steps:
            if step.stage is not None:
                step.stage(tools.hands)
        tools.point.capture(items)
        before = listening(tools, found)
        broken = after_act.missing_pam_modules(tools.look())
        armed = time.monotonic()
        tools.point.arm(any(step.long for step in found.steps))
    except Refused as no:
        return {"outcome": "refused", "reason": reason_of(no)}
    except Exception as error:
        return {"outcome": "failed", "reason": reason_of(error)}
    begun: Told = {"restore_point": tools.point.name.id}
    try:
        _act(tools, found, items, broken)
        # The controller needs most of the deadline for its way back in.
        if time.monotonic() - armed > tools.point.name.deadline * _SPENT and tools.point.stands():
            tools.point.extend()
    except Refused as no:
        return {**begun, "outcome": "undone", "reason": reason_of(no), **record_of(no.report)}
    except Exception as error:
        if not tools.point.stands():
            # Its undo has begun and may wait for this process; the next visit hears how it ended.
            return {**begun, "outcome": "applied", "listeners": before}
        # Also what nobody expected: better back now than at the deadline.
        return {**begun, **_taken_back(tools, error)}
    return {**begun, "outcome": "applied", "listeners": before}


def made_under(tools: Tools, found: GroupPlan, items: list[Told]) -> None:
    """The plan made under a restore point that somebody else has captured with these items and
    armed. Raises whatever went wrong; taking it back is up to whoever armed it."""
    _act(tools, found, items, after_act.missing_pam_modules(tools.look()))


def listening(tools: Tools, found: GroupPlan) -> list[Told]:
    """What must still listen when the plan has been made; see ``listeners``."""
    return listeners.standing(tools.look(), _stops(found), _closes(found))


def _stops(found: GroupPlan) -> tuple[str, ...]:
    return tuple(unit for step in found.steps for unit in step.stops)


def _closes(found: GroupPlan) -> tuple[int, ...]:
    return tuple(port for step in found.steps for port in step.closes)


def _act(tools: Tools, found: GroupPlan, items: list[Told], broken: set[str]) -> None:
    """Each step is planned anew on the host as it is by now: controls share files."""
    made: list[Step] = []
    for control in found.changing:
        for fix in control.fixes:
            step = plan(tools.look(), fix)
            _must_be_kept(control.id, step, items)
            if step.changes:
                _must_stand(tools)
                with tools.point.kept_alive(step.long):
                    step.act(tools.hands)
                made.append(step)
    new = after_act.missing_pam_modules(tools.look()) - broken
    if new:
        raise FixFailed(
            "PAM would need modules that are not there: {0}".format(", ".join(sorted(new))),
            "PAM 引用了不存在的模块：{0}".format(", ".join(sorted(new))),
        )
    after_act.check(tools.hands, made)
    _must_stand(tools)
    after_act.tell(tools.hands, tools.look, made)


def _must_stand(tools: Tools) -> None:
    """What is changed after the host has gone back would stay without a way back."""
    if not tools.point.stands():
        raise FixFailed("the host goes back to its restore point", "主机正在恢复到还原点")


def _must_be_kept(name: str, step: Step, items: list[Told]) -> None:
    missing = claims.uncovered(step.items, items)
    if missing:
        text = ", ".join(missing[:3])
        raise FixFailed(
            "{0} has come to need {1}, which the restore point did not keep (run again)".format(
                name, text
            ),
            "{0} 还需更改 {1}，但还原点未包含（请重新运行）".format(name, text),
        )


def _taken_back(tools: Tools, error: Exception) -> Told:
    """The change is undone at once; when even that fails, the host's timer does it."""
    try:
        report = tools.point.undo()
    except (RestoreError, OSError) as failure:
        more = "; its undo: {0}".format(failure)
        text = reason_of(error)
        return {
            "outcome": "failed",
            "reason": {"en": text["en"] + more, "zh": text["zh"] + more},
            "residue": [{"item": "undo", "why": str(failure)}],
        }
    return {"outcome": "failed", "reason": reason_of(error), **record_of(report)}
