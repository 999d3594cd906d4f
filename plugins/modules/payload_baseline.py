#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hardening of one host as a payload: planned, made under the armed restore point, verified."""

from __future__ import annotations

DOCUMENTATION = r"""
module: payload_baseline
short_description: Fix hardening controls under a payload's restore point
version_added: 0.3.0
description:
  - Does what M(storewarden.ops.baseline_fix) does, for all apply groups at once and under the
    restore point of the payload playbooks.
  - For the role C(payload_baseline) alone.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
  - An action plugin of the same name runs on the controller. It selects the controls, fills in
    their parameters from Ansible variables, and sends this module what to do in O(work).
attributes:
  check_mode:
    support: full
    description: Tells what would be changed.
  diff_mode:
    support: none
    description: The changes are in the result.
options:
  state:
    description: What to do.
    type: str
    choices: [planned, applied, verified]
    default: planned
  audit:
    description: The result of M(storewarden.ops.baseline_audit) on the same host.
    type: dict
    default: {}
  controls:
    description: Ids or patterns; empty means all.
    type: list
    elements: str
    default: []
  families:
    description: Families of controls; empty means all.
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
    description: Apply groups; empty means all.
    type: list
    elements: str
    default: []
  extra_paths:
    description: Folders on the controller with the site's own control files.
    type: list
    elements: str
    default: []
  restore_point:
    description: The armed restore point, with C(id), C(owner), C(epoch) and C(deadline).
    type: dict
    default: {}
  stage:
    description: The payload's folder on the host.
    type: path
    default: ''
  work:
    description: What the action plugin hands to the module. Not for playbooks.
    type: dict
"""

EXAMPLES = r"""
- name: Look what would be fixed
  storewarden.ops.payload_baseline:
    state: planned
    audit: "{{ payload_baseline_audited }}"
  register: payload_baseline_planned
"""

RETURN = r"""
found:
  description: For V(planned), the fact C(payload_preflight), and C(controls) with their problems.
  returned: success
  type: dict
probes:
  description: For V(verified).
  returned: success
  type: list
"""

import os
import signal

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.host_system import HostSystem
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.hands_host import HostHands
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.lockout import Surroundings
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.logged_in import logged_in
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.point import Name, Point
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.reasons import reason_of
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.settling import Tools
from ansible_collections.storewarden.ops.plugins.module_utils.payload import hardening
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Request, Verbs

_PROBE_SECONDS = 30.0  # one command; apt's simulation is the slowest
_TOTAL_SECONDS = 3600.0  # a change is limited by its deadline and not by this
_TRANSACTION = 1800.0  # seconds that an undo waits for a transaction

LISTS = ("controls", "families", "skip", "groups", "extra_paths")


class ArmedPoint(Point):
    """The payload's restore point, which somebody else has armed."""

    def keep_as_apply(self, long):
        """An undo stops this process first; not in the middle of a package transaction."""
        apply = {"pid": os.getpid(), "wait": _TRANSACTION if long else 0.0}
        name = self.name
        ask = Request(
            id=name.id, owner=name.owner, epoch=name.epoch, deadline=name.deadline, apply=apply
        )
        Verbs(Host()).extended(ask)


def look():
    return HostSystem("/", _PROBE_SECONDS, _TOTAL_SECONDS)


def tools(point):
    epoch = point.get("epoch")
    name = Name(
        point["id"], point["owner"], None if epoch in (None, "") else int(epoch),
        float(point["deadline"]),
    )  # fmt: skip
    return Tools(look, HostHands(), ArmedPoint(name))


def planned(work, dry):
    around = Surroundings(logged_in(work["connection"]), tuple(work["management"]))
    found = hardening.planned(look, work["controls"], around)
    if found["ready"] and not found["nothing"] and not dry:
        hardening.staged(Tools(look, HostHands(), None), work["controls"])
        hardening.noted(work["stage"], found["items"])
    return {"found": found}


def applied(work, dry):
    if dry:
        return {"fixed": []}
    # A lost line must not end the change in its middle: the host decides what becomes of it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return hardening.applied(tools(work["point"]), work["controls"], work["stage"])


def verified(work, _dry):
    return {"probes": hardening.verified(look, work["verdicts"], work["stage"])}


WORDS = {"planned": planned, "applied": applied, "verified": verified}


def main():
    spec = {name: {"type": "list", "elements": "str", "default": []} for name in LISTS}
    module = AnsibleModule(
        argument_spec={
            **spec,
            "state": {"type": "str", "choices": list(WORDS), "default": "planned"},
            "audit": {"type": "dict", "default": {}},
            "max_risk": {"type": "str", "choices": ["R0", "R1", "R2", "R3"], "default": "R3"},
            "restore_point": {"type": "dict", "default": {}},
            "stage": {"type": "path", "default": ""},
            "work": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    work = module.params["work"]
    if not work:
        module.fail_json(msg="nothing was prepared (call this through its action plugin)")
    if os.geteuid() != 0:
        module.fail_json(msg="fixes are made as root (use become)")
    os.umask(0o022)
    try:
        answer = WORDS[work["state"]](work, module.check_mode)
    except Exception as error:
        reason = reason_of(error)
        module.fail_json(msg=reason["en"], reason=reason)
    module.exit_json(changed=bool(answer.get("fixed")), **answer)


if __name__ == "__main__":
    main()
