#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Memory and saves of Redis; see module_utils/heal/redis.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_redis
short_description: Get memory back from Redis, or have it save again
version_added: 0.4.0
description:
  - Gives free pages back, closes holes, has keys looked at whose time is over, and saves once
    more after a full disk.
  - Deletes no key, flushes nothing, and changes neither limit nor policy.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_redis_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      config:
        description:
          - Configuration of the server; how it is reached, and its password, come from there (or
            from C(/etc/storewarden/redis.auth)).
        type: path
        default: "/etc/redis/redis.conf"
      high:
        description:
          - Percent of maxmemory from which a server that evicts nothing counts as full.
        type: float
        default: 90.0
      fragmentation:
        description:
          - Resident memory by used memory from which it counts as wasted.
        type: float
        default: 1.5
      waste_mb:
        description:
          - Megabytes that must be wasted at least.
        type: int
        default: 100
      defragment:
        description:
          - Whether activedefrag may be switched on, until the next start of the server.
        type: bool
        default: true
      scan_seconds:
        description:
          - Seconds for looking at the keys.
        type: float
        default: 20.0
      seconds:
        description:
          - Seconds that the server has for an answer.
        type: float
        default: 10.0
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_redis:
    phase: diagnose
    options:
      {waste_mb: 200}
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

from ansible_collections.storewarden.ops.plugins.module_utils.heal.redis import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
