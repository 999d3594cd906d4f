# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is connected, and from where: the one who must not be locked out.

sudo takes SSH_CONNECTION out of the environment, so it is looked for in the processes above us;
root may read theirs. A connection that is not SSH has neither, and SSH cannot lock it out.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from typing import Any, NamedTuple


class LoggedIn(NamedTuple):
    """``user`` by name, ``address`` of the client (None: no SSH), ``sudo``: became root from it."""

    user: str | None
    address: str | None
    sudo: bool


def logged_in(given: dict[str, Any], pid: int | None = None) -> LoggedIn:
    """From the processes above ``pid``, else what the controller knows (``user``, ``address``)."""
    address, uid = None, None
    for one in _line(os.getpid() if pid is None else pid):
        said = _variable(one, b"SSH_CONNECTION")
        if said:
            address, uid = said.split()[0].partition("%")[0], _uid(one)
    user = _name(uid) if uid is not None else None
    user = os.environ.get("SUDO_USER") or user or given.get("user")
    address = address or given.get("address")
    return LoggedIn(user, address, bool(user) and user != "root")


def _line(pid: int) -> list[int]:
    """The process and those above it."""
    found: list[int] = []
    while pid > 1 and pid not in found:
        found.append(pid)
        pid = _parent(pid)
    return found


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/{0}/stat".format(pid)) as source:
            return int(source.read().rpartition(")")[2].split()[1])
    return 1


def _variable(pid: int, name: bytes) -> str:
    with contextlib.suppress(OSError):
        with open("/proc/{0}/environ".format(pid), "rb") as source:
            for entry in source.read().split(b"\0"):
                if entry.startswith(name + b"="):
                    return entry.partition(b"=")[2].decode("utf-8", "replace")
    return ""


def _uid(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.stat("/proc/{0}".format(pid)).st_uid
    return None


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid)[0]
    except KeyError:
        return None
