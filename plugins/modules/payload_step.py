#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the payload playbooks say to a host around the role: its restore point's words."""

from __future__ import annotations

DOCUMENTATION = r"""
module: payload_step
short_description: The frame around a payload's role
version_added: 0.3.0
description:
  - Captures, arms, extends, confirms and undoes the restore point of a payload, and reports.
  - For the playbooks C(storewarden.ops.payload_*) alone; roles never use it.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
  - An action plugin of the same name runs on the controller. It reads the variables that
    C(docs/reference/payload.md) names, and sends this module what to do in O(work).
attributes:
  check_mode:
    support: full
    description: Says what would be done.
  diff_mode:
    support: none
    description: Use M(storewarden.ops.restore_point) with V(inspected).
options:
  word:
    description:
      - V(begun) reads what the payload says of itself. V(captured), V(armed) and V(applied) are
        said before and after the role's work, V(settled) when all hosts are done. V(met) comes
        back over a new connection.
        V(confirmed) judges what the role has verified. V(undone) takes back what failed,
        V(undone_all) a list of restore points, and V(told) reports either. V(probed) reads only.
    type: str
    choices:
      - begun
      - captured
      - armed
      - applied
      - settled
      - met
      - confirmed
      - undone
      - undone_all
      - told
      - probed
  phase:
    description: The phase, for V(begun).
    type: str
    choices: [preflight, apply, judge, undo, probe]
  failed_task:
    description: Name and action of the task that failed, for V(undone) and V(told).
    type: dict
    default: {}
  failed_result:
    description: Its result.
    type: dict
    default: {}
  undone:
    description: The result of V(undone) or V(undone_all).
    type: dict
    default: {}
  work:
    description: What the action plugin hands to the module. Not for playbooks.
    type: dict
"""

EXAMPLES = r"""
- name: Arm
  storewarden.ops.payload_step:
    word: armed
"""

RETURN = r"""
msg:
  description: What happened, in one line.
  returned: always
  type: str
  sample: "apply: applied"
storewarden:
  description: The report of the phase, where the word ends it.
  returned: success
  type: dict
  contains:
    payload:
      description: >-
        C(phase), C(report), C(reason) by language, C(restore_point), C(seconds) and C(detail).
      type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.payload.jobs import JobError, Jobs
from ansible_collections.storewarden.ops.plugins.module_utils.payload.probing import probed
from ansible_collections.storewarden.ops.plugins.module_utils.payload.steps import Host, Steps
from ansible_collections.storewarden.ops.plugins.module_utils.restore import system
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.records import FOLDER
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Verbs

_WORDS = ("captured", "armed", "extended", "confirmed", "undone", "undone_all", "cleaned")


def answered(work):
    own = system.Host()
    host = Host(Verbs(own, FOLDER), Jobs(own))
    if work["word"] == "probed":
        return probed(host, work, FOLDER)
    if work["word"] not in _WORDS:
        raise ValueError("no word called {0}".format(work["word"]))
    return getattr(Steps(host, work), work["word"])()


def main():
    module = AnsibleModule(
        argument_spec={
            "word": {"type": "str"},
            "phase": {"type": "str"},
            "failed_task": {"type": "dict", "default": {}},
            "failed_result": {"type": "dict", "default": {}},
            "undone": {"type": "dict", "default": {}},
            "work": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    work = module.params["work"]
    if not work:
        module.fail_json(msg="nothing was prepared (call this through its action plugin)")
    if os.geteuid() != 0:
        module.fail_json(msg="restore points are made as root (use become)")
    work["dry"] = module.check_mode
    try:
        answer = answered(work)
    except (RestoreError, JobError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, step=answer)


if __name__ == "__main__":
    main()
