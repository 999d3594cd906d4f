#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One phase of the heal action units."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_units
short_description: Restart the failed units that the site allows
version_added: 0.4.0
description:
  - Looks at all failed units, restarts those that the site allows, and names the others.
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
  storewarden.ops.heal_units:
    phase: diagnose
    options:
      allowed: ["pos-*", cups.service]
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
  sample: "needed: failed: pos-sync.service"
"""

from ansible_collections.storewarden.ops.plugins.module_utils.heal.units import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
