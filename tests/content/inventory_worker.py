# SPDX-License-Identifier: GPL-3.0-or-later
"""One process that parses many stores.yml, so that tests pay for Ansible's start once.

Each line of standard input is a path; each line of standard output is
{"hosts": {..}, "groups": {..}, "errors": ".."}.
"""

from __future__ import annotations

import json
import sys

from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, inventory_loader

_OF_ANSIBLE = {"inventory_file", "inventory_dir"}


def _parsed(path: str) -> dict[str, object]:
    plugin = inventory_loader.get("storewarden.ops.stores")
    data, errors = InventoryData(), ""
    try:
        if not plugin.verify_file(path):
            raise AnsibleError("not a file of this plugin")
        plugin.parse(data, DataLoader(), path)
    except AnsibleError as error:
        errors = str(error)
    hosts = {
        name: {key: value for key, value in host.vars.items() if key not in _OF_ANSIBLE}
        for name, host in data.hosts.items()
    }
    groups = {name: [str(host) for host in group.hosts] for name, group in data.groups.items()}
    return {"hosts": hosts, "groups": {n: h for n, h in groups.items() if h}, "errors": errors}


def main() -> None:
    """Until standard input ends."""
    init_plugin_loader()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_parsed(line.strip())) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
