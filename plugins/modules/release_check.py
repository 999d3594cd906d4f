#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a release is in use, whole, and stays up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_check
short_description: Look whether a release is in use, whole, and stays up
version_added: 0.3.0
description:
  - Looks at the link, at every file of the release, and at the unit for O(settle) seconds.
  - What is not good is reported and is no failure of the task.
author:
  - The storewarden developers
attributes:
  check_mode:
    support: full
    description: It only looks.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  version:
    description: The release.
    type: str
    required: true
  root:
    description: The application's folder.
    type: path
    required: true
  unit:
    description: The unit that runs it.
    type: str
    default: ""
  settle:
    description: Seconds that the unit must stay up without having been started again.
    type: float
    default: 3.0
  stage:
    description:
      - The payload's folder on the host. A unit that was on standby in preflight, and is noted
        there, may be stopped still.
    type: path
    default: ''
"""

EXAMPLES = r"""
- name: Look at the release
  storewarden.ops.release_check:
    version: 4.2.0
    root: /opt/till
    unit: till.service
  register: seen
"""

RETURN = r"""
ok:
  description: Whether all is good.
  returned: success
  type: bool
standby:
  description: Whether the unit is stopped as it was before, so that it cannot be asked anything.
  returned: success
  type: bool
probes:
  description: An entry per question with C(name), C(ok) and C(detail) by language.
  returned: success
  type: list
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.release.places import Places
from ansible_collections.storewarden.ops.plugins.module_utils.release.seeing import Watched, look
from ansible_collections.storewarden.ops.plugins.module_utils.release.standby import noted
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit


def main():
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "unit": {"type": "str", "default": ""},
            "settle": {"type": "float", "default": 3.0},
            "stage": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        places = Places(given["root"])
    except Unfit as no:
        module.fail_json(msg=str(no))
    standby = bool(given["stage"] and noted(given["stage"]))
    watched = Watched(given["unit"], standby, given["settle"])
    probes, stopped = look(places, Host(), given["version"], watched)
    good = all(one["ok"] for one in probes)
    module.exit_json(changed=False, ok=good, probes=probes, standby=stopped)


if __name__ == "__main__":
    main()
