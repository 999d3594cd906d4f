#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services that still run what a package change replaced, started anew or told."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_restart
short_description: Restart services that run replaced files
version_added: 0.3.0
description:
  - Looks at all processes for programs, libraries and scripts that packages have replaced, and
    restarts the services they belong to, as needrestart does. Logins, desktops, the network and
    the message bus are told, not restarted.
  - Tells also whether the host should be rebooted, and why.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
attributes:
  check_mode:
    support: full
    description: Lists what it would restart.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  mode:
    description: V(auto) restarts, V(list) tells, V(none) does not look at processes.
    type: str
    choices: [auto, list, none]
    default: auto
  reboot:
    description: The payload's policy.
    type: str
    choices: [if-needed, never, always]
    default: if-needed
  stage:
    description: Folder of this change; a note in it tells whether the host has booted since.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Start services anew
  storewarden.ops.package_restart:
    stage: "{{ payload_stage }}"
  register: payload_packages_restarts
"""

RETURN = r"""
restarts:
  description: >-
    C(restarted) and C(failed) units, C(told) (C(unit), C(program), C(file)), C(reboot) (reasons),
    C(booted) (since the change began) and C(boot_now) (whether the policy wants a reboot now).
  returned: success
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.packages import reboots, restarts
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

SPEC = {
    "mode": {"type": "str", "choices": ["auto", "list", "none"], "default": "auto"},
    "reboot": {
        "type": "str",
        "choices": ["if-needed", "never", "always"],
        "default": "if-needed",
    },
    "stage": {"type": "path", "required": True},
}


def looked(given, dry):
    host = Host()
    mode = restarts.LIST if dry and given["mode"] == restarts.AUTO else given["mode"]
    found = restarts.restarted(host, mode)
    found["booted"] = restarts.booted_since(host, given["stage"])
    wants = given["reboot"] == reboots.ALWAYS
    wants |= given["reboot"] == reboots.IF_NEEDED and bool(found["reboot"])
    found["boot_now"] = wants and not found["booted"]
    return found


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="services are restarted as root (use become)")
    try:
        found = looked(module.params, module.check_mode)
    except OSError as failure:
        module.fail_json(msg=str(failure))
    changed = bool(found["restarted"])
    if found["failed"]:
        one = found["failed"][0]
        module.fail_json(msg="{0} does not start again: {1}".format(one["unit"], one["why"]),
                         restarts=found)  # fmt: skip
    module.exit_json(changed=changed, restarts=found)


if __name__ == "__main__":
    main()
