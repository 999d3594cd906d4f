#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections and replication of PostgreSQL; see module_utils/heal/postgresql.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_postgresql
short_description: End idle sessions of a full PostgreSQL, or have a standby follow again
version_added: 0.4.0
description:
  - Ends sessions that do nothing, of listed accounts alone, until enough connections are free.
  - Reloads, and if that is not enough restarts, a standby that does not receive. Never restarts
    a primary.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_postgresql_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      cluster:
        description:
          - The cluster, such as C(15/main). Empty looks at all, and repairs the first that needs
            it.
        type: str
        default: ""
      unit:
        description:
          - "Unit of the standby. Empty: Debian's name for the cluster."
        type: str
        default: ""
      high:
        description:
          - "Percent of max_connections from which it is a flood (guide, A3 inspection: 80 %)."
        type: float
        default: 80.0
      goal:
        description:
          - Percent down to which sessions are ended.
        type: float
        default: 60.0
      users:
        description:
          - Accounts of applications whose idle sessions may be ended. Superusers and replication
            never count.
        type: list
        elements: str
        default: []
      databases:
        description:
          - Databases that this is limited to. Empty means all.
        type: list
        elements: str
        default: []
      idle_seconds:
        description:
          - Seconds that a session must have been idle.
        type: int
        default: 600
      idle_in_transaction_seconds:
        description:
          - Seconds that it must have been idle inside a transaction.
        type: int
        default: 300
      stalled_seconds:
        description:
          - Seconds without a word from the primary after which a receiver counts as stuck.
        type: int
        default: 120
      unplayed_mb:
        description:
          - Megabytes received and not replayed from which people are called.
        type: int
        default: 1024
      slot_mb:
        description:
          - Megabytes that an unused slot may hold back before people are called.
        type: int
        default: 1024
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_postgresql:
    phase: diagnose
    options:
      users: [pos]
      databases: [pos]
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

from ansible_collections.storewarden.ops.plugins.module_utils.heal.postgresql import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
