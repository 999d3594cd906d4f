# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of a configuration: templates are rendered here, and shown nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

Result = dict[str, Any]


class ActionModule(ActionBase):
    """Renders, calls the module, and leaves the contents out of the result."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Result:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        files = arguments.get("files")
        if not isinstance(files, list):
            raise AnsibleActionFail("files: a list is meant")
        arguments["files"] = [self._rendered(one, task_vars or {}) for one in files]
        result: Result = self._execute_module(
            module_name="storewarden.ops.payload_config",
            module_args=arguments,
            task_vars=task_vars,
        )
        # What the module was called with are the contents themselves.
        result.pop("invocation", None)
        return result

    def _rendered(self, one: Any, variables: Result) -> Result:
        """The entry with its content; ``template`` is a file of the controller."""
        if not isinstance(one, dict):
            raise AnsibleActionFail("files: each is a mapping with dest and content or template")
        given = [name for name in ("content", "template") if one.get(name) is not None]
        wants = 0 if one.get("state", "present") == "absent" else 1
        if len(given) != wants:
            raise AnsibleActionFail(
                f"files: {one.get('dest')}: either content or template is meant"
                + ("" if wants else ", and none of them where state is absent")
            )
        if given != ["template"]:
            return dict(one)
        rest = {key: value for key, value in one.items() if key != "template"}
        return {**rest, "content": self._template(str(one["template"]), variables)}

    def _template(self, path: str, variables: Result) -> str:
        if not Path(path).is_absolute():
            # Beside the playbook, or in the role, as everywhere in Ansible.
            path = self._find_needle("templates", path)
        lookup = lookup_loader.get(
            "ansible.builtin.template", loader=self._loader, templar=self._templar
        )
        try:
            return str(lookup.run([path], variables, convert_data=False)[0])
        except AnsibleError as error:
            first = str(error).splitlines()[0]
            raise AnsibleActionFail(f"template {path}: {first}") from None
