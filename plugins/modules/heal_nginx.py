#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers behind nginx; see module_utils/heal/nginx.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_nginx
short_description: Deal with a dead server behind nginx, or with an nginx that failed
version_added: 0.4.0
description:
  - Restarts the unit of a dead server on this host; takes one elsewhere out of its upstream
    while another answers, and puts it back later.
  - Never touches a configuration that nginx does not take.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_nginx_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      units:
        description:
          - Unit by address, for servers on this host (C(127.0.0.1:8080) as nginx has it).
        type: dict
        default: {}
      includes:
        description:
          - "File by upstream: the one in which its servers stand, one C(server ...;) per line. Only
            these are ever written."
        type: dict
        default: {}
      paths:
        description:
          - Path by upstream that must be answered below 500. Without one a connection is enough.
        type: dict
        default: {}
      url:
        description:
          - URL that must be answered well through nginx after a repair.
        type: str
        default: ""
      seconds:
        description:
          - Seconds that a server has for an answer.
        type: float
        default: 3.0
      rounds:
        description:
          - How often a server must have failed.
        type: int
        default: 3
      busy_checks:
        description:
          - Program by unit, as a list of words without a shell, that ends with 0 when the unit may
            be restarted although it runs (no sale is open). A unit without one is not restarted
            while it runs.
        type: dict
        default: {}
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_nginx:
    phase: diagnose
    options:
      units: {'127.0.0.1:8080': pos.service}
      includes: {shop: /etc/nginx/upstreams/shop.conf}
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

from ansible_collections.storewarden.ops.plugins.module_utils.heal.nginx import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
