#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A staged release put in place: unpacked beside the others, the link turned, the unit told."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_switch
short_description: Put a staged release in place
version_added: 0.3.0
description:
  - Unpacks the archive that M(storewarden.ops.release_archive) staged, flushes it to the disk,
    renames it to its version, turns the link C(current) in one step, tells the unit, and removes
    releases that nobody needs any more.
  - Each step may be killed and done again. Nothing that runs notices anything before the link is
    turned.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root, inside of an armed restore point.
attributes:
  check_mode:
    support: none
    description: M(storewarden.ops.release_archive) tells what would change.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  version:
    description: The release.
    type: str
    required: true
  sha256:
    description: The archive's SHA-256.
    type: str
    required: true
  root:
    description: The application's folder.
    type: path
    required: true
  stage:
    description: Folder with the archive.
    type: path
    required: true
  user:
    description: Whom the files belong to.
    type: str
    default: root
  unit:
    description: The unit that runs it.
    type: str
    default: ""
  unit_action:
    description: What the unit is told.
    type: str
    choices: [restart, reload]
    default: restart
  standby:
    description:
      - Whether a unit that was stopped on purpose, as the preflight noted it in O(stage), stays so.
    type: str
    choices: [leave, start]
    default: leave
  strip:
    description: Leading parts of every name in the archive that are left out.
    type: int
    default: 0
  keep:
    description:
      - How many releases stay, the newest first. The one in use, and those that a restore point
        speaks of, stay in any case.
    type: int
    default: 3
  point:
    description:
      - The restore point, as C(id), C(owner), C(epoch) and C(deadline). It is extended while this
        takes, and this process registered as what an undo has to stop first.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Put the release in place
  storewarden.ops.release_switch:
    version: 4.2.0
    sha256: 5df9e14f4c0e1fbbd4ae1f1f0f3e3f2b2b7ab7a2f5c2f0f4d5f8b7c7e2b7a9d1
    root: /opt/till
    unit: till.service
    stage: /var/cache/storewarden/GMBG-20260301-001-release
"""

RETURN = r"""
release:
  description:
    - C(version), C(before), C(unpacked), C(switched), C(unit) (what was done, or V(left stopped)),
      C(removed).
  returned: success
  type: dict
reason:
  description: Why not, as C(en) and C(zh).
  returned: failure
  type: dict
"""

import os
import signal

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.release.arriving import ARCHIVE
from ansible_collections.storewarden.ops.plugins.module_utils.release.places import (
    Places,
    checked_version,
)
from ansible_collections.storewarden.ops.plugins.module_utils.release.standby import (
    LEAVE,
    START,
    noted,
)
from ansible_collections.storewarden.ops.plugins.module_utils.release.standing import Wanted
from ansible_collections.storewarden.ops.plugins.module_utils.release.switching import Order, Switch
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.records import FOLDER
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import Store
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.staging.alive import alive
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit

SPEC = {
    "version": {"type": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "root": {"type": "path", "required": True},
    "stage": {"type": "path", "required": True},
    "user": {"type": "str", "default": "root"},
    "unit": {"type": "str", "default": ""},
    "unit_action": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
    "standby": {"type": "str", "choices": [LEAVE, START], "default": LEAVE},
    "strip": {"type": "int", "default": 0},
    "keep": {"type": "int", "default": 3},
    "point": {"type": "dict", "default": {}},
}


def order(given):
    wanted = Wanted(
        checked_version(given["version"]),
        given["sha256"].lower(),
        given["unit"],
        given["unit_action"],
        given["standby"],
    )
    archive = os.path.join(given["stage"], ARCHIVE)
    standby = noted(given["stage"])
    return Order(wanted, archive, given["user"], given["strip"], given["keep"], standby)


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=False)
    given = module.params
    if os.geteuid() != 0:
        module.fail_json(msg="releases are put in place as root (use become)")
    # A line that is lost must not end this in its middle: the host decides what becomes of it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o022)
    host = Host()
    try:
        beat = alive(given["point"]).beat
        done = Switch(Places(given["root"]), host, Store(host, FOLDER), beat).make(order(given))
    except (Unfit, BadSignature) as no:
        module.fail_json(msg=str(no), reason=no.reason())
    except (RestoreError, OSError) as error:
        module.fail_json(msg=str(error), reason={"en": str(error), "zh": str(error)})
    module.exit_json(changed=True, release=done)


if __name__ == "__main__":
    main()
