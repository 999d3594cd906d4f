#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One phase of the heal action memory."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_memory
short_description: Restart the allowed units that take too much memory
version_added: 0.4.0
description:
  - When the memory that is available falls below a limit, restarts allowed units that take more
    than their share of it.
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
      allowed:
        description:
          - Patterns of units that may be restarted; none when it is empty.
        type: list
        elements: str
        default: []
      share:
        description:
          - Percent of the whole memory from which a unit counts as a hog.
        type: float
        default: 40.0
      below:
        description:
          - Percent of the memory that is available, below which anything is done at all.
        type: float
        default: 10.0
      enough:
        description:
          - Percent that must be available afterwards.
        type: float
        default: 15.0
      busy_check:
        description:
          - Program that ends with 0 when the units may be restarted. Without one nothing is
            restarted but what O(options.always_idle) names.
        type: list
        elements: str
        default: []
      always_idle:
        description:
          - Patterns of allowed units that nobody is ever in the middle of using.
        type: list
        elements: str
        default: []
      max_restarts:
        description:
          - A unit that was started more often within O(options.minutes) is left to people.
        type: int
        default: 3
      minutes:
        description:
          - Minutes that O(options.max_restarts) looks back.
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
  storewarden.ops.heal_memory:
    phase: diagnose
    options:
      allowed: ["pos-report*"]
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
  sample: "healthy: 25.0 % of the memory is available"
"""

from ansible_collections.storewarden.ops.plugins.module_utils.heal.memory import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
