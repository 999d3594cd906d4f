#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a library of rules lies where it should, whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: signed_content_check
short_description: Look whether a library of rules is in place and whole
version_added: 0.3.0
description:
  - Looks at the record of the library, at every file of it, and whether its unit has failed.
  - What is not good is reported and is no failure of the task.
author:
  - The storewarden developers
attributes:
  check_mode:
    support: full
    description: It only looks.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  name:
    description: Name of the library.
    type: str
    required: true
  target:
    description: Folder from which the service reads it.
    type: path
    required: true
  stage:
    description: Folder with the staged library; what lies there is what must be in place.
    type: path
  sha256:
    description: SHA-256 of the library that must be in place; empty for that of O(stage).
    type: str
    default: ""
  unit:
    description: The unit that reads it.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Look at the rules
  storewarden.ops.signed_content_check:
    name: crs
    target: /etc/modsecurity/crs
  register: seen
"""

RETURN = r"""
ok:
  description: Whether all is good.
  returned: success
  type: bool
probes:
  description: An entry per question with C(name), C(ok) and C(detail) by language.
  returned: success
  type: list
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.content.library import SOURCE
from ansible_collections.storewarden.ops.plugins.module_utils.content.seeing import probes
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.checking import sha256_of


def expected(given):
    """The digest that the library in place must have, "" when nobody says."""
    staged = os.path.join(given["stage"] or "/nowhere", SOURCE)
    if given["sha256"] or not os.path.isfile(staged):
        return given["sha256"]
    return sha256_of(staged)


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "target": {"type": "path", "required": True},
            "stage": {"type": "path"},
            "sha256": {"type": "str", "default": ""},
            "unit": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    found = probes(given["name"], given["target"], expected(given), given["unit"], Host())
    module.exit_json(changed=False, ok=all(one["ok"] for one in found), probes=found)


if __name__ == "__main__":
    main()
