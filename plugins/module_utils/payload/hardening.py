# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hardening as a payload: all apply groups of a host under the payload's one restore point.

``baseline_fix`` gives each group a restore point of its own, so that one that fails costs only
itself. In a rollout a host is either at its target or as it was, so there it is one for all.

What has to be known of earlier phases lies in the payload's own folder of downloads: what the
restore point keeps, which ports were served, which controls were fixed, and whether apply came to
its end. Between preflight and apply another control may have begun to fail: what the restore point
does not keep is not touched.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Callable

from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    claims,
    listeners,
    transaction,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.lockout import (
    Surroundings,
    judge,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.planning import (
    GroupPlan,
    plan_group,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.settling import Tools
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    make_folder,
    read_json,
    write_json,
)

Told = dict[str, Any]
_FILE = "hardening.json"
_LISTEN_SECONDS = 15.0  # a daemon that was restarted needs a moment


def planned(look: Callable[[], Any], controls: list[Told], around: Surroundings) -> Told:
    """The fact ``payload_preflight``, and ``controls`` with what is the matter with each."""
    found = plan_group(look(), controls)
    locked, problems = judge(found, around), found.problems()
    told: Told = {
        "ready": True,
        "nothing": False,
        "reason": {},
        "changes": _changes(found),
        "items": claims.of_steps(found.steps),
        "controls": found.report(),
    }
    if locked is not None:
        return {**told, "ready": False, "reason": locked}
    if found.steps:
        return told
    if problems is not None:
        return {**told, "ready": False, "reason": problems}
    return {**told, "nothing": True}


def _changes(found: GroupPlan) -> list[Told]:
    return [
        {
            "what": "{0} {1}".format(control["id"], change["what"]),
            "before": _text(change["before"]),
            "after": _text(change["after"]),
        }
        for control in found.report()
        for change in control["changes"]
    ]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def staged(tools: Tools, controls: list[Told]) -> None:
    """What the change needs from elsewhere is fetched before anything is armed."""
    for step in plan_group(tools.look(), controls).steps:
        if step.stage is not None:
            step.stage(tools.hands)


def noted(stage: str, items: list[Told]) -> None:
    """What the restore point is going to keep."""
    make_folder(stage)
    write_json(os.path.join(stage, _FILE), {"items": items})


def applied(tools: Tools, controls: list[Told], stage: str) -> Told:
    """The change, under the restore point that is armed. Raises what went wrong; the payload's
    frame takes it back."""
    known = _known(stage)
    if "items" not in known:
        raise FixFailed(
            "the host does not know any more what preflight kept: run it again",
            "主机上已无预检记录：请重新执行预检",
        )
    found = plan_group(tools.look(), controls)
    if "fixed" not in known:
        ids = [one.id for one in found.changing if not one.remains]
        listening = transaction.listening(tools, found)
        known = {**known, "listeners": listening, "fixed": ids, "ended": False}
        write_json(os.path.join(stage, _FILE), known)
    tools.point.keep_as_apply(any(step.long for step in found.steps))
    transaction.made_under(tools, found, known["items"])
    write_json(os.path.join(stage, _FILE), {**known, "ended": True})
    return {"fixed": known["fixed"], "controls": found.report()}


def verified(look: Callable[[], Any], verdicts: dict[str, str], stage: str) -> list[Told]:
    """Probes: apply came to its end, what was served is served, what was fixed does not fail."""
    known = _known(stage)
    gone = listeners.missing(look, known.get("listeners", []), _LISTEN_SECONDS)
    still = [
        one for one in known.get("fixed", []) if verdicts.get(one, "fail") in ("fail", "error")
    ]
    return [
        _probe("apply", bool(known.get("ended")), "came to its end", "did not come to its end"),
        _probe("listeners", not gone, "as before", "no longer listening: " + ", ".join(gone)),
        _probe("controls", not still, "fixed", "still failing: " + ", ".join(still)),
    ]


_CHINESE = {
    "apply": ("已执行完毕", "未执行完毕"),
    "listeners": ("端口监听与变更前一致", "不再监听："),
    "controls": ("已修复", "仍未通过："),
}


def _probe(name: str, good: bool, en: str, bad: str) -> Told:
    yes, no = _CHINESE[name]
    if good:
        return {"name": name, "ok": True, "detail": {"en": en, "zh": yes}}
    more = bad.partition(": ")[2]
    return {"name": name, "ok": False, "detail": {"en": bad, "zh": no + more}}


def _known(stage: str) -> Told:
    with contextlib.suppress(OSError, ValueError):
        return dict(read_json(os.path.join(stage, _FILE)))
    return {}
