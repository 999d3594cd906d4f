#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An application's archive on the host, checked and fit to be unpacked; nothing is changed yet."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_archive
short_description: Stage an application's archive on a host and check it
version_added: 0.3.0
description:
  - Brings the archive of a release to the host, once, and looks whether it may be put in place. Its
    SHA-256 must be right, its signature good where one is asked for, nothing in it may lead out
    of its folder, and twice the room that it unpacks to must be free.
  - Changes nothing but the stage folder. A refusal is no failed task; it is in RV(preflight).
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
  - An action plugin of the same name runs on the controller. It checks a local archive before
    anything is copied, copies it, and sends this module what to look at in O(work).
attributes:
  check_mode:
    support: partial
    description: Tells what would change; an archive that is not on the host yet is not looked into.
  diff_mode:
    support: none
    description: The changes are in the result.
options:
  archive:
    description:
      - Absolute path of a tar archive (plain, gz, bz2, xz) on the controller, or its http(s) URL.
    type: str
  version:
    description: Name of the release, and of its folder.
    type: str
  sha256:
    description: The archive's SHA-256.
    type: str
  signature:
    description: Absolute path on the controller of a detached GPG or minisign signature.
    type: path
  key:
    description:
      - Absolute path on the controller of the trusted GPG keys or minisign key, or a minisign key
        itself.
    type: str
  root:
    description: The application's folder on the host.
    type: path
  user:
    description: Whom the files will belong to.
    type: str
    default: root
  unit:
    description: The unit that runs it.
    type: str
    default: ""
  unit_action:
    description: What the unit is told after the switch.
    type: str
    choices: [restart, reload]
    default: restart
  standby:
    description:
      - Whether a unit that is stopped stays so (V(leave)). It does where a release is in use, and
        where it is disabled or masked; one that failed is no standby.
    type: str
    choices: [leave, start]
    default: leave
  strip:
    description: Leading parts of every name in the archive that are left out.
    type: int
    default: 0
  stage:
    description: Folder on the host for the archive; made, for root only.
    type: path
  work:
    description: What the action plugin hands over.
    type: dict
"""

EXAMPLES = r"""
- name: Bring the release and look at it
  storewarden.ops.release_archive:
    archive: /srv/releases/till-4.2.0.tar.gz
    version: 4.2.0
    sha256: 5df9e14f4c0e1fbbd4ae1f1f0f3e3f2b2b7ab7a2f5c2f0f4d5f8b7c7e2b7a9d1
    root: /opt/till
    unit: till.service
    stage: /var/cache/storewarden/GMBG-20260301-001-release
  register: release
"""

RETURN = r"""
preflight:
  description: The fact C(payload_preflight), see C(docs/reference/payload.md).
  returned: success
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.release.arriving import (
    Arrival,
    judged,
    looked,
)
from ansible_collections.storewarden.ops.plugins.module_utils.release.standby import LEAVE, START
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

SPEC = {
    "archive": {"type": "str"},
    "version": {"type": "str"},
    "sha256": {"type": "str"},
    "signature": {"type": "path"},
    "key": {"type": "str", "no_log": False},
    "root": {"type": "path"},
    "user": {"type": "str", "default": "root"},
    "unit": {"type": "str", "default": ""},
    "unit_action": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
    "standby": {"type": "str", "choices": [LEAVE, START], "default": LEAVE},
    "strip": {"type": "int", "default": 0},
    "stage": {"type": "path"},
    "work": {"type": "dict"},
}
WORDS = {"look": looked, "judge": judged}


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    work = module.params["work"]
    if not work:
        module.fail_json(msg="nothing was prepared (call this through its action plugin)")
    if os.geteuid() != 0:
        module.fail_json(msg="releases are staged as root (use become)")
    arrival = Arrival(**work["arrival"])
    try:
        answer = WORDS[work["word"]](arrival, Host(), module.check_mode)
    except OSError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
