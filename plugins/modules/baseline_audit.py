#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All controls on one host in one call: a round trip costs more than a hundred checks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: baseline_audit
short_description: Audit a host against hardening controls, reading only
version_added: 0.1.0
description:
  - Evaluates all given controls in one call and returns a verdict and the observed value of each.
  - It never changes anything, leaves nothing behind, and reports C(changed=false) always.
  - Each control is looked at through typed getters. Where a daemon decides (for example C(sshd)),
    the daemon is asked, not the text of a file.
  - Secrets in observed values are replaced by a hash; password hashes never leave the host.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root. What cannot be read is reported as V(error), never as absent.
  - An action plugin of the same name runs on the controller. It selects the controls by id, fills
    in their parameters from Ansible variables and calls this module with the result.
  - For a network device (C(ansible_network_os), C(baseline_network_os), or C(sw_role) router,
    switch or firewall) the action plugin evaluates the controls itself, over the latest saved
    configuration on the controller. Give the task C(delegate_to=localhost) for hosts with
    C(ansible_network_os), as the playbook does, so that no connection to the device is set up.
attributes:
  check_mode:
    support: full
    description: Works in check mode as it does otherwise; it only reads.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  controls:
    description:
      - In a playbook, ids or patterns such as V(A01) or V(B*); empty means all.
      - What the action plugin hands to the module instead are mappings with C(id), C(check) and
        C(when), parameters filled in.
    type: list
    elements: raw
    default: []
  families:
    description: Families of controls to limit the audit to, for example V(ssh). Empty means all.
    type: list
    elements: str
    default: []
  extra_paths:
    description: Folders on the controller with the site's own control files.
    type: list
    elements: str
    default: []
  root:
    description: Prefix of every file that is read. Commands are not redirected.
    type: path
    default: /
  probe_seconds:
    description: Longest time that one probe may take, in seconds.
    type: float
    default: 5.0
  total_seconds:
    description:
      - Longest time that the whole audit may take, in seconds. Controls that it does not reach end
        in V(error).
    type: float
    default: 30.0
  content:
    description: The sha256 of the catalogue, handed through to the result by the action plugin.
    type: str
    default: ""
  summary:
    description: Whether the action plugin shows one line per host.
    type: bool
    default: true
  report_as:
    description:
      - The key under C(storewarden) that the report gets. A play that audits twice keeps the first
        report under another name.
    type: str
    default: audit
"""

EXAMPLES = r"""
- name: Audit everything
  storewarden.ops.baseline_audit:

- name: Audit remote login and two account rules
  storewarden.ops.baseline_audit:
    controls: [A01, A02, "B*"]

- name: Audit with the site's own controls as well
  storewarden.ops.baseline_audit:
    extra_paths: ["{{ inventory_dir }}/controls"]
"""

RETURN = r"""
msg:
  description: The counts in one line.
  returned: always
  type: str
  sample: "53 controls: 40 pass, 9 fail, 3 na, 1 error, 0 manual in 0.31 s"
storewarden:
  description: The host's structured report.
  returned: always
  type: dict
  contains:
    audit:
      description: The audit.
      type: dict
      contains:
        bundle:
          description: The sha256 of the controls as evaluated, parameters filled in.
          type: str
        content:
          description: The sha256 of the catalogue on the controller.
          type: str
        controls:
          description:
            - One entry for each control with C(id), C(verdict), C(value) where something was
              observed, C(reason) by language for V(na), V(error) and V(manual), and C(ms).
            - A verdict is V(pass), V(fail), V(na), V(error) or V(manual).
          type: list
          elements: dict
        counts:
          description: Number of controls by verdict.
          type: dict
        ms:
          description: Milliseconds the evaluation took on the host.
          type: float
        python:
          description: Version of Python on the host.
          type: str
    restore_records:
      description:
        - What the host took back by itself, of all restore points that it still keeps; see
          C(docs/reference/restore-point.md). Absent when there is nothing to tell.
      type: list
      elements: dict
"""

import os
import platform

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.host_system import HostSystem
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.watchdog import guarded_audit
from ansible_collections.storewarden.ops.plugins.module_utils.restore.records import (
    FOLDER,
    undo_records,
)


def summary(report):
    """The counts in one line."""
    counts = ", ".join("{0} {1}".format(count, name) for name, count in report["counts"].items())
    return "{0} controls: {1} in {2:.2f} s".format(
        len(report["controls"]), counts, report["ms"] / 1000
    )


def main():
    module = AnsibleModule(
        argument_spec={
            "controls": {"type": "list", "elements": "raw", "default": []},
            "families": {"type": "list", "elements": "str", "default": []},
            "extra_paths": {"type": "list", "elements": "str", "default": []},
            "root": {"type": "path", "default": "/"},
            "probe_seconds": {"type": "float", "default": 5.0},
            "total_seconds": {"type": "float", "default": 30.0},
            "content": {"type": "str", "default": ""},
            "summary": {"type": "bool", "default": True},
            "report_as": {"type": "str", "default": "audit"},
        },
        supports_check_mode=True,
    )
    given = module.params
    if not all(isinstance(one, dict) and "check" in one for one in given["controls"]):
        module.fail_json(msg="controls were not prepared (call this through its action plugin)")

    def system():
        return HostSystem(given["root"], given["probe_seconds"], given["total_seconds"])

    report = guarded_audit(system, given["controls"], given["content"], given["total_seconds"])
    report["python"] = platform.python_version()
    own = {"audit": report}
    records = undo_records(os.path.join(given["root"], FOLDER.lstrip("/")))
    if records:
        own["restore_records"] = records
    module.exit_json(changed=False, msg=summary(report), storewarden=own)


if __name__ == "__main__":
    main()
