#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Old releases removed that nobody needs any more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_prune
short_description: Remove releases that nobody needs any more
version_added: 0.3.0
description:
  - Removes what killed runs left half unpacked, and releases beyond the newest O(keep). The one in
    use, and those that a restore point speaks of which was not undone, stay in any case. Folders
    that were not unpacked by M(storewarden.ops.release_switch) are left alone.
author:
  - The storewarden developers
notes:
  - Run it with C(become) as root.
attributes:
  check_mode:
    support: none
    description: Skipped in check mode.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  root:
    description: The application's folder.
    type: path
    required: true
  keep:
    description: How many releases stay, the newest first.
    type: int
    default: 3
"""

EXAMPLES = r"""
- name: Keep the newest three
  storewarden.ops.release_prune:
    root: /opt/till
"""

RETURN = r"""
removed:
  description: The versions that were removed.
  returned: success
  type: list
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.release.keeping import prune, tidy
from ansible_collections.storewarden.ops.plugins.module_utils.release.places import Places
from ansible_collections.storewarden.ops.plugins.module_utils.restore.records import FOLDER
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import Store
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit


def pruned(root, keep):
    """Removed versions; nothing is made where nothing is."""
    places = Places(root)
    if not os.path.isdir(places.releases):
        return []
    with places.locked():
        tidy(places)
        return prune(Store(Host(), FOLDER), places, keep)


def main():
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "keep": {"type": "int", "default": 3},
        },
        supports_check_mode=False,
    )
    if os.geteuid() != 0:
        module.fail_json(msg="releases are removed as root (use become)")
    try:
        gone = pruned(module.params["root"], module.params["keep"])
    except Unfit as no:
        module.fail_json(msg=str(no), reason=no.reason())
    except OSError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(gone), removed=gone)


if __name__ == "__main__":
    main()
