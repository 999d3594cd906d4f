#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings a clock back to the time of the site's servers; see module_utils/heal/time.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_time
short_description: Brings a clock back to the time of the site's servers
version_added: 0.4.0
description:
  - Starts chronyd when it is down, and steps the clock where that is allowed.
  - A clock is not stepped back by more than most_back while the store is open, unless somebody
    approved it.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_time_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      max_offset:
        description:
          - Seconds by which a clock may be wrong.
        type: float
        default: 0.5
      step:
        description:
          - Whether the clock may be stepped; else chrony slews it, which takes its time.
        type: bool
        default: false
      most_step:
        description:
          - A clock that is wrong by more seconds is a person's work.
        type: float
        default: 3600.0
      most_back:
        description:
          - Seconds by which it may go back while the store is open.
        type: float
        default: 1.0
      open:
        description:
          - Whether the store is open. Unknown counts as open.
        type: bool
        default: true
      approved:
        description:
          - Whether a person approved a step back while the store is open.
        type: bool
        default: false
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_time:
    phase: diagnose
    options:
      step: true
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

from ansible_collections.storewarden.ops.plugins.module_utils.heal.time import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
