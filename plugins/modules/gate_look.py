#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All questions that the gates of a rollout have to one host, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gate_look
short_description: Answer the questions of a rollout's gates on a host, reading only
version_added: 0.3.0
description:
  - Looks at systemd units, runs programs that only read, and counts lines of logs.
  - A question that cannot be answered is reported with its reason and is no failure of the task.
  - Of logs only numbers leave the host.
author:
  - The storewarden developers
attributes:
  check_mode:
    support: full
    description: It only asks; a program that changes something is the caller's mistake.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  asks:
    description:
      - What to ask, each with a C(name) that is unique, a C(kind) and C(seconds) (default 10).
      - C(unit) takes C(unit). C(command) takes C(argv), without a shell, and C(user).
      - C(journal) takes C(unit) (empty for all), C(files) takes C(paths), patterns of the shell.
        Both count lines from C(since) to C(until) (seconds since 1970) that C(pattern) finds and
        C(ignore) does not.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Is the till's service there, and how many errors did it log in this hour
  storewarden.ops.gate_look:
    asks:
      - {name: service, kind: unit, unit: pos.service}
      - {name: errors, kind: journal, unit: pos.service, pattern: "ERROR|FATAL",
         since: "{{ now(utc=true).timestamp() - 3600 }}", until: "{{ now(utc=true).timestamp() }}"}
"""

RETURN = r"""
msg:
  description: How many questions were answered.
  returned: always
  type: str
  sample: "2 of 2 questions answered"
storewarden:
  description: The host's structured report.
  returned: always
  type: dict
  contains:
    gate_look:
      description:
        - Of each question by name C(ok) and C(text), or C(count) and C(lines), or C(problem).
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.gates.look import answers


def main():
    module = AnsibleModule(
        argument_spec={"asks": {"type": "list", "elements": "dict", "required": True}},
        supports_check_mode=True,
    )
    found = answers(module.params["asks"])
    good = sum("problem" not in one for one in found.values())
    module.exit_json(
        changed=False,
        msg="{0} of {1} questions answered".format(good, len(found)),
        storewarden={"gate_look": found},
    )


if __name__ == "__main__":
    main()
