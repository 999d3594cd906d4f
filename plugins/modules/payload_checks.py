#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what a payload put on a host works, asked on the host itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: payload_checks
short_description: Ask on the host whether something works
version_added: 0.3.0
description:
  - Asks by HTTP, by TCP, systemd, or a command, until all answers are good or the time is up.
  - An answer that is not good is reported and is no failure of the task.
author:
  - The storewarden developers
attributes:
  check_mode:
    support: full
    description: It only asks; a command that changes something is the caller's mistake.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  checks:
    description:
      - What to ask, each with C(name) and C(kind).
      - C(http) takes C(url), C(status), C(match) (a regular expression), C(seconds), C(headers)
        and C(verify_tls). C(tcp) takes C(host), C(port) and C(seconds). C(unit) takes C(unit) and
        C(state). C(command) takes C(argv), C(accept) (exit statuses), C(match) and C(seconds).
    type: list
    elements: dict
    required: true
  within:
    description: Seconds in which every answer must have become good.
    type: float
    default: 0.0
"""

EXAMPLES = r"""
- name: Wait until the till's service answers
  storewarden.ops.payload_checks:
    within: 30
    checks:
      - {name: unit, kind: unit, unit: pos.service}
      - {name: health, kind: http, url: "http://127.0.0.1:8080/health", match: '"status": *"ok"'}
  register: payload_checked
"""

RETURN = r"""
ok:
  description: Whether all answers were good.
  returned: success
  type: bool
probes:
  description: An entry per check with C(name), C(ok) and C(detail) by language.
  returned: success
  type: list
msg:
  description: What is not good, in one line.
  returned: always
  type: str
  sample: "2 of 3 checks are good; health: status 500"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.payload.checks import BadCheck, probes
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


def told(found):
    """How many are good, and what the others said."""
    bad = [one for one in found if not one["ok"]]
    line = "{0} of {1} checks are good".format(len(found) - len(bad), len(found))
    said = ["{0}: {1}".format(one["name"], one["detail"]["en"]) for one in bad]
    return "; ".join([line, *said])


def main():
    module = AnsibleModule(
        argument_spec={
            "checks": {"type": "list", "elements": "dict", "required": True},
            "within": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    try:
        found = probes(Host(), module.params["checks"], module.params["within"])
    except BadCheck as error:
        module.fail_json(msg="checks: {0}".format(error))
    module.exit_json(
        changed=False, ok=all(one["ok"] for one in found), probes=found, msg=told(found)
    )


if __name__ == "__main__":
    main()
