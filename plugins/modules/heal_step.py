#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the heal playbook says to a host around the role: its restore point's words."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_step
short_description: The frame around a heal action's role
version_added: 0.4.0
description:
  - Checks the options, arms, confirms and undoes the restore point of a repair, and reports.
  - For the playbook C(storewarden.ops.heal) alone; roles never use it.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
  - An action plugin of the same name runs on the controller. It reads the variables that
    C(docs/reference/heal-action.md) names, and sends this module what to do in O(work).
attributes:
  check_mode:
    support: full
    description: The repair ends after the diagnosis.
  diff_mode:
    support: none
    description: The diagnosis says what would be touched.
options:
  word:
    description:
      - V(begun) reads what the action says of itself and checks its options. V(decided) ends the
        repair, or arms the restore point. V(ended) judges what the role has verified, and
        confirms. V(undone) takes back what failed, and V(told) reports it.
    type: str
    choices: [begun, decided, ended, undone, told]
  failed_task:
    description: Name of the task that failed, for V(undone); of the role's own undo for V(told).
    type: dict
    default: {}
  failed_result:
    description: Its result.
    type: dict
    default: {}
  undone:
    description: The result of V(undone).
    type: dict
    default: {}
  work:
    description: What the action plugin hands to the module. Not for playbooks.
    type: dict
"""

EXAMPLES = r"""
- name: Decide
  storewarden.ops.heal_step:
    word: decided
"""

RETURN = r"""
msg:
  description: What happened, in one line.
  returned: always
  type: str
  sample: "heal service: repaired; pos.service is active"
storewarden:
  description: The report of the host, where the word ends the repair.
  returned: success
  type: dict
  contains:
    heal:
      description: >-
        C(action), C(run), C(end), C(reason), C(reason_zh), C(diagnosis), C(steps), C(finding),
        C(undone), C(evidence) and C(seconds).
      type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.payload.jobs import JobError, Jobs
from ansible_collections.storewarden.ops.plugins.module_utils.payload.steps import Host, Steps
from ansible_collections.storewarden.ops.plugins.module_utils.restore import system
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.records import FOLDER
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Verbs


def answered(work):
    own = system.Host()
    steps = Steps(Host(Verbs(own, FOLDER), Jobs(own)), work)
    if work["word"] == "prepared":
        answer = steps.captured()
        return steps.armed() if answer["report"] == "ready" else answer
    if work["word"] not in ("confirmed", "undone"):
        raise ValueError("no word called {0}".format(work["word"]))
    return getattr(steps, work["word"])()


def main():
    module = AnsibleModule(
        argument_spec={
            "word": {"type": "str"},
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
    work = dict({"exclude": [], "package_sources": []}, **work)
    work["dry"] = module.check_mode
    try:
        answer = answered(work)
    except (RestoreError, JobError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, step=answer)


if __name__ == "__main__":
    main()
