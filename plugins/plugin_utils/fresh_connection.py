# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A connection that shares nothing with the one before, and ends when the host is gone.

A master connection that stays open proves nothing: after sshd or the packet filter shut everybody
out, it still answers. And without keep-alives an ssh client waits for a silent host for ever.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ansible.errors import AnsibleError

# ssh takes the first value it is given for an option, so these go in front.
_OPTIONS = (
    "-o ControlMaster=no -o ControlPath=none -o ControlPersist=no"
    " -o ConnectTimeout=5 -o ServerAliveInterval=3 -o ServerAliveCountMax=5"
)
_PORT_SECONDS = 3.0
_GLANCE_SECONDS = 1.5  # for ports that may well be filtered; the line to a store takes 60 ms
_PAUSE = 0.5


@contextlib.contextmanager
def unshared(connection: Any) -> Iterator[None]:
    """Inside, every command of an ssh connection makes a connection of its own."""
    if not speaks_ssh(connection):
        yield
        return
    before = connection.get_option("ssh_args") or ""
    connection.set_option("ssh_args", f"{_OPTIONS} {before}".strip())
    try:
        yield
    finally:
        connection.set_option("ssh_args", before)


def speaks_ssh(connection: Any) -> bool:
    """Whether it is the ssh plugin, whose options these are."""
    return str(getattr(connection, "transport", "")) == "ssh"


def drop(connection: Any) -> None:
    """End what is open; a connection that cannot be ended is no obstacle."""
    with contextlib.suppress(AnsibleError, OSError, NotImplementedError):
        connection.reset()


def closed_ports(address: str, ports: list[int], seconds: float) -> list[int]:
    """Ports that take no TCP connection from here within ``seconds``."""
    end = time.monotonic() + seconds
    left = list(ports)
    while True:
        left = [port for port in left if not _answers(address, port)]
        if not left or time.monotonic() >= end:
            return left
        time.sleep(_PAUSE)


def answering(address: str, ports: Iterable[int]) -> tuple[int, ...]:
    """Ports that take a TCP connection from here right now."""
    return tuple(port for port in ports if _answers(address, port, _GLANCE_SECONDS))


def _answers(address: str, port: int, seconds: float = _PORT_SECONDS) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), seconds):
        return True
    return False
