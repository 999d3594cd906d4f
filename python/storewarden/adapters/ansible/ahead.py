# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a host that is opened while its play is still being read.

ssh needs about as long to agree with a host on keys as Ansible needs to come to its first task. A
run that asks for it (``PlaybookRun.connect_ahead``) has both at once: as soon as the play holds the
lease of a host, ssh is started as the master of the very control socket that the play's own ssh
would open, by the command that Ansible's ssh plugin itself makes of the host's variables. So the
host's key is checked against the same file, by the same rule, and no other host is ever connected.

Nothing depends on it. A host whose variables are templates, or that wants a password, is left to
the play; a master that dies or takes long is not waited for, and the play connects by itself, and
tells what is wrong. The master ends with its play, and with the run at the latest, as it is one of
the run's processes.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from storewarden.adapters.ansible.announced import Hosts
from storewarden.adapters.ansible.rundir import RunDir
from storewarden.ports.runner import PlaybookRun

MOST = 4  # hosts of one run; more would rather keep this machine busy than be early
_SSH = frozenset({"ssh", "ansible.builtin.ssh"})
_KEYS = frozenset({"ansible_private_key", "ansible_ssh_private_key"})  # a key's text, not its file
_LOOK = 2  # milliseconds between looks for the socket
_PATIENCE = 2.0  # seconds that a task waits; a host that is away costs each try ten

# ssh takes the first value that it is given: in the foreground, never asking anybody anything.
_MASTER = tuple(
    word
    for option in ("BatchMode=yes", "ControlMaster=yes", "ControlPersist=no")
    for word in (b"-o", option.encode())
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How a host is reached: ssh's whole command, without the host, and its control socket."""

    command: tuple[bytes, ...]
    host: str
    socket: str


type Reached = Callable[[Mapping[str, object]], Reach | None]


def noted(run: PlaybookRun, ssh: str, site_ssh_args: str) -> str:
    """What the play must know of its hosts to connect them ahead, those that can be; "" for none.

    ``ssh`` is what we put first among ssh's arguments; ``site_ssh_args`` as in ``yamlfiles``.
    """
    if not run.connect_ahead or len(run.inventory.hosts) > MOST or run.secrets.connection_password:
        return ""
    key = run.secrets.private_key
    found = {}
    for name, given in run.inventory.hosts.items():
        plain = _plain({**given, **run.variables})
        if plain is not None:
            own = given.get("ansible_ssh_args", site_ssh_args)
            named = {"ansible_private_key_file": str(key.absolute())} if key else {}
            args = {"inventory_hostname": name, "ansible_ssh_args": f"{ssh} {own}"}
            found[name] = {**named, **plain, **args}
    return json.dumps(found) if found else ""


def _plain(given: Mapping[str, object]) -> dict[str, object] | None:
    """What Ansible reads about a connection, when that is data and no secret; else None."""
    about = {
        name: value
        for name, value in given.items()
        if name.startswith("ansible_") and not name.startswith("ansible_become")
    }
    if about.get("ansible_connection", "ssh") not in _SSH or _KEYS & about.keys():
        return None
    for name, value in about.items():
        template = isinstance(value, str) and "{" in value
        if "pass" in name or template or not isinstance(value, str | int | float | bool):
            return None
    return about


@dataclass(slots=True)
class _Master:
    process: subprocess.Popen[bytes]
    handle: int  # its pidfd: workers of the play, who are not its parents, may wait for its end
    socket: Path
    word: bytes  # how its socket stands in a command of the ssh plugin


class Masters:
    """Connections that this play has opened ahead. Workers are forks of it and share ``_done``."""

    def __init__(self) -> None:
        self._open: list[_Master] = []
        self._done = mmap.mmap(-1, MOST)

    def begin(self, hosts: Hosts, free: Collection[str], reached: Reached) -> bool:
        """Connect those of the noted hosts that are leased; whether there are any."""
        for variables in (each for name, each in hosts.items() if name in free):
            try:
                found = reached(variables)
                if found is not None and len(self._open) < MOST:
                    self._open.append(_started(found))
            except Exception:  # noqa: BLE001, S112 - the play will try, and say what is wrong
                continue
        return bool(self._open)

    def settle(self, command: Sequence[bytes]) -> None:
        """Wait until the master that this command would use is there, or will not be, once."""
        for number, master in enumerate(self._open):
            if master.word in command and not self._done[number]:
                _wait(master)
                self._done[number] = 1

    def end(self) -> None:
        """The play is over."""
        for master in self._open:
            master.process.terminate()
            os.close(master.handle)
        self._open.clear()


def written(run: RunDir) -> Hosts:
    """What ``noted`` has said about the hosts of this run; nothing when it has not."""
    try:
        return cast("Hosts", json.loads(run.ahead_file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _started(reach: Reach) -> _Master:
    first, *rest = reach.command
    process = subprocess.Popen(
        [first, *_MASTER, *rest, b"-N", b"--", os.fsencode(reach.host)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    handle = os.pidfd_open(process.pid)
    word = f'ControlPath="{reach.socket}"'.encode()
    return _Master(process, handle, Path(reach.socket), word)


def _wait(master: _Master) -> None:
    ending = select.poll()
    ending.register(master.handle, select.POLLIN)
    until = time.monotonic() + _PATIENCE
    while not master.socket.exists() and time.monotonic() < until:
        if ending.poll(_LOOK):
            return
