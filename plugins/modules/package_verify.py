#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the host is what the version lock says, and what ran before runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_verify
short_description: Compare packages with the lock
version_added: 0.3.0
description:
  - Versions as locked, a package database without complaints, and every unit of the restore point
    that ran at its capture runs again and goes on running.
  - What is not good is reported and is no failure of the task. Changes nothing.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
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
    default: {}
  lock:
    description: What the canary resolved. It must be there unless O(database_only) is set.
    type: dict
    default: {}
  database_only:
    description: Look at the package database alone, as after an undo.
    type: bool
    default: false
  point:
    description: The restore point of the change.
    type: str
    default: ""
  settle:
    description: Seconds for which services are watched.
    type: float
    default: 5.0
"""

EXAMPLES = r"""
- name: Compare
  storewarden.ops.package_verify:
    wish: "{{ payload_packages_wish }}"
    lock: "{{ payload_lock }}"
    point: "{{ payload_point }}"
  register: payload_packages_seen
"""

RETURN = r"""
ok:
  description: Whether all of it is good.
  returned: success
  type: bool
probes:
  description: A list of C(name), C(ok) and C(detail) by language.
  returned: success
  type: list
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.packages import verifying, wish
from ansible_collections.storewarden.ops.plugins.module_utils.packages.backend import found_on
from ansible_collections.storewarden.ops.plugins.module_utils.packages.failures import PackageError
from ansible_collections.storewarden.ops.plugins.module_utils.packages.transaction import (
    checked_lock,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

SPEC = {
    "wish": {"type": "dict", "default": {}},
    "lock": {"type": "dict", "default": {}},
    "database_only": {"type": "bool", "default": False},
    "point": {"type": "str", "default": ""},
    "settle": {"type": "float", "default": 5.0},
}


def seen(given):
    backend = found_on(Host())
    if given["database_only"]:
        return [verifying.database(backend)]
    lock = checked_lock(given["lock"], backend.system)
    before = verifying.Before(given["point"], given["settle"])
    return verifying.probes(backend, wish.read(given["wish"]), lock, before)


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="packages are looked at as root (use become)")
    try:
        probes = seen(module.params)
    except PackageError as no:
        module.fail_json(msg=no.en, reason=no.reason)
    except (RestoreError, OSError) as failure:
        module.fail_json(msg=str(failure))
    bad = ["{0}: {1}".format(one["name"], one["detail"]["en"]) for one in probes if not one["ok"]]
    module.exit_json(
        changed=False, ok=not bad, probes=probes, msg="; ".join(bad) or "all as locked"
    )


if __name__ == "__main__":
    main()
