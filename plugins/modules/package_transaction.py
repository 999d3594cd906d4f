#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one command that makes a locked package transaction on this host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_transaction
short_description: Say how a locked package transaction is made
version_added: 0.3.0
description:
  - Returns the command for M(storewarden.ops.host_job) that installs exactly the lock's versions
    from the folder of downloads, after it has compared their digests. An interrupted run of dpkg
    is finished first.
  - Changes nothing itself.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root, after M(storewarden.ops.package_preflight).
attributes:
  check_mode:
    support: full
    description: It only asks.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  wish:
    description: As for M(storewarden.ops.package_preflight).
    type: dict
    required: true
  lock:
    description: What the canary resolved.
    type: dict
    required: true
  stage:
    description: Folder on the host with the downloads.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Say how
  storewarden.ops.package_transaction:
    wish: "{{ payload_packages_wish }}"
    lock: "{{ payload_lock }}"
    stage: "{{ payload_stage }}"
  register: payload_packages_command
"""

RETURN = r"""
argv:
  description: The command; empty when nothing is left to do.
  returned: success
  type: list
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.packages import preflight, wish
from ansible_collections.storewarden.ops.plugins.module_utils.packages.backend import found_on
from ansible_collections.storewarden.ops.plugins.module_utils.packages.failures import PackageError
from ansible_collections.storewarden.ops.plugins.module_utils.packages.transaction import (
    checked_lock,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

SPEC = {
    "wish": {"type": "dict", "required": True},
    "lock": {"type": "dict", "required": True},
    "stage": {"type": "path", "required": True},
}


def command(given):
    """Its words; none when there is nothing left to do."""
    backend = found_on(Host(), given["stage"])
    wanted = wish.read(given["wish"])
    if not given["lock"]:
        raise PackageError(
            "hand over the lock that the preflight of the first host resolved (payload_lock)",
            "请传入首台主机预检得到的版本锁定（payload_lock）",
        )
    lock = checked_lock(given["lock"], backend.system)
    found = preflight.exact(backend, wanted, lock)
    repair = bool(backend.interrupted())
    if not found.moves and not repair:
        return []
    digests = {move.name: lock["packages"][move.name]["sha256"] for move in found.coming}
    return backend.transaction(found, digests, repair)


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="packages are changed as root (use become)")
    try:
        argv = command(module.params)
    except PackageError as no:
        module.fail_json(msg=no.en, reason=no.reason)
    except (RestoreError, OSError) as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=False, argv=argv)


if __name__ == "__main__":
    main()
