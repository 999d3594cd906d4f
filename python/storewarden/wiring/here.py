# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine and whoever works at it, as far as the system knows them."""

from __future__ import annotations

import getpass
import os
import socket
import sys

from storewarden.ports.reports import THIS_MACHINE
from storewarden.ports.runner import FrozenInventory

LOCAL = "localhost"


def this_machine() -> FrozenInventory:
    """An inventory of this machine alone, without becoming root when nobody is."""
    variables: dict[str, object] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
    }
    if os.geteuid() != 0:
        variables["ansible_become"] = False
    return FrozenInventory(hosts={LOCAL: variables}, source=f"{THIS_MACHINE} ({_node()})")


def operator() -> str:
    """Who runs this, as far as the system knows: under sudo, who called it."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        user = f"uid {os.getuid()}"
    return f"{user}@{_node()}"


def _node() -> str:
    return socket.gethostname() or LOCAL
