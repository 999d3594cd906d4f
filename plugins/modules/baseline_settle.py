#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An armed fix confirmed, taken back, or looked at: the second visit of baseline_fix."""

from __future__ import annotations

DOCUMENTATION = r"""
module: baseline_settle
short_description: Confirm or take back an armed fix
version_added: 0.2.0
description:
  - The second half of M(storewarden.ops.baseline_fix), whose action plugin calls it over a new
    connection. Not for playbooks; use M(storewarden.ops.restore_point) there.
author:
  - The storewarden developers
attributes:
  check_mode:
    support: none
    description: Nothing is armed in check mode, so there is nothing to settle.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  work:
    description: What the action plugin hands over.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Fix what failed of remote login; the fix settles itself
  storewarden.ops.baseline_fix:
    group: ssh
"""

RETURN = r"""
fix:
  description: C(outcome), or C(phase) of the restore point where it was only looked at.
  returned: success
  type: dict
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.host_system import HostSystem
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import settling
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.point import Name, Point
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.reasons import reason_of

_PROBE_SECONDS = 10.0
_TOTAL_SECONDS = 3600.0  # an undo may have packages to put back
_LISTEN_SECONDS = 15.0

WORDS = {
    "confirmed": lambda tools, work: settling.confirmed(tools, work["listeners"], _LISTEN_SECONDS),
    "undone": lambda tools, work: settling.undone(tools, work["reason"]),
    "inspected": lambda tools, _work: settling.inspected(tools),
}


def look():
    return HostSystem("/", _PROBE_SECONDS, _TOTAL_SECONDS)


def main():
    module = AnsibleModule(argument_spec={"work": {"type": "dict", "required": True}})
    work = module.params["work"]
    if os.geteuid() != 0:
        module.fail_json(msg="fixes are settled as root (use become)")
    began = time.monotonic()
    try:
        name = Name(work["id"], work["owner"], work["epoch"], float(work["deadline"]))
        answer = WORDS[work["state"]](settling.Tools(look, None, Point(name)), work)
    except Exception as error:
        module.fail_json(msg=reason_of(error)["en"])
    answer.setdefault("ms", round((time.monotonic() - began) * 1000, 1))
    module.exit_json(changed=answer.get("outcome") == "fixed", fix=answer)


if __name__ == "__main__":
    main()
