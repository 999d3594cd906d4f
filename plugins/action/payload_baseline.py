# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of the hardening payload: which controls, with which values.

The choice is ``baseline_fix``'s own, group by group in its order, so that a rollout fixes exactly
what ``storewarden harden`` would.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.storewarden.ops.plugins.action.baseline_audit import listed
from ansible_collections.storewarden.ops.plugins.action.baseline_fix import ActionModule as Fix
from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    UnknownSelection,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import BadValue
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_schema import GROUPS, RISKS
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_yaml import ControlError
from ansible_collections.storewarden.ops.plugins.plugin_utils.fresh_connection import (
    speaks_ssh,
    unshared,
)

Result = dict[str, Any]
_LISTS = ("controls", "families", "skip", "groups", "extra_paths")
_SPEC = {
    **{name: {"type": "list", "elements": "str", "default": []} for name in _LISTS},
    "state": {"type": "str", "choices": ["planned", "applied", "verified"], "default": "planned"},
    "audit": {"type": "dict", "default": {}},
    "max_risk": {"type": "str", "choices": list(RISKS), "default": "R3"},
    "restore_point": {"type": "dict", "default": {}},
    "stage": {"type": "path", "default": ""},
}


class ActionModule(Fix):
    """Selects, and calls the module once."""

    def run(self, tmp: Any = None, task_vars: Any = None) -> Result:
        ActionBase.run(self, tmp, task_vars)
        variables = task_vars or {}
        given = self._chosen()
        try:
            controls = [] if given["state"] == "verified" else self._fixes(given, variables)
        except (ControlError, UnknownSelection, BadValue) as error:
            raise AnsibleActionFail(str(error)) from None
        work = {
            "state": given["state"],
            "controls": controls,
            "verdicts": _verdicts(given["audit"]) if given["state"] == "verified" else {},
            "management": self._management(variables),
            "connection": {"user": self._login(), "address": None},
            "point": given["restore_point"],
            "stage": given["stage"],
        }
        with unshared(self._connection):
            result: Result = self._execute_module(
                module_name="storewarden.ops.payload_baseline",
                module_args={"work": work},
                task_vars=variables,
            )
        result.pop("invocation", None)
        return result

    def _chosen(self) -> Result:
        for name in _LISTS:
            if name in self._task.args:
                self._task.args[name] = listed(name, self._task.args[name])
        _spec, given = self.validate_argument_spec(_SPEC)
        unknown = [one for one in given["groups"] if one not in GROUPS]
        if unknown:
            raise AnsibleActionFail(
                f"no apply group called {', '.join(unknown)} (there are: {', '.join(GROUPS)})"
            )
        return dict(given)

    def _fixes(self, given: Result, variables: Result) -> list[Result]:
        """Prepared fixes of all that fails and may be fixed, in the groups' order."""
        return [
            one.prepared_fix(self._values(one, variables))
            for group in GROUPS
            for one in self._failing({**given, "group": group}, variables)
        ]

    def _login(self) -> str | None:
        if not speaks_ssh(self._connection):
            return None
        user: str | None = self._connection.get_option("remote_user")
        return user


def _verdicts(audit: Result) -> dict[str, str]:
    """Control -> verdict of an audit's result."""
    for report in audit.get("storewarden", {}).values():
        if isinstance(report, dict) and "controls" in report:
            return {one["id"]: one["verdict"] for one in report["controls"]}
    raise AnsibleActionFail("audit holds no report of storewarden.ops.baseline_audit")
