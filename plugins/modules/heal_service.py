#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One phase of the heal action service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_service
short_description: Restart a service that crashed or does not answer
version_added: 0.4.0
description:
  - Looks at one service, restarts it when it is down without anybody having asked for that, or
    when it is up and does not answer, and looks whether it stays up.
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
      unit:
        description:
          - The service.
        type: str
        required: true
      allowed:
        description:
          - Patterns of units that may be restarted. Empty means all but those that are never
            restarted.
        type: list
        elements: str
        default: []
      probes:
        description:
          - Whether it answers, as M(storewarden.ops.payload_checks) has its checks.
        type: list
        elements: dict
        default: []
      busy_check:
        description:
          - Program that ends with 0 when a service that is still up may be restarted. Without
            it, one that is up is never restarted.
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
  storewarden.ops.heal_service:
    phase: diagnose
    options:
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
  sample: "needed: pos.service is failed (result signal, exit status 9)"
"""

from ansible_collections.storewarden.ops.plugins.module_utils.heal.service import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
