#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes a fault on purpose, or takes it back; see module_utils/chaos/arming.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: chaos
short_description: Makes a fault on purpose that the host takes back by itself
version_added: 0.4.0
description:
  - Lays the script that takes the fault back on the host and arms a timer of systemd that runs
    it, and only then makes the fault. So the fault ends also when nobody reaches the host.
  - One experiment per host at a time. Whether a host may be broken at all is decided by
    C(storewarden chaos run), not here.
  - Run it with C(become) as root.
author:
  - The storewarden developers
attributes:
  check_mode:
    support: full
    description: It looks whether the fault could be made, and says what would be done.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  word:
    description: V(begin) makes the fault, V(end) takes it back and tells who did.
    type: str
    choices: [begin, end]
    required: true
  experiment:
    description: The experiment's name, C(chaos-) and a number.
    type: str
    required: true
  fault:
    description: The kind of fault, for V(begin).
    type: str
    choices: [kill-process, stop-unit, fill-disk, cut-link, lose-packets, drop-dns, delay-link]
  options:
    description: Options of the fault; see C(docs/operators/chaos.md).
    type: dict
    default: {}
  seconds:
    description: After so long the host takes the fault back, 5 to 3600.
    type: float
    default: 300.0
  root:
    description: Where the files of the host begin, for tests.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: A till's service ends, for five minutes at most
  storewarden.ops.chaos:
    word: begin
    experiment: chaos-17
    fault: stop-unit
    options: {unit: pos.service}

- name: That was enough
  storewarden.ops.chaos:
    word: end
    experiment: chaos-17
"""

RETURN = r"""
msg:
  description: What was done.
  returned: always
  type: str
  sample: "pos.service stopped"
storewarden:
  description: The host's structured report.
  returned: always
  type: dict
  contains:
    chaos:
      description:
        - C(made), C(late), C(en) and C(zh) after V(begin); C(undone), C(by), C(at) and C(made_at)
          after V(end); C(reason) and C(reason_zh) when it could not be done.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.chaos.arming import begin, end
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import ChaosError
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.faults import FAULTS
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


def main():
    module = AnsibleModule(
        argument_spec={
            "word": {"choices": ["begin", "end"], "required": True},
            "experiment": {"required": True},
            "fault": {"choices": list(FAULTS)},
            "options": {"type": "dict", "default": {}},
            "seconds": {"type": "float", "default": 300.0},
            "root": {"type": "path", "default": "/"},
        },
        required_if=[("word", "begin", ("fault",))],
        supports_check_mode=True,
    )
    try:
        told = _done(module.params, module.check_mode)
    except ChaosError as error:
        reason = {"reason": str(error), "reason_zh": error.reason_zh}
        module.fail_json(msg=str(error), storewarden={"chaos": reason})
    changed = bool(told.get("made") or told.get("undone"))
    module.exit_json(changed=changed, msg=told.get("en", "taken back"), storewarden={"chaos": told})


def _done(given, check):
    """One word; in check mode only a look."""
    host, ident = Host(given["root"]), given["experiment"]
    if given["word"] == "end":
        return {"undone": False} if check else end(host, ident, "order")
    if not 5.0 <= given["seconds"] <= 3600.0:
        raise ChaosError("seconds must be 5 to 3600", "seconds 必须在 5 到 3600 之间")
    spell = FAULTS[given["fault"]].spell(host, given["options"], ident)
    if check:
        return {"made": False, "late": spell.late, "en": spell.en, "zh": spell.zh}
    return begin(host, spell, ident, given["seconds"])


if __name__ == "__main__":
    main()
