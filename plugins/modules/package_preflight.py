#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a package change would do to this host, resolved, staged and told; nothing is changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_preflight
short_description: Resolve and stage a package transaction
version_added: 0.3.0
description:
  - Waits for other package programs, renews the lists of the repositories, and asks apt or dnf
    what it would do. Without O(lock) the answer becomes the lock; with one, exactly its versions
    and digests are taken, or the host says no.
  - Downloads the files into O(stage) and compares their digests. Installs nothing.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
  - For the role C(payload_packages). What it returns is the fact that the role hands on.
attributes:
  check_mode:
    support: full
    description: It changes nothing but the package lists and the folder of downloads.
  diff_mode:
    support: none
    description: The changes are in the result.
options:
  wish:
    description:
      - C(packages) (C(name) or C(name=version)) or C(upgrade) (V(security) or V(all)), C(hold),
        C(allow_downgrade), C(allow_removals), C(security_archives).
    type: dict
    required: true
  lock:
    description: What the canary resolved; empty on the canary itself.
    type: dict
    default: {}
  stage:
    description: Folder on the host for the downloads.
    type: path
    required: true
  patience:
    description: Seconds that another package program may still take.
    type: float
    default: 120.0
  reboot:
    description: Whether the host may be rebooted afterwards.
    type: str
    choices: [if-needed, never, always]
    default: if-needed
"""

EXAMPLES = r"""
- name: Look what a newer nginx would do
  storewarden.ops.package_preflight:
    wish: {packages: [nginx]}
    stage: /var/cache/storewarden/GMBG-20260301-001-packages
  register: found
"""

RETURN = r"""
preflight:
  description: >-
    C(ready), C(nothing), C(reason), C(items) (of the restore point), C(changes), C(lock), C(job)
    and C(reboot), see C(docs/reference/payload.md).
  returned: success
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.packages import preflight, wish
from ansible_collections.storewarden.ops.plugins.module_utils.packages.backend import found_on
from ansible_collections.storewarden.ops.plugins.module_utils.packages.failures import PackageError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

SPEC = {
    "wish": {"type": "dict", "required": True},
    "lock": {"type": "dict", "default": {}},
    "stage": {"type": "path", "required": True},
    "patience": {"type": "float", "default": 120.0},
    "reboot": {
        "type": "str",
        "choices": ["if-needed", "never", "always"],
        "default": "if-needed",
    },
}


def looked(given):
    """The fact; a refusal is one as well."""
    terms = preflight.Terms(given["lock"], given["patience"], given["reboot"])
    try:
        backend = found_on(Host(), given["stage"])
        return preflight.look(backend, wish.read(given["wish"]), terms)
    except PackageError as no:
        return {"ready": False, "reason": no.reason}


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="packages are looked at as root (use become)")
    try:
        found = looked(module.params)
    except (RestoreError, OSError) as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=False, preflight=found)


if __name__ == "__main__":
    main()
