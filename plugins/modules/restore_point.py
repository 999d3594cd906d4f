#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commit-confirmed for hosts: a change that nobody confirms is taken back by the host itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_point
short_description: Let a host take a change back by itself
version_added: 0.1.0
description:
  - Captures the declared items of a host into a pack on that host, arms a dead-man timer there,
    and undoes everything unless the change is confirmed in time. The undo needs neither a
    connection nor Ansible, only the system's own Python 3.9 or newer.
  - A play captures, arms, applies its change and extends the deadline meanwhile, then looks at
    the host through a new connection, and confirms. What is not confirmed is undone.
  - The host refuses an older epoch, a second owner while a restore point is live, a damaged pack,
    and words that come too late. A refusal is a failed task with C(refused=true).
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
  - Packs are readable by root only. They may hold password hashes.
  - See C(docs/reference/restore-point.md) for the pack's format and for what is not guaranteed.
attributes:
  check_mode:
    support: full
    description: Says what it would do, after all checks that need no pack to be written.
  diff_mode:
    support: none
    description: Use O(state=inspected) to see what differs from the capture.
options:
  state:
    description:
      - V(captured) takes the declared items into a verified pack.
      - V(armed) sets the dead-man timer. The host must still be as it was captured.
      - V(extended) gives O(deadline) seconds from now. A deadline is never brought forward.
      - V(confirmed) lets the change stay.
      - V(undone) takes the change back now, also when it was confirmed before.
      - V(inspected) reports one restore point or, without O(id), all of them.
      - V(expired) removes packs that ended, or were captured and never used, O(days) ago.
    type: str
    required: true
    choices: [captured, armed, extended, confirmed, undone, inspected, expired]
  id:
    description:
      - Name of the restore point. Letters, digits, dots, dashes and underscores, 100 at most.
      - One id is one change. After it was armed, another change needs another id.
    type: str
  owner:
    description: Who has the say over it, for example a change number and host wave.
    type: str
  epoch:
    description:
      - The controller's fencing number. The host refuses one that is lower than it has seen.
      - Without it, the highest that the host has seen counts, so only O(owner) protects.
    type: int
  items:
    description:
      - What the change may touch. Each has a C(kind). One that is named twice counts once.
      - C(file) and C(tree) take C(path). C(package) takes C(name). C(unit) takes C(name) and
        C(after_restore) (V(restart), V(reload) or V(leave)). C(sysctl) takes C(name). C(nft)
        takes C(table), or nothing for all rules. C(modules) takes C(names), or nothing for all.
        C(mounts) takes C(paths). C(audit_rules) and C(pam_profile) take nothing. C(account)
        takes C(user) or C(group). C(dump) takes C(path) and is never replayed.
    type: list
    elements: dict
    default: []
  exclude:
    description:
      - Paths that are neither kept nor compared nor removed, each with C(name) and C(paths).
    type: list
    elements: dict
    default: []
  package_sources:
    description: Folders on the host in which old package files are looked for first.
    type: list
    elements: path
    default: []
  deadline:
    description: Seconds of running time until the host undoes by itself.
    type: float
    default: 300.0
  apply:
    description:
      - What the undo has to stop first, as C(unit), C(pid) or C(cgroup); C(wait) is how many
        seconds it may take to end by itself before that.
    type: dict
  dead_man:
    description: What keeps the deadline. V(watcher) is a process, for hosts without systemd.
    type: str
    choices: [auto, systemd, watcher]
    default: auto
  days:
    description: Age in days from which V(expired) removes a pack.
    type: float
    default: 30.0
  folder:
    description: Where the packs of the host lie.
    type: path
    default: /var/lib/storewarden/restore
"""

EXAMPLES = r"""
- name: Keep what the change may touch
  storewarden.ops.restore_point:
    state: captured
    id: GMBG-20260301-001-ssh
    owner: GMBG-20260301-001
    items:
      - {kind: tree, path: /etc/ssh}
      - {kind: unit, name: ssh.service, after_restore: reload}
      - {kind: nft}

- name: From here on the host goes back by itself after two minutes
  storewarden.ops.restore_point:
    state: armed
    id: GMBG-20260301-001-ssh
    owner: GMBG-20260301-001
    deadline: 120

- name: The change stays
  storewarden.ops.restore_point:
    state: confirmed
    id: GMBG-20260301-001-ssh
    owner: GMBG-20260301-001
"""

RETURN = r"""
msg:
  description: What happened, in one line.
  returned: always
  type: str
  sample: "restore point GMBG-20260301-001-ssh armed for 120 s"
refused:
  description: Whether the host itself said no, as opposed to a failure.
  returned: on failure
  type: bool
storewarden:
  description: The host's structured report.
  returned: always
  type: dict
  contains:
    restore_point:
      description: >-
        C(id), C(phase), C(owner), C(epoch), C(manifest) and C(fingerprint) (digests), C(items),
        C(exclude), C(left) (seconds), C(dead_man), C(record) of the last undo (C(outcome),
        C(cause), C(reason), C(overdue), C(touched), C(residue)), C(residue),
        and for V(inspected) also C(damage), C(different) and C(now) (the fingerprint as it is).
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

_CHANGING = ("captured", "armed", "extended", "confirmed", "undone")

SPEC = {
    "state": {
        "type": "str",
        "required": True,
        "choices": [*_CHANGING, "inspected", "expired"],
    },
    "id": {"type": "str"},
    "owner": {"type": "str"},
    "epoch": {"type": "int"},
    "items": {"type": "list", "elements": "dict", "default": []},
    "exclude": {"type": "list", "elements": "dict", "default": []},
    "package_sources": {"type": "list", "elements": "path", "default": []},
    "deadline": {"type": "float", "default": 300.0},
    "apply": {"type": "dict"},
    "dead_man": {"type": "str", "choices": ["auto", "systemd", "watcher"], "default": "auto"},
    "days": {"type": "float", "default": 30.0},
    "folder": {"type": "path", "default": "/var/lib/storewarden/restore"},
}


def request(given, dry):
    """The parameters as the verbs take them."""
    return Request(
        id=given["id"] or "",
        owner=given["owner"] or "",
        epoch=given["epoch"],
        items=given["items"],
        exclude=given["exclude"],
        package_sources=given["package_sources"],
        deadline=given["deadline"],
        apply=given["apply"],
        dead_man=given["dead_man"],
        days=given["days"],
        dry=dry,
    )


def main():
    changing = [("state", one, ["id", "owner"]) for one in _CHANGING]
    module = AnsibleModule(
        argument_spec=SPEC,
        required_if=[*changing, ("state", "captured", ["items"])],
        supports_check_mode=True,
    )
    given = module.params
    if os.geteuid() != 0:
        module.fail_json(msg="restore points are made as root (use become)", refused=False)
    try:
        verbs = Verbs(Host(), given["folder"])
        answer = getattr(verbs, given["state"])(request(given, module.check_mode))
    except Refused as no:
        module.fail_json(msg=str(no), refused=True, storewarden={"restore_point": no.report})
    except (RestoreError, OSError) as failure:
        known = {"id": given["id"]}
        module.fail_json(msg=str(failure), refused=False, storewarden={"restore_point": known})
    module.exit_json(
        changed=answer.changed, msg=answer.text, storewarden={"restore_point": answer.report}
    )


if __name__ == "__main__":
    main()
