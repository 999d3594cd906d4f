#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup job of a host; see module_utils/backup_jobs/visit.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_job
short_description: Begin, collect, stop or forget a backup job
version_added: 0.4.0
description:
  - A backup takes longer than a line holds. So V(begin) only hands the order over; the host
    carries it out by itself, as a unit of its own, and keeps a report until somebody collects it.
  - An order whose run is known already is not begun again.
  - Secrets are laid into files of a folder in memory that is for root alone and goes with the job.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root. Another account can do jobs that touch nothing but its own, below
    a C(root) that is its own; their secrets lie there as well, in files of mode 0600.
  - What an order and a report say is in C(docs/reference/backup-job.md).
attributes:
  check_mode:
    support: full
    description: V(collect) tells the same; the other words only say how the job stands.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  word:
    description:
      - V(begin) hands over the order. V(collect) asks how it stands. V(stop) ends it, with C(TERM)
        and after 30 seconds with C(KILL). V(forget) removes what is left of one that has ended.
    type: str
    choices: [begin, collect, stop, forget]
    required: true
  order:
    description: The order, for V(begin).
    type: dict
  secrets:
    description: The order's secrets by their names, for V(begin).
    type: dict
    default: {}
  run:
    description: The job's name, for the other words.
    type: str
  wait:
    description: For V(begin) and V(collect), how many seconds to wait for the job's end.
    type: float
    default: 0.0
  root:
    description: Where orders, reports and locks lie.
    type: path
    default: /var/lib/storewarden/backup
  path:
    description: Where programs are looked for, as in C(PATH); by default the usual places.
    type: str
"""

EXAMPLES = r"""
- name: The till's files are backed up
  storewarden.ops.backup_job:
    word: begin
    order:
      format: 1
      run: files-20260601
      verb: take
      host: "{{ inventory_hostname }}"
      policy: till-files
      method: files
      source: {paths: [/etc, /srv/till]}
      repository: /var/lib/storewarden/backup/repositories/till-files
    secrets:
      repository: "{{ vault_repository_password }}"

- name: How did it end?
  storewarden.ops.backup_job:
    word: collect
    run: files-20260601
    wait: 600
"""

RETURN = r"""
msg:
  description: How the job stands, in one line.
  returned: always
  type: str
  sample: "files-20260601: ended (done)"
storewarden:
  description: The host's structured report.
  returned: always
  type: dict
  contains:
    backup:
      description:
        - C(now), the host's clock in seconds since 1970, and C(jobs), by name; each with C(state)
          (C(running), C(ended), C(lost), C(absent), C(refused)), its C(report) once it has ended,
          and the C(reason) where it was refused or lost.
      type: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.backup_jobs.visit import Visit
from ansible_collections.storewarden.ops.plugins.module_utils.payload.jobs import JobError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

SPEC = {
    "word": {"choices": ["begin", "collect", "stop", "forget"], "required": True},
    "order": {"type": "dict"},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "run": {"type": "str"},
    "wait": {"type": "float", "default": 0.0},
    "root": {"type": "path", "default": "/var/lib/storewarden/backup"},
    "path": {"type": "str"},
}


def main():
    module = AnsibleModule(
        argument_spec=SPEC,
        required_if=[("word", "begin", ("order",))],
        supports_check_mode=True,
    )
    given = module.params
    run = str((given["order"] or {}).get("run", "")) if given["word"] == "begin" else given["run"]
    if not run:
        module.fail_json(msg="run: the job's name is missing")
    try:
        before, found = _told(given, run, module.check_mode)
    except (JobError, RestoreError, OSError) as error:
        module.fail_json(msg="{0}: {1}".format(run, error))
    end = found.get("report", {}).get("end") or found.get("reason", {}).get("en", "")
    module.exit_json(
        changed=given["word"] != "collect" and not module.check_mode and before != found["state"],
        msg="{0}: {1}{2}".format(run, found["state"], " ({0})".format(end) if end else ""),
        storewarden={"backup": {"now": time.time(), "jobs": {run: found}}},
    )


def _told(given, run, check):
    """The state from before, and how the job stands now."""
    visit = Visit(Host(path=given["path"]) if given["path"] else Host(), given["root"])
    before = visit.collect(run)
    if check or given["word"] == "collect":
        found = before
    elif given["word"] == "begin":
        found = visit.begin(given["order"], given["secrets"])
    elif given["word"] == "stop":
        found = visit.stop(run)
    else:
        found = visit.forget(run)
    return before["state"], _awaited(visit, run, found, 0.0 if check else given["wait"])


def _awaited(visit, run, found, seconds):
    end = time.monotonic() + seconds
    while found["state"] == "running" and time.monotonic() < end:
        time.sleep(0.2)
        found = visit.collect(run)
    return found


if __name__ == "__main__":
    main()
