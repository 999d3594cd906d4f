#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Frees room on a filesystem that is nearly full; see module_utils/heal/disk.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: heal_disk
short_description: Frees room on a filesystem that is nearly full
version_added: 0.4.0
description:
  - Cleans the package cache, archived journal files, rotated logs, deleted logs that are still
    open, and old temporary files, in this order, until the goal is met.
  - The share that is free is avail/size as node_exporter measures it (f_bavail of f_blocks).
  - Never touches data, and no log younger than its retention.
author:
  - The storewarden developers
extends_documentation_fragment:
  - storewarden.ops.heal
options:
  options:
    description: What the role's variables C(heal_disk_*) came to, without that prefix.
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
          - The goal, the alert's own, avail/size of at least this (0.2 is 20 %).
        type: float
        default: 0.2
      package_cache:
        description:
          - Whether apt's or dnf's cache may be cleaned.
        type: bool
        default: true
      retention_days:
        description:
          - Days that logs and the journal stay, at least 180 (six months).
        type: int
        default: 180
      central_logs:
        description:
          - Whether this host's logs are kept on a central server. Counts only while the host is
            seen sending them.
        type: bool
        default: false
      sent_keep_days:
        description:
          - Days that logs stay which are kept centrally; logs with security operations stay for
            the whole retention.
        type: int
        default: 7
      log_folders:
        description:
          - Folders of logs; rotated logs below them may go.
        type: list
        elements: str
        default: ["/var/log"]
      reopen:
        description:
          - Services that may hold deleted logs open, and how each lets go of them. C(unit),
            C(how) (C(signal), C(reload), or C(truncate), which empties the deleted file itself)
            and C(signal) (C(HUP), C(USR1) or C(USR2)).
        type: list
        elements: dict
        default:
          - {unit: rsyslog.service, how: signal, signal: HUP}
          - {unit: nginx.service, how: signal, signal: USR1}
      temp_days:
        description:
          - Folders of temporary files, and after how many days without any use a file there may
            go.
        type: dict
        default: {"/tmp": 10, "/var/tmp": 30}
      data:
        description:
          - What is never touched, even below one of the folders; /var/log/remote holds other
            hosts' logs.
        type: list
        elements: str
        default: ["/var/log/remote"]
"""

EXAMPLES = r"""
- name: Only look
  storewarden.ops.heal_disk:
    phase: diagnose
    options:
      mountpoint: /var
      free_share: 0.2
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

from ansible_collections.storewarden.ops.plugins.module_utils.heal.disk import ACTION, OPTIONS
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run


def main():
    run(ACTION, OPTIONS)


if __name__ == "__main__":
    main()
