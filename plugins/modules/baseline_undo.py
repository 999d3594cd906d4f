#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that a change made on a host through restore points, taken back, newest first."""

from __future__ import annotations

DOCUMENTATION = r"""
module: baseline_undo
short_description: Take back everything that a change did on a host
version_added: 0.2.0
description:
  - Undoes all restore points of one owner on the host that are armed or confirmed, or whose undo
    left something over, the newest first. What was undone wholly before stays undone.
  - An older state is never put under a newer change. A restore point below one of somebody else
    is refused, and everything older stays as well.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
attributes:
  check_mode:
    support: full
    description: Names the restore points that it would undo.
  diff_mode:
    support: none
    description: Use M(storewarden.ops.restore_point) with V(inspected).
options:
  owner:
    description: Whose restore points, for example a change number.
    type: str
    required: true
  epoch:
    description: The controller's fencing number, see M(storewarden.ops.restore_point).
    type: int
  folder:
    description: Where the packs of the host lie.
    type: path
    default: /var/lib/storewarden/restore
"""

EXAMPLES = r"""
- name: Take back what the change did here
  storewarden.ops.baseline_undo:
    owner: GMBG-20260301-001
"""

RETURN = r"""
msg:
  description: What happened, in one line.
  returned: always
  type: str
  sample: "2 restore points of GMBG-20260301-001 undone"
storewarden:
  description: The host's structured report.
  returned: always
  type: dict
  contains:
    undo:
      description:
        - C(owner) and C(restore_points), newest first, each with C(id), C(outcome) (V(restored),
          V(residue), V(refused) or V(planned)), C(residue) and C(reason).
      type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import (
    Refused,
    RestoreError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Request, Verbs

# One that left something over is tried again: "nothing to undo" would not be true of this host.
_STANDING = ("armed", "undoing", "confirmed", "residue")


def request(given, name="", dry=False, before=()):
    return Request(
        id=name, owner=given["owner"], epoch=given["epoch"], items=[], exclude=[],
        package_sources=[], deadline=300.0, apply=None, dead_man="auto", days=0.0, dry=dry,
        before=before,
    )  # fmt: skip


def standing(verbs, given):
    """Restore points of the owner that can be undone, newest first."""
    packs = verbs.inspected(request(given)).report["packs"]
    mine = [one for one in packs if one.get("owner") == given["owner"]]
    return [one["id"] for one in reversed(mine) if one.get("phase") in _STANDING]


def undo(verbs, given, name, dry, before=()):
    try:
        report = verbs.undone(request(given, name, dry, before)).report
    except Refused as no:
        return {"id": name, "outcome": "refused", "residue": [], "reason": str(no)}
    except RestoreError as error:
        # Those undone before this one are told all the same.
        left = [{"item": "undo", "why": str(error)}]
        return {"id": name, "outcome": "residue", "residue": left, "reason": str(error)}
    outcome = "planned" if dry else report["phase"]
    return {"id": name, "outcome": outcome, "residue": report.get("residue", [])}


def undo_all(verbs, given, dry):
    found = []
    for name in standing(verbs, given):
        found.append(undo(verbs, given, name, dry, [one["id"] for one in found]))
        if found[-1]["outcome"] == "refused":
            break
    return found


def main():
    module = AnsibleModule(
        argument_spec={
            "owner": {"type": "str", "required": True},
            "epoch": {"type": "int"},
            "folder": {"type": "path", "default": "/var/lib/storewarden/restore"},
        },
        supports_check_mode=True,
    )
    given = module.params
    if os.geteuid() != 0:
        module.fail_json(msg="restore points are undone as root (use become)")
    try:
        found = undo_all(Verbs(Host(), given["folder"]), given, module.check_mode)
    except RestoreError as error:
        module.fail_json(msg=str(error))
    done = [one for one in found if one["outcome"] != "refused"]
    word = "would be undone" if module.check_mode else "undone"
    text = "{0} restore points of {1} {2}".format(len(done), given["owner"], word)
    answer = {
        "changed": bool(done),
        "storewarden": {"undo": {"owner": given["owner"], "restore_points": found}},
    }
    bad = [one for one in found if one["outcome"] in ("refused", "residue")]
    if bad:
        why = bad[-1].get("reason") or "something is left over: {0}".format(bad[-1]["residue"])
        module.fail_json(msg="{0}; {1}: {2}".format(text, bad[-1]["id"], why), **answer)
    module.exit_json(msg=text, **answer)


if __name__ == "__main__":
    main()
