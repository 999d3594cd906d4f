#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A staged library put in place, after it was proved once more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: signed_content_place
short_description: Put a staged library of rules in place
version_added: 0.3.0
description:
  - Proves the library that M(storewarden.ops.signed_content) staged once more, puts its files in
    place, each whole at every moment, removes those that the former library had and this one has
    not, has the site's own check look at it, and tells the unit.
  - What does not prove, or does not pass the check, leaves everything as it was.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root, inside of an armed restore point.
attributes:
  check_mode:
    support: none
    description: M(storewarden.ops.signed_content) tells what would change.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  sha256:
    description: SHA-256 that the staged library must have; empty for none but the signature.
    type: str
    default: ""
  file_name:
    description: The library's name at its source, which tells archives from single files.
    type: str
    required: true
  name:
    description: Name of the library.
    type: str
    required: true
  target:
    description: Folder from which the service reads it.
    type: path
    required: true
  stage:
    description: Folder with the staged library.
    type: path
    required: true
  serial_file:
    description: File in the library whose first line tells its age.
    type: str
    default: ""
  allow_older:
    description: Take a library although it is older than the one there.
    type: bool
    default: false
  validate:
    description: A command that must accept the library.
    type: list
    elements: str
    default: []
  validate_seconds:
    description: How long it may take.
    type: float
    default: 120.0
  unit:
    description: The unit that reads the library. One that does not run is left alone.
    type: str
    default: ""
  unit_action:
    description: What the unit is told.
    type: str
    choices: [restart, reload]
    default: reload
  owner:
    description: Whom the files belong to.
    type: str
    default: root
  group:
    description: Their group.
    type: str
    default: root
  mode:
    description: Mode of the files.
    type: str
    default: "0644"
  strip:
    description: Leading parts of every name in the archive that are left out.
    type: int
    default: 0
  point:
    description:
      - The restore point, as C(id), C(owner), C(epoch) and C(deadline). It is extended while this
        takes, and this process registered as what an undo has to stop first.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Put the rules in place
  storewarden.ops.signed_content_place:
    name: crs
    file_name: crs-4.7.0.tar.gz
    target: /etc/modsecurity/crs
    unit: nginx.service
    stage: /var/cache/storewarden/GMBG-20260301-001-content
"""

RETURN = r"""
content:
  description: C(serial), C(sha256), C(unit) (what was done).
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

from ansible_collections.storewarden.ops.plugins.module_utils.content.arriving import placed
from ansible_collections.storewarden.ops.plugins.module_utils.content.options import SPEC, wanted
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.staging.alive import alive
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit

OWN = {
    "sha256": {"type": "str", "default": ""},
    "file_name": {"type": "str", "required": True},
    "point": {"type": "dict", "default": {}},
}


def main():
    module = AnsibleModule(argument_spec={**SPEC, **OWN}, supports_check_mode=False)
    given = module.params
    if os.geteuid() != 0:
        module.fail_json(msg="libraries are put in place as root (use become)")
    # A line that is lost must not end this in its middle: the host decides what becomes of it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o022)
    try:
        wish = wanted(given, given["sha256"], given["file_name"])
        done = placed(wish, Host(), alive(given["point"]).beat)
    except (Unfit, BadSignature) as no:
        module.fail_json(msg=str(no), reason=no.reason())
    except (RestoreError, OSError) as error:
        module.fail_json(msg=str(error), reason={"en": str(error), "zh": str(error)})
    module.exit_json(changed=True, content=done)


if __name__ == "__main__":
    main()
