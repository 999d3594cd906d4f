# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of a fix: which controls, and the way back in over a new connection.

The host is asked to make the change and then left. Only a second visit, which shares nothing with
the first, may confirm it; when there is none, the host goes back by itself, and we come to hear it.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError

from ansible_collections.storewarden.ops.plugins.action.baseline_audit import (
    ActionModule as Audit,
)
from ansible_collections.storewarden.ops.plugins.action.baseline_audit import listed
from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    LoadedControl,
    UnknownSelection,
    role_defaults,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_devices import about_devices
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import BadValue, fitted
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_schema import GROUPS, RISKS
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_yaml import ControlError
from ansible_collections.storewarden.ops.plugins.plugin_utils.fix_visit import Visit, Visits
from ansible_collections.storewarden.ops.plugins.plugin_utils.fresh_connection import speaks_ssh
from ansible_collections.storewarden.ops.plugins.plugin_utils.role_ports import role_ports

_LISTS = ("controls", "skip", "groups", "probe_ports", "extra_paths")
_NETS = "baseline_ssh_mgmt_nets"
_ALLOWED, _SENSITIVE = "baseline_ports_allowed", "baseline_ports_sensitive"
_OUTCOMES = "storewarden_fix_outcomes"
_CHANGED = ("planned", "fixed")
_BAD = ("undone", "lost")
_FIRST = ("planned", "applied")  # words of the first visit; the others settle what it armed
_SPEC = {
    "group": {"type": "str", "required": True, "choices": GROUPS},
    "audit": {"type": "dict"},
    "controls": {"type": "list", "elements": "str", "default": []},
    "families": {"type": "list", "elements": "str", "default": []},
    "skip": {"type": "list", "elements": "str", "default": []},
    "max_risk": {"type": "str", "choices": list(RISKS), "default": "R3"},
    "groups": {"type": "list", "elements": "str", "default": []},
    "owner": {"type": "str", "default": "ansible"},
    "epoch": {"type": "int"},
    "deadline": {"type": "float", "default": 300.0},
    "plan_only": {"type": "bool", "default": False},
    "probe_ports": {"type": "list", "elements": "int", "default": []},
    "probe_seconds": {"type": "float", "default": 30.0},
    "return_seconds": {"type": "float", "default": 120.0},
    "extra_paths": {"type": "list", "elements": "path", "default": []},
    "summary": {"type": "bool", "default": True},
}


class ActionModule(Audit):
    """Selects, calls the host, comes back, confirms, and says one line."""

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super(Audit, self).run(tmp, task_vars)
        began = time.monotonic()
        variables = task_vars or {}
        given = self._given()
        group = str(given["group"])
        try:
            chosen = self._failing(given, variables)
            fixes = [one.prepared_fix(self._values(one, variables)) for one in chosen]
            answer = self._answer(given, fixes, variables)
        except (ControlError, UnknownSelection, BadValue) as error:
            raise AnsibleActionFail(str(error)) from None
        answer["ms"] = round((time.monotonic() - began) * 1000, 1)
        return self._result(given, group, answer, variables)

    def _given(self) -> dict[str, Any]:
        arguments = self._task.args
        for name in _LISTS:
            if name in arguments:
                arguments[name] = listed(name, arguments[name])
        if arguments.get("epoch") in ("", None):
            arguments.pop("epoch", None)
        _spec, given = self.validate_argument_spec(_SPEC)
        unknown = [one for one in given["groups"] if one not in GROUPS]
        if unknown:
            raise AnsibleActionFail(
                f"no apply group called {', '.join(unknown)} (there are: {', '.join(GROUPS)})"
            )
        if given["deadline"] <= 0:
            raise AnsibleActionFail("deadline: seconds above 0 are meant")
        return dict(given)

    # -- which controls ------------------------------------------------------------------------

    def _failing(self, given: dict[str, Any], variables: dict[str, Any]) -> list[LoadedControl]:
        """Controls of the group that an audit found failing and that may be fixed."""
        if given["groups"] and given["group"] not in given["groups"]:
            return []
        controls, _content = self.selected(given)
        wanted = [
            one
            for one in controls
            if one.group == given["group"]
            and not one.manual
            and not about_devices(one.data)  # nothing logs in to a device to change it
            and one.id not in given["skip"]
            and RISKS.index(str(one.data["risk"])) <= RISKS.index(given["max_risk"])
        ]
        if not wanted:
            return []
        report = self._audited(given, wanted, variables)
        failing = {one["id"] for one in report["controls"] if one["verdict"] == "fail"}
        return [one for one in wanted if one.id in failing]

    def _audited(
        self, given: dict[str, Any], wanted: list[LoadedControl], variables: dict[str, Any]
    ) -> dict[str, Any]:
        """The report that was handed over, else one made now."""
        result = given["audit"]
        if result is None:
            result = self._execute_module(
                module_name="storewarden.ops.baseline_audit",
                module_args={"controls": [self._prepared(one, variables) for one in wanted]},
                task_vars=variables,
            )
        for report in result.get("storewarden", {}).values():
            if isinstance(report, dict) and "controls" in report:
                return report
        raise AnsibleActionFail(
            "audit holds no report of storewarden.ops.baseline_audit"
            f" ({result.get('msg') or 'register its result and give it here'})"
        )

    # -- the change ----------------------------------------------------------------------------

    def _answer(
        self, given: dict[str, Any], fixes: list[dict[str, Any]], variables: dict[str, Any]
    ) -> dict[str, Any]:
        if not fixes:
            return {"outcome": "unchanged", "restore_point": None, "controls": []}
        visits = Visits(
            connection=self._connection,
            call=lambda word, work: self._call(word, work, variables),
            address=self._address(variables),
        )
        visit = Visit(
            work=self._work(given, fixes, variables),
            ports=tuple(given["probe_ports"]),
            role_ports=self._role_ports(variables),
            probe_seconds=given["probe_seconds"],
            return_seconds=given["return_seconds"],
        )
        if given["plan_only"] or self._task.check_mode:
            return visits.plan(visit)
        # A host that is unreachable now is Ansible's ordinary unreachable.
        self._low_level_execute_command("true", sudoable=False)
        return visits.change(visit)

    def _work(
        self, given: dict[str, Any], fixes: list[dict[str, Any]], variables: dict[str, Any]
    ) -> dict[str, Any]:
        stem = re.sub(r"[^A-Za-z0-9._-]", "-", given["owner"])[:60].lstrip(".-_") or "fix"
        user = None
        if speaks_ssh(self._connection):
            user = self._connection.get_option("remote_user")
        return {
            "id": f"{stem}-{given['group']}-{secrets.token_hex(4)}",
            "owner": given["owner"],
            "epoch": given["epoch"],
            "deadline": given["deadline"],
            "controls": fixes,
            "management": self._management(variables),
            "connection": {"user": user, "address": None},
        }

    def _management(self, variables: dict[str, Any]) -> list[str]:
        return [str(one) for one in self._listing(_NETS, variables)]

    def _role_ports(self, variables: dict[str, Any]) -> tuple[int, ...]:
        """What the host's role serves; nobody can look at it from here but over a network."""
        if not speaks_ssh(self._connection):
            return ()
        allowed, sensitive = (self._listing(name, variables) for name in (_ALLOWED, _SENSITIVE))
        return role_ports(allowed, sensitive, int(self._connection.get_option("port") or 22))

    def _listing(self, name: str, variables: dict[str, Any]) -> list[Any]:
        """A variable of the baselines that is a list: the site's, else its default."""
        found = role_defaults().get(name, [])
        if name in variables:
            found = fitted(name, self._value_of(name, variables[name]), found)
        return list(found)

    def _address(self, variables: dict[str, Any]) -> str:
        """Where the host is reached from here."""
        named = variables.get("ansible_host", variables.get("inventory_hostname", ""))
        return str(self._value_of("ansible_host", named))

    def _call(self, word: str, work: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """One word to the host. Raises AnsibleError when there is no answer."""
        name = "baseline_fix" if word in _FIRST else "baseline_settle"
        result = self._execute_module(
            module_name=f"storewarden.ops.{name}",
            module_args={"work": {**work, "state": word}},
            task_vars=variables,
        )
        answer = result.get("fix")
        if not isinstance(answer, dict):
            said = result.get("msg") or result.get("module_stderr") or "no answer"
            raise AnsibleError(" ".join(str(said).split()))
        return answer

    # -- the result ----------------------------------------------------------------------------

    def _result(
        self, given: dict[str, Any], group: str, answer: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        outcome = str(answer["outcome"])
        text = f"{group}: {_line(answer)}"
        host = variables.get("inventory_hostname", "")
        if given["summary"] and outcome != "unchanged":
            self._display.display(f"{host}: {text}")
        before = variables.get("ansible_facts", {}).get(_OUTCOMES, {})
        # A group that failed and was taken back wholly leaves the host as it was: the groups that
        # follow know nothing of it. One that left something behind ends the work on this host.
        left = outcome == "failed" and bool(answer.get("residue"))
        return {
            "changed": outcome in _CHANGED,
            "failed": outcome in _BAD or left,
            "msg": text,
            "storewarden": {"harden": {group: answer}},
            "ansible_facts": {_OUTCOMES: {**before, group: outcome}},
        }


def _line(answer: dict[str, Any]) -> str:
    """ "fixed B02 B03 in 2.1 s" and the like."""
    ids = [one["id"] for one in answer["controls"] if one["changes"]]
    words = [answer["outcome"], *ids, f"in {answer['ms'] / 1000:.1f} s"]
    line = " ".join(words)
    if "restored_after" in answer:
        line += f"; the host restored itself {answer['restored_after']:.1f} s after its deadline"
    if answer.get("reason"):
        line += f"; {answer['reason']['en']}"
    left = [one for one in answer["controls"] if one.get("problem")]
    if left and answer["outcome"] not in ("failed", "refused"):
        line += "; left out: " + "; ".join(f"{one['id']}: {one['problem']['en']}" for one in left)
    return line
