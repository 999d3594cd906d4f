#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells a person of a filesystem that turned read-only; see module_utils/heal/readonly.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_readonly
short_description: Tells a person of a filesystem that turned read-only
version_added: 0.4.0
description:
  - Looks at a filesystem that should be writable, collects what a person will want to read, and
    repairs nothing.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_readonly_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      mountpoint:
        description:
          - Where the filesystem is mounted.
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_readonly:
    phase: diagnose
    options:
      mountpoint: /var
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

from ansible_collections.storewarden.ops.plugins.module_utils.heal.readonly import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
