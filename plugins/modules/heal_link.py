#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Failover of a store's line to its backup and back; see module_utils/heal/link.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_link
short_description: Move a store's default route to its backup line and back
version_added: 0.4.0
description:
  - Judges both lines with sockets that are bound to their devices, and switches by one more
    default route.
  - The route lives in a unit of its own, so that a restore point takes the switch back by
    itself.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_link_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      primary:
        description:
          - The line that carries as a rule.
        type: dict
        required: true
        suboptions:
          device:
            description:
              - The network device of the line.
            type: str
            required: true
          gateway:
            description:
              - Address of the router behind it.
            type: str
            required: true
          targets:
            description:
              - "What must answer behind the provider: C(ADDRESS) by ICMP echo, C(ADDRESS:PORT) by
                TCP (a refusal is an answer). One that answers is enough."
            type: list
            elements: str
            required: true
      backup:
        description:
          - The line that carries instead.
        type: dict
        required: true
        suboptions:
          device:
            description:
              - The network device of the line.
            type: str
            required: true
          gateway:
            description:
              - Address of the router behind it.
            type: str
            required: true
          targets:
            description:
              - "What must answer behind the provider: C(ADDRESS) by ICMP echo, C(ADDRESS:PORT) by
                TCP (a refusal is an answer). One that answers is enough."
            type: list
            elements: str
            required: true
      metric:
        description:
          - Metric of the route over the backup while it carries; smaller than that of the primary's
            route.
        type: int
        default: 10
      table:
        description:
          - The routing table.
        type: str
        default: "main"
      rounds:
        description:
          - How often each line is tried in one look.
        type: int
        default: 10
      seconds:
        description:
          - Seconds that a target has for an answer.
        type: float
        default: 1.0
      loss:
        description:
          - Percent of lost rounds from which a line counts as dead.
        type: float
        default: 50.0
      consecutive:
        description:
          - The last rounds that must have been lost too (dead), or answered (good).
        type: int
        default: 3
      stable:
        description:
          - Seconds in which the primary may not lose a round before it carries again.
        type: float
        default: 60.0
      hold:
        description:
          - Seconds after a switch in which there is no way back.
        type: float
        default: 300.0
      per_hour:
        description:
          - Switches within an hour after which people are called instead.
        type: int
        default: 4
      back:
        description:
          - Whether it may go back to the primary now; a switch costs every open connection.
        type: bool
        default: true
      persistent:
        description:
          - Whether the backup carries after a boot as well.
        type: bool
        default: false
      dead_after:
        description:
          - Seconds without an answer over the backup, while it carries, after which the host itself
            sees whether the line is good again.
        type: float
        default: 300.0
      lease:
        description:
          - Seconds after which the host goes back by itself, as soon as the line has been good for
            C(stable) seconds; whatever C(back) says.
        type: float
        default: 21600.0
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_link:
    phase: diagnose
    options:
      primary:
        device: wan0
        gateway: 203.0.113.1
        targets: ['192.0.2.10:443']
      backup:
        device: lte0
        gateway: 198.51.100.1
        targets: ['192.0.2.10:443']
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
  returned: phases act and undo
  type: list
  elements: dict
finding:
  description: Whether the host is well, and why.
  returned: phase verify
  type: dict
"""

from ansible_collections.storewarden.ops.plugins.module_utils.heal.link import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
