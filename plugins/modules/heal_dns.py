#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Name resolution of a host; see module_utils/heal/dns.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_dns
short_description: Have names resolved again where a name server of the site answers
version_added: 0.4.0
description:
  - Asks each name server itself, and puts the resolver of the host right.
  - Never writes a server that the site did not declare.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_dns_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      names:
        description:
          - Names that must be known, best one of the site's own and one of the world outside.
        type: list
        elements: str
        required: true
      servers:
        description:
          - Addresses of the site's name servers, in the order in which they are wanted. No other is
            ever written.
        type: list
        elements: str
        required: true
      search:
        description:
          - Search list for a resolv.conf that has lost its own.
        type: list
        elements: str
        default: []
      seconds:
        description:
          - Seconds that a server has for an answer.
        type: float
        default: 2.0
      tries:
        description:
          - How often a server that keeps silent is asked.
        type: int
        default: 2
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_dns:
    phase: diagnose
    options:
      names: [till.example.com]
      servers: [10.0.0.53, 10.0.1.53]
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

from ansible_collections.storewarden.ops.plugins.module_utils.heal.dns import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
