#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a configuration, looked at or put in place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: payload_config
short_description: Look at, or put in place, the files of a configuration
version_added: 0.3.0
description:
  - Compares files with what they shall be, has programs check them, and writes all or none.
  - For the role C(payload_config); the restore point around it is the payload playbooks'.
author:
  - The storewarden developers
notes:
  - An action plugin of the same name runs on the controller. It renders the templates there.
attributes:
  check_mode:
    support: full
    description: Tells what would be changed.
  diff_mode:
    support: none
    description: Contents are never shown, only their digests.
options:
  state:
    description:
      - V(planned) compares and checks, and changes nothing. V(placed) puts the files in place.
    type: str
    choices: [planned, placed]
    default: planned
  files:
    description:
      - What shall be there. C(dest); C(content) or C(template) (a file of the controller); C(mode)
        (V(0644)), C(owner) and C(group) (V(root)); C(state) (V(present) or V(absent)); C(validate).
    type: list
    elements: dict
    required: true
  validate:
    description:
      - A program that must take each new file before it is put in place; V(%s) is its path. A
        file's own C(validate) comes first.
    type: list
    elements: str
    default: []
  reload:
    description:
      - Units that take the files up by a reload; they are only named in the result. One that is
        stopped is left alone.
    type: list
    elements: str
    default: []
  restart:
    description: As O(reload), for units that have to be restarted.
    type: list
    elements: str
    default: []
  stage:
    description: The payload's folder on the host, where preflight notes which units are stopped.
    type: path
    default: ''
  remember:
    description: Whether to note it now.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look what would change
  storewarden.ops.payload_config:
    files:
      - {dest: /etc/pos/till.conf, template: till.conf.j2, mode: "0640", group: pos}
    validate: [/usr/bin/pos-check, --config, "%s"]
  register: payload_config_seen
"""

RETURN = r"""
changes:
  description: What differs, as C(what), C(before) and C(after) (digest, mode, owner).
  returned: success
  type: list
kept:
  description: What a restore point has to keep.
  returned: success
  type: list
unit_checks:
  description: Checks for M(storewarden.ops.payload_checks), one per unit.
  returned: success
  type: list
to_reload:
  description: The units of O(reload) that are not stopped and not restarted.
  returned: success
  type: list
to_restart:
  description: The units of O(restart) that are not stopped.
  returned: success
  type: list
in_place:
  description: A probe that says whether all files are as they shall be.
  returned: success
  type: dict
problem:
  description: Why the files cannot be put in place, by language.
  returned: when they cannot
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.payload.config_files import (
    BadFiles,
    Files,
    wanted,
)
from ansible_collections.storewarden.ops.plugins.module_utils.payload.config_units import (
    full_name,
    remember,
    remembered,
    stopped_ones,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


def items(given):
    """Files first; a unit gets the strongest of the words that are asked for."""
    found = [{"kind": "file", "path": one["dest"]} for one in given["files"]]
    for word in ("reload", "restart"):
        found += [
            {"kind": "unit", "name": full_name(one), "after_restore": word} for one in given[word]
        ]
    return found


def units(given, word):
    return [full_name(one) for one in given[word]]


def stopped(given, host, files):
    """Units that stay as they are; noted in preflight, known later on."""
    known = None if given["remember"] or not given["stage"] else remembered(given["stage"])
    if known is None:
        known = stopped_ones(host, units(given, "reload") + units(given, "restart"), files)
    return known


def more(given, changes, asleep):
    """What the role hands on: items, units and their checks, a probe of the files."""
    kept = items(given)
    told = sorted({one["name"] for one in kept if one["kind"] == "unit"})
    checks = [
        {"kind": "unit", "unit": one, "state": "inactive" if one in asleep else "active"}
        for one in told
    ]
    restart = [one for one in units(given, "restart") if one not in asleep]
    reload = [one for one in units(given, "reload") if one not in [*asleep, *restart]]
    names = ", ".join(one["what"] for one in changes)
    detail = {"en": "as declared", "zh": "与声明一致"}
    if changes:
        detail = {"en": "not as declared: " + names, "zh": "与声明不一致：" + names}
    return {
        "kept": kept,
        "unit_checks": checks,
        "to_reload": reload,
        "to_restart": restart,
        "in_place": {"name": "files", "ok": not changes, "detail": detail},
    }


def with_default(files, validate):
    return [{**one, "validate": one.get("validate") or validate} for one in files]


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["planned", "placed"], "default": "planned"},
            "files": {"type": "list", "elements": "dict", "required": True},
            "validate": {"type": "list", "elements": "str", "default": []},
            "reload": {"type": "list", "elements": "str", "default": []},
            "restart": {"type": "list", "elements": "str", "default": []},
            "stage": {"type": "path", "default": ""},
            "remember": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    places = given["state"] == "placed" and not module.check_mode
    host = Host()
    try:
        declared = wanted(with_default(given["files"], given["validate"]))
        files = Files(host, declared)
        changes = files.changes()
        asleep = stopped(given, host, declared)
        if given["remember"] and given["stage"] and changes and not module.check_mode:
            remember(given["stage"], asleep)
        if places:
            files.placed()
        else:
            files.validated()
    except BadFiles as error:
        problem = {"en": str(error), "zh": error.zh}
        if places:
            module.fail_json(msg=problem["en"], reason=problem, changes=[])
        module.exit_json(changed=False, msg=problem["en"], problem=problem, changes=[])
    except OSError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=places and bool(changes), changes=changes, **more(given, changes, asleep)
    )


if __name__ == "__main__":
    main()
