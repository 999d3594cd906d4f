#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One apply group of fixes on one host, inside a restore point, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: baseline_fix
short_description: Fix hardening controls so that nobody is locked out
version_added: 0.2.0
description:
  - Fixes the controls of one apply group that an audit found failing.
  - The host keeps what the fixes may touch in a restore point and arms a dead-man timer before
    anything is changed. The daemon's own checker looks at every change before it is told.
  - The controller then comes back over a new connection that shares nothing with the old one.
    Only when that works, C(become) works, and what listened before still listens, the change is
    confirmed. What is not confirmed, the host undoes by itself.
  - Whatever would lock out the connection that is at work is refused before anything is touched.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
  - An action plugin of the same name runs on the controller. It selects the controls, fills in
    their parameters from Ansible variables, and sends this module what to do in O(work).
  - See C(docs/reference/control-format.md), "Fixes", and C(docs/reference/restore-point.md).
attributes:
  check_mode:
    support: full
    description: Tells exactly what would be changed, and whether it would be refused.
  diff_mode:
    support: none
    description: The changes are in the result.
options:
  group:
    description: The apply group, for example V(ssh).
    type: str
  audit:
    description:
      - The result of M(storewarden.ops.baseline_audit) on the same host. Only controls whose
        verdict is V(fail) there are fixed. Without it the group's controls are audited first.
    type: dict
  controls:
    description: Ids or patterns such as V(A01) or V(B*); empty means all.
    type: list
    elements: str
    default: []
  families:
    description: Families of controls to limit it to, for example V(ssh). Empty means all.
    type: list
    elements: str
    default: []
  skip:
    description: Ids that are left alone on this host, because they are waived.
    type: list
    elements: str
    default: []
  max_risk:
    description: Fixes of a higher risk are left alone.
    type: str
    choices: [R0, R1, R2, R3]
    default: R3
  groups:
    description: Apply groups to fix; another O(group) is left alone. Empty means all.
    type: list
    elements: str
    default: []
  owner:
    description: Owner of the restore point, a change number for example.
    type: str
    default: ansible
  epoch:
    description: The controller's fencing number, see M(storewarden.ops.restore_point).
    type: int
  deadline:
    description: Seconds that the host waits for the confirmation.
    type: float
    default: 300.0
  plan_only:
    description: Reads only, and tells what would be done.
    type: bool
    default: false
  probe_ports:
    description:
      - TCP ports of the host that the controller must reach after the fix, whatever was before.
      - Besides, ports of C(baseline_ports_allowed) that it reached before the fix must be reached
        after it; not those of C(baseline_ports_sensitive), those with C(sources) or C(expires), and
        those that a fix means to close.
    type: list
    elements: int
    default: []
  probe_seconds:
    description: How long the new connection and the ports may take to answer, in seconds.
    type: float
    default: 30.0
  return_seconds:
    description: How long a host that was lost may take to come back beyond its deadline.
    type: float
    default: 120.0
  extra_paths:
    description: Folders on the controller with the site's own control files.
    type: list
    elements: str
    default: []
  summary:
    description: Whether the action plugin shows one line per host and group.
    type: bool
    default: true
  work:
    description: What the action plugin hands to the module. Not for playbooks.
    type: dict
"""

EXAMPLES = r"""
- name: Audit
  storewarden.ops.baseline_audit:
  register: audited

- name: Fix what failed of remote login
  storewarden.ops.baseline_fix:
    group: ssh
    audit: "{{ audited }}"
    owner: GMBG-20260301-001
"""

RETURN = r"""
msg:
  description: What happened, in one line.
  returned: always
  type: str
  sample: "ssh: fixed B02 B03 B05 in 2.1 s"
storewarden:
  description: The host's structured report.
  returned: always
  type: dict
  contains:
    harden:
      description:
        - One entry per apply group with C(outcome), C(restore_point), C(reason) by language,
          C(controls), C(restored_after) (seconds from the deadline until the host had undone the
          change by itself), C(residue) (what an undo could not put back) and C(ms).
        - C(outcome) is V(planned), V(unchanged), V(fixed), V(refused) (not begun, and why),
          V(undone) (it did not stand the probe), V(lost) (the host did not come back in time to be
          asked) or V(failed) (it could not be planned or made; what was begun was undone).
        - C(controls) has C(id), C(risk), C(changes) (C(what), C(before), C(after)), C(reloads),
          C(restarts), C(lockout) and C(problem) by language where there is one.
      type: dict
"""

import os
import signal
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.host_system import HostSystem
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import transaction
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.hands_host import HostHands
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.lockout import Surroundings
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.logged_in import logged_in
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.point import Name, Point
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.reasons import reason_of
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.settling import Tools

_PROBE_SECONDS = 30.0  # one command; apt's simulation is the slowest
_TOTAL_SECONDS = 3600.0  # a fix is limited by its deadline and not by this

SPEC = {
    "group": {"type": "str"},
    "audit": {"type": "dict"},
    "controls": {"type": "list", "elements": "str", "default": []},
    "families": {"type": "list", "elements": "str", "default": []},
    "skip": {"type": "list", "elements": "str", "default": []},
    "max_risk": {"type": "str", "choices": ["R0", "R1", "R2", "R3"], "default": "R3"},
    "groups": {"type": "list", "elements": "str", "default": []},
    "owner": {"type": "str", "default": "ansible"},
    "epoch": {"type": "int"},
    "deadline": {"type": "float", "default": 300.0},
    "plan_only": {"type": "bool", "default": False},
    "probe_ports": {"type": "list", "elements": "int", "default": []},
    "probe_seconds": {"type": "float", "default": 30.0},
    "return_seconds": {"type": "float", "default": 120.0},
    "extra_paths": {"type": "list", "elements": "str", "default": []},
    "summary": {"type": "bool", "default": True},
    "work": {"type": "dict"},
}


def look():
    return HostSystem("/", _PROBE_SECONDS, _TOTAL_SECONDS)


def tools(work):
    """What the transaction works with on this host."""
    name = Name(work["id"], work["owner"], work["epoch"], float(work["deadline"]))
    return Tools(look, HostHands(), Point(name))


def planned(work):
    return transaction.planned(look, work["controls"], surroundings(work))


def applied(work):
    # A line that is lost must not end the apply in its middle: the host decides what becomes of it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return transaction.applied(tools(work), work["controls"], surroundings(work))


WORDS = {
    "planned": planned,
    "applied": applied,
}


def surroundings(work):
    return Surroundings(logged_in(work["connection"]), tuple(work["management"]))


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    work = module.params["work"]
    if not work:
        module.fail_json(msg="nothing was prepared (call this through its action plugin)")
    if os.geteuid() != 0:
        module.fail_json(msg="fixes are made as root (use become)")
    word = "planned" if module.check_mode else work["state"]
    began = time.monotonic()
    os.umask(0o022)
    try:
        answer = WORDS[word](work)
    except Exception as error:
        module.fail_json(msg=reason_of(error)["en"])
    answer.setdefault("ms", round((time.monotonic() - began) * 1000, 1))
    module.exit_json(changed=answer.get("outcome") in ("planned", "applied", "fixed"), fix=answer)


if __name__ == "__main__":
    main()
