#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command that runs on the host by itself, under a name by which it is found again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_job
short_description: Run a command that outlives the connection
version_added: 0.3.0
description:
  - Starts a command as a named unit of the host, or finds the one that was started under that
    name before; a name stands for one command, which runs once.
  - The result and the output stay on the host until they are forgotten. Of a long output the first
    MiB and the last 3 MiB stay, with a line in between that says so.
  - Inside of a payload it extends the restore point while the command runs, and registers it as
    what an undo has to stop first.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
  - An action plugin of the same name runs on the controller; it comes back when the line was lost.
attributes:
  check_mode:
    support: full
    description: Says whether it would start the command.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  id:
    description: The job's name.
    type: str
    required: true
  state:
    description:
      - V(started) starts it and goes on. V(awaited) starts it if it has not been started, and
        waits for its end. V(inspected) only looks. V(forgotten) removes what is left of one that
        has ended.
    type: str
    choices: [started, awaited, inspected, forgotten]
    default: awaited
  argv:
    description: The program and its words. No shell.
    type: list
    elements: str
    default: []
  environment:
    description: Variables beside C(PATH), C(LC_ALL) and C(HOME). They are told nowhere.
    type: dict
    default: {}
  wait:
    description: Seconds that an undo lets it end by itself before it is stopped.
    type: float
    default: 0.0
  timeout:
    description: Seconds of running time after which it is stopped; 0 for none.
    type: float
    default: 3600.0
  accept:
    description: Exit statuses that are no failure.
    type: list
    elements: int
    default: [0]
  restore_point:
    description:
      - The restore point it works under, with C(id), C(owner), C(epoch), C(deadline), and
        C(extend), which is false where there is none to extend. C(rest) is how many seconds more
        the host gets once the job has ended. The payload playbooks give it.
    type: dict
  return_seconds:
    description: How long a lost line may take to come back.
    type: float
    default: 120.0
  seconds:
    description: How long one visit waits. What the action plugin hands over; not for playbooks.
    type: float
    default: 0.0
"""

EXAMPLES = r"""
- name: Install
  storewarden.ops.host_job:
    id: "{{ payload_job }}"
    argv: [apt-get, -y, install, nginx=1.22.1-9]
    environment: {DEBIAN_FRONTEND: noninteractive}
    wait: 1800
"""

RETURN = r"""
job:
  description: >-
    C(id), C(state) (V(absent), V(running), V(finished), V(lost)), C(rc), C(unit), C(pid),
    C(seconds), C(began_at), C(ended_at), C(timed_out), C(adopted), C(argv), C(log), its last
    lines, and C(left_out), how many bytes are missing in the middle of the log on the host.
  returned: always
  type: dict
msg:
  description: What happened, in one line.
  returned: always
  type: str
  sample: "job GMBG-20260301-001-R1-2 finished with status 0 after 41.2 s"
refused:
  description: Whether the host refused to go on because it has gone back.
  returned: on failure
  type: bool
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.payload.jobs import (
    JobError,
    Jobs,
    Order,
    as_text,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import (
    Refused,
    RestoreError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Request, Verbs

SPEC = {
    "id": {"type": "str", "required": True},
    "state": {
        "type": "str",
        "choices": ["started", "awaited", "inspected", "forgotten"],
        "default": "awaited",
    },
    "argv": {"type": "list", "elements": "str", "default": []},
    "environment": {"type": "dict", "default": {}, "no_log": False},
    "wait": {"type": "float", "default": 0.0},
    "timeout": {"type": "float", "default": 3600.0},
    "accept": {"type": "list", "elements": "int", "default": [0]},
    "restore_point": {"type": "dict"},
    "return_seconds": {"type": "float", "default": 120.0},
    "seconds": {"type": "float", "default": 0.0},
}


class Work:
    """One visit to the host."""

    def __init__(self, given, host):
        self._given = given
        self._host = host
        self._jobs = Jobs(host)

    def order(self):
        point = (self._given["restore_point"] or {}).get("id", "")
        environment = {key: as_text(value) for key, value in self._given["environment"].items()}
        return Order(
            id=self._given["id"], argv=self._given["argv"], environment=environment,
            wait=self._given["wait"], timeout=self._given["timeout"], point=point,
        )  # fmt: skip

    def visited(self, dry):
        """``(changed, job)``."""
        state = self._given["state"]
        found = self._jobs.inspected(self._given["id"])
        if state == "inspected":
            return False, found
        if state == "forgotten":
            changed = found["state"] != "absent" if dry else self._jobs.forgotten(found["id"])
            return changed, found if dry else self._jobs.inspected(found["id"])
        if dry:
            return found["state"] == "absent", found
        return self._worked(found, state == "awaited")

    def _worked(self, found, to_its_end):
        if found["state"] in ("absent", "running"):
            # A deadline that is about to pass must not catch a command that has just begun. While
            # somebody comes again and again, a lost line need not cost more than one deadline.
            self._extend({**found, "wait": self._given["wait"]}, exact=to_its_end)
        changed, found = self._jobs.started(self.order())
        if changed and "pid" in (self._jobs.stoppable(found) or {}):
            self._extend(found)  # a process could not be named before it was there
        found["adopted"] = not changed
        if to_its_end and found["state"] == "running":
            found.update(self._jobs.awaited(found["id"], self._given["seconds"]))
            if found["state"] != "running":
                self._extend(found, more=self._rest())  # nobody extends between here and the end
        return changed, found

    def _rest(self):
        return float((self._given["restore_point"] or {}).get("rest") or 0.0)

    def _extend(self, found, exact=False, more=0.0):
        point = self._given["restore_point"]
        apply = self._jobs.stoppable(found)
        if point and point.get("extend", True):
            Verbs(self._host).extended(
                Request(
                    id=point["id"], owner=point["owner"], epoch=_number(point.get("epoch")),
                    deadline=float(point["deadline"]) + more, apply=apply, exact=exact,
                )
            )  # fmt: skip


def _number(value):
    return None if value in (None, "") else int(value)


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    given = module.params
    if os.geteuid() != 0:
        module.fail_json(msg="jobs are started as root (use become)", job={"id": given["id"]})
    try:
        changed, found = Work(given, Host()).visited(module.check_mode)
    except Refused as no:
        told = {"storewarden": {"restore_point": no.report}, "job": {"id": given["id"]}}
        module.fail_json(msg=str(no), refused=True, **told)
    except (JobError, RestoreError, OSError) as error:
        module.fail_json(msg=str(error), refused=False, job={"id": given["id"]})
    module.exit_json(changed=changed, job=found)


if __name__ == "__main__":
    main()
