# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers that speak SSH on the loopback, by FakeNOS: they hold a configuration and answer a few
commands, and a wrong one with friendly text, like the real ones."""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fakenos import FakeNOS, Nos

USER, PASSWORD = "backup", "device-password-4711"
_HINT = "% Invalid input detected at '^' marker."


@dataclass(slots=True, kw_only=True)
class Router:
    """One router. ``config`` is asked anew each time that somebody shows it."""

    name: str
    config: Callable[[], str]
    port: int = 0


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _language(router: Router) -> Nos:
    user, admin = "{base_prompt}>", "{base_prompt}#"
    quiet: Mapping[str, Any] = {"output": "", "help": "", "prompt": [user, admin]}

    def config(*_given: Any, **_named: Any) -> str:
        return router.config()

    return Nos(
        name=f"language-{router.name}",
        initial_prompt=user,
        commands={
            "terminal width 511": quiet,
            "terminal length 0": quiet,
            "terminal width 512": quiet,
            "show version": {
                "output": "Cisco IOS Software, Version 15.2(7)E, RELEASE SOFTWARE (fc1)",
                "help": "",
                "prompt": [user, admin],
            },
            "show privilege": {
                "output": "Current privilege level is 15",
                "help": "",
                "prompt": admin,
            },
            "enable": {"output": None, "new_prompt": admin, "help": "", "prompt": user},
            "show running-config": {"output": config, "help": "", "prompt": admin},
            "_default_": {"output": _HINT, "help": ""},
        },
    )


@contextmanager
def routers(*wanted: Router) -> Iterator[None]:
    """They answer on their ports until the end of the block."""
    for name in ("fakenos", "paramiko"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    languages = [_language(each) for each in wanted]
    hosts = {}
    for each, language in zip(wanted, languages, strict=True):
        each.port = _free_port()
        hosts[each.name] = {
            "username": USER,
            "password": PASSWORD,
            "port": each.port,
            "nos": {"plugin": language.name},
        }
    net = FakeNOS(inventory={"hosts": hosts}, plugins=languages)
    # Its threads inherit this: one that waits for a client would keep the tests from ending.
    begin = threading.Thread(target=net.start, daemon=True)
    begin.start()
    begin.join()
    try:
        yield
    finally:
        net.stop()


def host_keys(*running: Router) -> str:
    """Lines for a known_hosts file, as an administrator would collect them."""
    found = [
        subprocess.run(
            ["ssh-keyscan", "-T", "20", "-p", str(each.port), "127.0.0.1"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for each in running
    ]
    return "".join(found)
