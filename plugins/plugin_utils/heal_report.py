# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One report per host and repair: what a role's tasks may say, and how it is told.

A role speaks through what its tasks register. That is checked here, so that a slip of a role ends
with a line that names it, and never with a repair that nobody knows of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_meta import STATES
from ansible_collections.storewarden.ops.plugins.plugin_utils.payload_report import (
    failure,
    in_both,
)

Reason = dict[str, str]
REPAIRED, HEALTHY, LOOKED = "repaired", "healthy", "looked"
ESCALATE, NOT_WELL, FAILED = "escalate", "not_well", "failed"
CLOCK_SECONDS = 600.0  # a diagnosis is judged moments after it was made
_BAD = (NOT_WELL, FAILED)
_TOLD = ("state", "reason", "reason_zh", "plan", "facts")
_UNDONE = ("report", "reason", "record", "residue", "restored_at", "steps")


def reported(about: Mapping[str, Any], end: str, reason: Reason, **more: Any) -> dict[str, Any]:
    """A task's result with the report of its host.

    ``about``: ``action``, ``run``, and what the role's tasks said as far as they came:
    ``diagnosed``, ``acted``, ``verified``. ``more`` goes into the report.
    """
    diagnosed, acted, verified = (_said(about, one) for one in ("diagnosed", "acted", "verified"))
    told: dict[str, Any] = {
        "action": str(about.get("action") or ""),
        "run": str(about.get("run") or ""),
        "end": end,
        "reason": reason["en"],
        "reason_zh": reason["zh"],
        "diagnosis": _diagnosis(diagnosed),
        "steps": list(acted.get("steps") or []),
        "evidence": list(diagnosed.get("evidence") or []),
        "seconds": {
            phase: said["seconds"]
            for phase, said in (("diagnose", diagnosed), ("act", acted), ("verify", verified))
            if "seconds" in said
        },
    }
    if verified.get("finding"):
        told["finding"] = verified["finding"]
    told.update(more)
    line = f"heal {told['action']}: {end}" + (f"; {reason['en']}" if reason["en"] else "")
    return {
        "changed": bool(told["steps"]) and end not in (HEALTHY, LOOKED, ESCALATE),
        "failed": end in _BAD,
        "msg": line,
        "storewarden": {"heal": told},
    }


def _said(about: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = about.get(name)
    return found if isinstance(found, Mapping) else {}


def _diagnosis(diagnosed: Mapping[str, Any]) -> dict[str, Any]:
    found = diagnosed.get("diagnosis")
    return {key: found[key] for key in _TOLD if key in found} if isinstance(found, Mapping) else {}


def undone_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of an undo, from the host's answer."""
    flat = {**answer, **(answer.get("detail") or {})}
    return {key: flat[key] for key in _UNDONE if flat.get(key)}


def own_report(result: object) -> dict[str, Any] | None:
    """The report that a failed task carries itself, None when it has none."""
    told = result.get("storewarden") if isinstance(result, Mapping) else None
    own = told.get("heal") if isinstance(told, Mapping) else None
    return dict(own) if isinstance(own, Mapping) and "end" in own else None


# -- what roles say ------------------------------------------------------------------------------


def diagnosis_problems(said: object, operations: object = ()) -> list[str]:
    """What is wrong with what diagnose.yml registered, one line each. ``operations`` are the
    classes that meta/heal.yml names."""
    found = said.get("diagnosis") if isinstance(said, Mapping) else None
    if not isinstance(found, Mapping):
        return ["diagnose.yml has not registered heal_diagnosed with a diagnosis"]
    problems = [f"heal_diagnosed.diagnosis.{one} is missing" for one in _TOLD if one not in found]
    if found.get("state") not in STATES:
        problems.append(f"heal_diagnosed.diagnosis.state: {found.get('state')!r} is no state")
    if not isinstance(found.get("capture", []), list):
        problems.append("heal_diagnosed.diagnosis.capture: a list is meant")
    return [*problems, *operation_problems(found.get("plan"), operations)]


def finding_problems(said: object) -> list[str]:
    """What is wrong with what verify.yml registered, one line each."""
    found = said.get("finding") if isinstance(said, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(found.get("well"), bool):
        return ["verify.yml has not registered heal_verified with a finding"]
    return []


def clock_problem(said: Mapping[str, Any], now: float) -> Reason | None:
    """Why a host's judgement about ages counts for nothing, None when it counts: its clock is
    not the controller's (``now``, seconds since 1970). A till whose clock's battery is dead boots
    years ahead, and all that it has is old."""
    clock = said.get("clock")
    if not isinstance(clock, (int, float)) or abs(clock - now) <= CLOCK_SECONDS:
        return None
    apart = clock - now
    word, word_zh = ("ahead of", "快") if apart > 0 else ("behind", "慢")
    return {
        "en": f"the host's clock is {abs(apart):.0f} s {word} the controller's, so nobody can say"
        " what is old; set the clock first (action time)",
        "zh": f"主机时钟比控制端{word_zh} {abs(apart):.0f} 秒，无法判断新旧；请先校时（time 操作）",
    }


def operation_problems(plan: object, known: object) -> list[str]:
    """What is wrong with the operation class that a plan names: windows were asked about those that
    meta/heal.yml names, and about no others."""
    said = plan.get("operation") if isinstance(plan, Mapping) else None
    if said is None or (isinstance(known, (list, tuple)) and said in known):
        return []
    return [
        f"heal_diagnosed.diagnosis.plan.operation: {said!r} is neither operation nor may_become of"
        " meta/heal.yml"
    ]


def closed_to(plan: object, closed: object) -> Reason | None:
    """Why the work that was diagnosed must not be done now, None when it may be."""
    said = plan.get("operation") if isinstance(plan, Mapping) else None
    why = closed.get(said) if isinstance(closed, Mapping) else None
    if not isinstance(why, Mapping):
        return None
    return in_both({"en": why.get("en") or "closed", "zh": why.get("zh") or ""})


def reason_of(found: Mapping[str, Any]) -> Reason:
    """The reason of a diagnosis or a finding, in both languages."""
    return in_both({"en": found.get("reason") or "", "zh": found.get("reason_zh") or ""})


def broken(task: str, result: object) -> Reason:
    """Why a task failed: the action's own words where it has some."""
    if isinstance(result, Mapping) and result.get("reason_zh") and result.get("msg"):
        return in_both({"en": result["msg"], "zh": result["reason_zh"]})
    return failure(task, result)
