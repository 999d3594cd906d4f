# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of the audit: which controls, with which values, for this host.

Control files are read by our own loader and never by Ansible's, so nothing in them is a template;
only the site's variables are. Ansible forks a worker for every host; the catalogue is read
once before that (see the end of this file), not once in each of fifty workers.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    LoadedControl,
    UnknownSelection,
    load_catalogue,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_devices import (
    OS_VARIABLE,
    about_devices,
    device_report,
    dialect_of,
    summary,
    with_others,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import BadValue, fitted
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_yaml import ControlError

_LISTS = ("controls", "families", "extra_paths")
_PASSED_ON = ("root", "probe_seconds", "total_seconds")


class ActionModule(ActionBase):
    """Selects, fills in, calls the module once, and says one line."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        self._task.args.update(
            {
                name: listed(name, self._task.args[name])
                for name in _LISTS
                if name in self._task.args
            }
        )
        _spec, given = self.validate_argument_spec(
            {
                "controls": {"type": "list", "elements": "str", "default": []},
                "families": {"type": "list", "elements": "str", "default": []},
                "extra_paths": {"type": "list", "elements": "path", "default": []},
                "root": {"type": "path", "default": "/"},
                "probe_seconds": {"type": "float", "default": 5.0},
                "total_seconds": {"type": "float", "default": 30.0},
                "summary": {"type": "bool", "default": True},
                "report_as": {"type": "str", "default": "audit"},
            }
        )
        try:
            result = self._looked_at(given, variables)
        except (ControlError, UnknownSelection, BadValue) as error:
            raise AnsibleActionFail(str(error)) from None
        if given["summary"]:
            self._show(variables.get("inventory_hostname", ""), result)
        own = result.get("storewarden", {})
        if "audit" in own:
            own[given["report_as"]] = own.pop("audit")
        return result

    def _looked_at(self, given: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """A host by the module on it; a network device here, by its saved configuration."""
        chosen, content = self.selected(given)
        dialect = dialect_of(lambda name: self._named(name, variables))
        device = dialect is not None
        if device:
            variables = {**variables, OS_VARIABLE: dialect}
        mine = [one for one in chosen if about_devices(one.data) is device]
        prepared = [self._prepared(one, variables) for one in mine]
        if device:
            report = device_report(prepared, content, given)
            result: dict[str, Any] = {"changed": False, "storewarden": {"audit": report}}
        else:
            result = self._asked(given, prepared, content, variables)
        if "audit" in result.get("storewarden", {}):
            others = [one.id for one in chosen if about_devices(one.data) is not device]
            report = with_others(result["storewarden"]["audit"], others, device=device)
            own = {**result["storewarden"], "audit": report}
            result |= {"msg": summary(report), "storewarden": own}
        return result

    def _asked(
        self,
        given: dict[str, Any],
        prepared: list[dict[str, Any]],
        content: str,
        variables: dict[str, Any],
    ) -> dict[str, Any]:
        """The module's answer from the host."""
        if self._task.delegate_to:
            raise AnsibleActionFail(
                "delegate_to is for network devices only: a host must be asked itself"
            )
        arguments = {name: given[name] for name in _PASSED_ON}
        answer: dict[str, Any] = self._execute_module(
            module_name="storewarden.ops.baseline_audit",
            module_args={**arguments, "controls": prepared, "content": content},
            task_vars=variables,
        )
        return answer

    def _named(self, name: str, variables: dict[str, Any]) -> Any:
        return self._value_of(name, variables[name]) if name in variables else None

    @staticmethod
    def selected(given: dict[str, Any]) -> tuple[tuple[LoadedControl, ...], str]:
        """The chosen controls, and the sha256 of the whole catalogue."""
        catalogue = load_catalogue(Path(os.path.expanduser(one)) for one in given["extra_paths"])
        return catalogue.select(given["controls"], given["families"]), catalogue.content

    def _prepared(self, control: LoadedControl, variables: dict[str, Any]) -> dict[str, Any]:
        """The control with this host's values."""
        return control.prepared(self._values(control, variables))

    def _values(self, control: LoadedControl, variables: dict[str, Any]) -> dict[str, Any]:
        """By parameter; a variable that is not set keeps the default."""
        values = {}
        for name, variable in control.variables.items():
            if variable in variables:
                given = self._value_of(variable, variables[variable])
                values[name] = fitted(variable, given, control.defaults[name])
        return values

    def _value_of(self, variable: str, raw: Any) -> Any:
        try:
            return self._templar.template(raw)
        except AnsibleError as error:
            first = str(error).splitlines()[0]
            raise BadValue(f"{variable} cannot be worked out: {first}") from None

    def _show(self, host: str, result: dict[str, Any]) -> None:
        report = result.get("storewarden", {}).get("audit")
        if not report:
            return
        wrong = [one["id"] for one in report["controls"] if one["verdict"] == "fail"]
        unseen = [one["id"] for one in report["controls"] if one["verdict"] == "error"]
        text = f"{host}: {result['msg']}"
        text += f"; fail: {' '.join(wrong)}" if wrong else ""
        text += f"; error: {' '.join(unseen)}" if unseen else ""
        self._display.display(text)


def listed(name: str, value: Any) -> Any:
    """A list from a list, from its text in JSON or YAML, or from words with commas between them.

    ``-e name=value`` hands over text whatever it looks like. Raises AnsibleActionFail for text
    that begins like a list and is none.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text.startswith("["):
        return [word.strip() for word in text.split(",") if word.strip()]
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise AnsibleActionFail(
            f"{name} is no list of texts: {value!r} (write A01,B* or [A01, B02])"
        )
    return found


# Ansible imports this file in its main process before it forks a worker per host; what is read
# here is shared by all of them. Broken files are reported by run(), which knows the task.
with contextlib.suppress(ControlError, OSError):
    load_catalogue()
