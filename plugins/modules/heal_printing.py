#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gets a stuck print queue going again; see module_utils/heal/printing.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_printing
short_description: Gets a stuck print queue going again
version_added: 0.4.0
description:
  - Starts CUPS when it is down, starts a stopped queue, and holds a job that blocks the others.
  - No job is ever deleted.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_printing_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      queue:
        description:
          - The queue.
        type: str
        required: true
      stuck_minutes:
        description:
          - A job that waits for longer blocks the queue.
        type: float
        default: 10.0
      settle_seconds:
        description:
          - How long a queue that was started again may take for its first job, before that is
            held if the queue stops once more.
        type: float
        default: 15.0
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_printing:
    phase: diagnose
    options:
      queue: receipts
  register: heal_diagnosed
"""

RETURN = r"""
diagnosis:
  description: State, reason, plan, items of a restore point, and the facts behind them.
  returned: phase diagnose
  type: dict
evidence:
  description: What people will want to read, each with name and text.
  returned: phase diagnose
  type: list
  elements: dict
steps:
  description: What was done, in the order in which it was done.
  returned: phase act
  type: list
  elements: dict
finding:
  description: Whether the host is well, and why.
  returned: phase verify
  type: dict
"""

from ansible_collections.storewarden.ops.plugins.module_utils.heal.printing import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
