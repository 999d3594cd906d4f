#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Frees inodes on a filesystem that has none left; see module_utils/heal/inodes.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_inodes
short_description: Frees inodes on a filesystem that has none left
version_added: 0.4.0
description:
  - Names the folders with the most entries, and removes old files like those of an allow list,
    such as sessions.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_inodes_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      mountpoint:
        description:
          - Where the filesystem is mounted.
        type: str
        required: true
      free_share:
        description:
          - The goal, the alert's own, files_free/files of at least this.
        type: float
        default: 0.1
      folders:
        description:
          - What may be cleared. C(path), C(pattern) (of the file's name) and C(days) without any
            use.
        type: list
        elements: dict
        default:
          - {path: /tmp, pattern: '*', days: 10}
          - {path: /var/tmp, pattern: '*', days: 30}
          - {path: /var/lib/php/sessions, pattern: sess_*, days: 2}
          - {path: /var/lib/php/session, pattern: sess_*, days: 2}
      data:
        description:
          - What is never touched, even below one of the folders.
        type: list
        elements: str
        default: []
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_inodes:
    phase: diagnose
    options:
      mountpoint: /var
      free_share: 0.1
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

from ansible_collections.storewarden.ops.plugins.module_utils.heal.inodes import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
