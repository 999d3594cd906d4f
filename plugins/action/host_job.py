# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of a host job: it waits in short visits, and comes back when it must.

The job does not know us. Each visit starts it or finds it, extends the restore point, waits a
little, and ends; a visit that dies with its line is followed by another one.
"""

from __future__ import annotations

import os
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.storewarden.ops.plugins.plugin_utils.fresh_connection import (
    drop,
    unshared,
)

Result = dict[str, Any]
_VISIT = 15.0  # seconds that one visit waits at most
_PAUSE = 1.0
_RETURN_SECONDS = 120.0


class ActionModule(ActionBase):
    """One job, to its end or as far as was asked."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Result:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        waits = str(arguments.get("state", "awaited")) == "awaited" and not self._task.check_mode
        if waits:
            arguments["seconds"] = _visit_seconds(arguments.get("restore_point"))
        began, began_here, play = time.monotonic(), False, os.getppid()
        while True:
            _must_be_wanted(play)
            arguments["restore_point"] = _with_rest(
                self._task.args.get("restore_point"), time.monotonic() - began
            )
            result = self._visited(arguments, task_vars)
            began_here = began_here or bool(result.get("changed"))
            job = result.get("job")
            if result.get("failed") or not isinstance(job, dict):
                return result
            if not waits or job["state"] != "running":
                job["adopted"] = bool(job.get("adopted")) and not began_here
                return _told({**result, "changed": began_here}, arguments, waits)

    def _visited(self, arguments: Result, task_vars: Any) -> Result:
        """One visit, repeated while there is no line. Raises AnsibleConnectionFailure after
        ``return_seconds`` without one; the job goes on."""
        patience = float(arguments.get("return_seconds") or _RETURN_SECONDS)
        end = None
        while True:
            began = time.monotonic()
            try:
                with unshared(self._connection):
                    result: Result = self._execute_module(
                        module_name="storewarden.ops.host_job",
                        module_args=arguments,
                        task_vars=task_vars,
                    )
                return result
            except AnsibleConnectionFailure:
                # The line was there when the visit began, for all we know.
                end = end or began + patience
                if time.monotonic() >= end:
                    raise
                drop(self._connection)
                time.sleep(_PAUSE)


def _must_be_wanted(play: int) -> None:
    """AnsibleError when the play that asked is gone. Its workers live in sessions of their own, and
    one that outlives a killed play would keep the dead man away with nobody left to confirm."""
    if os.getppid() != play:
        raise AnsibleError("the play is gone; the job goes on by itself")


def _visit_seconds(point: Any) -> float:
    """A visit ends well before the deadline that it has set."""
    deadline = float(point.get("deadline") or 300.0) if isinstance(point, dict) else 300.0
    return max(1.0, min(_VISIT, deadline / 4))


def _with_rest(point: Any, spent: float) -> Any:
    """What the role has left of its time when the job ends: the host waits so much longer."""
    if not isinstance(point, dict):
        return point
    return {**point, "rest": max(0.0, float(point.get("rest") or 0.0) - spent)}


def _told(result: Result, arguments: Result, waited: bool) -> Result:
    """The result with its line; failed when the job is lost or ended badly."""
    job = result["job"]
    line = f"job {job['id']} {_state(job)}"
    accept = [int(one) for one in arguments.get("accept", [0])]
    bad = job["state"] == "lost" or (job["state"] == "finished" and job.get("rc") not in accept)
    if waited and bad:
        last = job.get("log") or []
        said = f": {last[-1]}" if last else ""
        return {**result, "failed": True, "refused": False, "msg": line + said}
    return {**result, "msg": line}


def _state(job: Result) -> str:
    if job["state"] == "finished":
        return f"finished with status {job.get('rc')} after {job.get('seconds', 0):g} s"
    if job["state"] == "lost":
        return "was lost: it ended without a result"
    return f"is {job['state']}"
