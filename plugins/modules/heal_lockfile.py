#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One phase of the heal action lockfile."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_lockfile
short_description: Remove a lock file that was left behind
version_added: 0.4.0
description:
  - Removes lock and pid files whose process is gone, and starts the unit that they blocked.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: Options of the action.
    type: dict
    default: {}
    suboptions:
      paths:
        description:
          - Files, or patterns of the shell, that may be removed.
        type: list
        elements: str
        required: true
      unit:
        description:
          - The unit that does not start because of them.
        type: str
        required: true
      programs:
        description:
          - Patterns of the programs that write these files, as C(/proc/PID/exe) has them. A
            process that is none of them and began after the file was written is not its owner.
        type: list
        elements: str
        default: []
      min_age:
        description:
          - Seconds since a file was written, at least.
        type: float
        default: 300.0
      minutes:
        description:
          - Minutes of the journal that are looked at.
        type: float
        default: 10.0
      settle:
        description:
          - Seconds that it must have been up for before it counts as well.
        type: float
        default: 5.0
"""

EXAMPLES = r"""
- name: Diagnose
  storewarden.ops.heal_lockfile:
    phase: diagnose
    options:
      paths: [/run/pos/pos.pid]
      unit: pos.service
  register: heal_diagnosed
"""

RETURN = r"""
diagnosis:
  description: For V(diagnose), C(state), C(reason), C(reason_zh), C(plan), C(capture), C(facts).
  returned: for V(diagnose)
  type: dict
evidence:
  description: Texts for people, each with C(name) and C(text).
  returned: for V(diagnose)
  type: list
steps:
  description: What was done, in both languages.
  returned: for V(act) and V(undo)
  type: list
finding:
  description: C(well), C(reason) and C(reason_zh).
  returned: for V(verify)
  type: dict
seconds:
  description: How long it took.
  returned: success
  type: float
msg:
  description: What was found, in one line.
  returned: for V(diagnose) and V(verify)
  type: str
  sample: "needed: pos.service is failed; left behind: /run/pos/pos.pid (process 4711)"
"""

from ansible_collections.storewarden.ops.plugins.module_utils.heal.lockfile import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
