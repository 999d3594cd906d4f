#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mounts a hung network filesystem anew; see module_utils/heal/mount.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_mount
short_description: Mounts a hung network filesystem anew
version_added: 0.4.0
description:
  - Lets go of a network filesystem that does not answer and mounts again what /etc/fstab
    declares.
  - Only where the site allows it, and only when the server answers.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_mount_*) came to, without that prefix.
    type: dict
    default: {}
    suboptions:
      mountpoint:
        description:
          - Where it is mounted.
        type: str
        required: true
      allowed:
        description:
          - Mount points that may be mounted again without a person.
        type: list
        elements: str
        default: []
      seconds:
        description:
          - A filesystem that does not say within this time how full it is hangs; a server that
            takes longer to answer is away.
        type: float
        default: 5.0
      kinds:
        description:
          - Further filesystem types with the port of their server, beside nfs, nfs4 (2049), cifs
            and smb3 (445).
        type: dict
        default: {}
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_mount:
    phase: diagnose
    options:
      mountpoint: /srv/share
      allowed: [/srv/share]
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

from ansible_collections.storewarden.ops.plugins.module_utils.heal.mount import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
