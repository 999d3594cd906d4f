#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A signed library on the host, proved and checked; nothing is put in place yet."""

from __future__ import annotations

DOCUMENTATION = r"""
module: signed_content
short_description: Stage a signed library of rules on a host and prove it
version_added: 0.3.0
description:
  - Brings a rule or signature library to the host, once. Its detached signature (GPG or minisign)
    must be good on the controller, before anything is copied, and on the host. It must not be
    older than the library there, and the site's own check must accept it.
  - Changes nothing but the stage folder. A refusal is no failed task; it is in RV(preflight).
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root. GPG signatures need C(gpgv) on both sides, minisign nothing.
  - An action plugin of the same name runs on the controller and sends this module what to look at
    in O(work).
attributes:
  check_mode:
    support: partial
    description: Tells what would change; a library that is not on the host yet is not looked into.
  diff_mode:
    support: none
    description: The changes are in the result.
options:
  source:
    description:
      - Absolute path of the library on the controller. A tar archive (plain, gz, bz2, xz) is
        unpacked, any other file is put there as it is.
    type: str
  signature:
    description: Absolute path on the controller of the detached signature.
    type: str
  key:
    description:
      - Absolute path on the controller of the trusted GPG keys or minisign key, or a minisign key
        itself.
    type: str
  lock:
    description: What the canary got; another library is refused.
    type: dict
  name:
    description: Name of the library.
    type: str
  target:
    description: Folder on the host from which the service reads it.
    type: path
  stage:
    description: Folder on the host for the library; made, for root only.
    type: path
  serial_file:
    description:
      - File in the library whose first line tells its age, as numbers with dots. Without it, the
        time that was signed counts.
    type: str
    default: ""
  allow_older:
    description: Take a library although it is older than the one there.
    type: bool
    default: false
  validate:
    description:
      - A command that must accept the library. With C(%s) in it, it looks at the staged
        files first; else it looks at the host after they are in place, and what it does not
        accept is put back.
    type: list
    elements: str
    default: []
  validate_seconds:
    description: How long it may take.
    type: float
    default: 120.0
  unit:
    description: The unit that reads the library.
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
    description: Mode of the files; folders may be entered by whoever may read files.
    type: str
    default: "0644"
  strip:
    description: Leading parts of every name in the archive that are left out.
    type: int
    default: 0
  work:
    description: What the action plugin hands over.
    type: dict
"""

EXAMPLES = r"""
- name: Bring the firewall's rules and prove them
  storewarden.ops.signed_content:
    name: crs
    source: /srv/content/crs-4.7.0.tar.gz
    signature: /srv/content/crs-4.7.0.tar.gz.asc
    key: /srv/content/crs.asc
    target: /etc/modsecurity/crs
    unit: nginx.service
    stage: /var/cache/storewarden/GMBG-20260301-001-content
  register: library
"""

RETURN = r"""
preflight:
  description: The fact C(payload_preflight), see C(docs/reference/payload.md).
  returned: success
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.content.arriving import (
    judged,
    looked,
    refusal,
)
from ansible_collections.storewarden.ops.plugins.module_utils.content.options import SPEC, wanted
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit

OWN = {
    "source": {"type": "str"},
    "signature": {"type": "str"},
    "key": {"type": "str", "no_log": False},
    "lock": {"type": "dict"},
    "work": {"type": "dict"},
}


def asked(module, work):
    """The answer to one word of the action plugin."""
    wish = wanted(module.params, work["sha256"], work["file_name"])
    if work["word"] == "look":
        return looked(wish, work["size"], work["trust"], Host(), module.check_mode)
    return judged(wish, Host(), module.check_mode)


def main():
    module = AnsibleModule(argument_spec={**SPEC, **OWN}, supports_check_mode=True)
    work = module.params["work"]
    if not work:
        module.fail_json(msg="nothing was prepared (call this through its action plugin)")
    if os.geteuid() != 0:
        module.fail_json(msg="libraries are staged as root (use become)")
    try:
        answer = asked(module, work)
    except Unfit as no:
        answer = {"preflight": refusal(no.reason()), "bring": False, "judge": False}
    except OSError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
