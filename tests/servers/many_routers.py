# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.servers.many_routers N FILE``: routers in a process of their own, so that what
they cost is nobody else's. FILE gets their ports and host keys as JSON; they end with stdin."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.servers.network_devices import Router, host_keys, routers

INTERFACES = 48


def configuration(name: str) -> str:
    """Some 6 KB, as of a small access switch."""
    ports = "".join(
        f"interface GigabitEthernet1/0/{n}\n description till {n}\n switchport access vlan {n}\n"
        f" switchport mode access\n spanning-tree portfast\n!\n"
        for n in range(1, INTERFACES + 1)
    )
    return (
        f"Building configuration...\n!\nversion 15.2\nhostname {name}\n!\n{ports}"
        "line vty 0 4\n transport input ssh\n!\nend"
    )


def main() -> None:
    """Run until somebody closes stdin."""
    many, file = int(sys.argv[1]), Path(sys.argv[2])
    names = [f"router{n:03d}" for n in range(1, many + 1)]
    running = [Router(name=name, config=partial(configuration, name)) for name in names]
    with routers(*running), ThreadPoolExecutor(4) as pool:
        keys = "".join(pool.map(host_keys, running))
        told = {"ports": {each.name: each.port for each in running}, "keys": keys}
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(told))
        fresh.rename(file)
        sys.stdin.read()


if __name__ == "__main__":
    main()
