# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as tests see it: hosts to run commands on, to reset, to cut off.

Everything goes the way an operator's work goes (ssh with a key and checked host keys) or over the
supervisor's socket, so a test needs no root of its own once the lab is up.
"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tests.lab import lifecycle
from tests.lab.host import console
from tests.lab.places import LabError, Places, default_name, places
from tests.lab.processes import last_line
from tests.lab.shape import HostPlan, LabPlan

# A reset takes one to two seconds; the rest is for a slow machine busy with other work.
_REQUEST_PATIENCE = 400.0
_PATIENCE = 240.0  # for a command, and for a host to answer


class Lab:
    """A running lab, found by its name."""

    def __init__(self, name: str | None = None) -> None:
        """Attach to lab `name`; LabError when it is not up."""
        self.places: Places = places(name or default_name())
        self.plan: LabPlan = lifecycle.load_plan(self.places)
        if not lifecycle.alive(self.places.name):
            raise LabError(
                f"lab {self.places.name} is dead; `up` starts it anew, `down` removes it"
            )

    @property
    def name(self) -> str:
        return self.places.name

    @cached_property
    def hosts(self) -> tuple[LabHost, ...]:
        """All hosts, store by store, each store's server first."""
        return tuple(LabHost(lab=self, plan=plan) for plan in self.plan.hosts)

    def host(self, name: str) -> LabHost:
        """One host by name; LabError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise LabError(f"lab {self.name} has no host {name}: there are {known}")

    @property
    def inventory_path(self) -> Path:
        """A complete Ansible inventory of this lab."""
        return self.places.hosts_file

    @property
    def private_key(self) -> Path:
        return self.places.private_key

    @property
    def known_hosts(self) -> Path:
        return self.places.known_hosts

    def status(self) -> dict[str, dict[str, Any]]:
        """Per host: ``state`` (running, off ...), ``boots`` (number), ``cut`` (bool)."""
        found: dict[str, dict[str, Any]] = self.request("status")["hosts"]
        return found

    def request(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Ask the supervisor; LabError with its reason when it refuses or does not answer."""
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(_REQUEST_PATIENCE)
                line.connect(str(self.places.control))
                line.sendall(json.dumps({"verb": verb, **fields}).encode() + b"\n")
                reply: dict[str, Any] = json.loads(line.makefile().readline() or "{}")
        except (OSError, ValueError) as error:
            raise LabError(f"lab {self.name}: its supervisor does not answer: {error}") from error
        if not reply.get("ok"):
            raise LabError(f"lab {self.name}: {reply.get('error', 'its supervisor ended')}")
        return reply


@dataclass(frozen=True, slots=True, kw_only=True)
class LabHost:
    """One host of a running lab."""

    lab: Lab
    plan: HostPlan

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def address(self) -> str:
        return self.plan.address

    @property
    def store(self) -> str:
        return self.plan.store

    @property
    def role(self) -> str:
        """``store_server`` or ``pos``."""
        return self.plan.role

    def run(
        self,
        cmd: str | Sequence[str],
        *,
        check: bool = True,
        input: str | None = None,
        user: Literal["ops", "root"] = "ops",
        timeout: float = _PATIENCE,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command over ssh: text goes through the host's shell, a list does not.

        With `check` a status other than 0 raises LabError with host, command and last error line;
        255 is ssh's own: the host was not reached. `timeout` in seconds.
        """
        remote = cmd if isinstance(cmd, str) else shlex.join(cmd)
        if user == "root":
            remote = f"sudo -n -- sh -c {shlex.quote(remote)}"
        try:
            done = subprocess.run(
                [*self.ssh(), remote],
                input=input if input is not None else "",
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name}: {remote}: no end after {timeout:.0f} s") from error
        if check and done.returncode != 0:
            text = last_line(done.stderr or done.stdout)
            raise LabError(f"{self.name}: {remote}: status {done.returncode}: {text}")
        return done

    def ssh(self) -> list[str]:
        """The ssh command line up to the remote command; reads no configuration of this machine."""
        options = {
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.lab.known_hosts,
            "GlobalKnownHostsFile": "none",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": 20,
            "LogLevel": "ERROR",
        }
        words = [f"-o{name}={value}" for name, value in options.items()]
        return ["ssh", "-F", "none", "-i", str(self.lab.private_key), *words, f"ops@{self.address}"]

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Put a file of root's on the host (its folder is made), whole or not at all."""
        target = shlex.quote(path)
        fresh = shlex.quote(f"{path}.storewarden-new")
        self.run(
            f'umask 077; mkdir -p "$(dirname {target})"; '
            f"cat > {fresh} && chmod {mode:04o} {fresh} && mv -f {fresh} {target}",
            input=text,
            user="root",
        )

    def read(self, path: str) -> str:
        """A file of the host, read as root."""
        return self.run(["cat", path], user="root").stdout

    def reset(self, *, disk_mb: int = 0, above: Path | None = None) -> None:
        """Throw away all that changed since the base image; returns when the host answers again.

        With `disk_mb` its new disk is a memory disk of that size; `above` is a layer of software
        over the base image, which the next reset takes away again.
        """
        self.lab.request("reset", host=self.name, disk_mb=disk_mb, above=str(above or ""))
        self.wait()

    def start(self) -> None:
        """Switch a host on that is off; returns when it answers."""
        self.lab.request("start", host=self.name)
        self.wait()

    def stop(self) -> None:
        """Pull the plug; the disk stays."""
        self.lab.request("stop", host=self.name)

    def cut(self) -> None:
        """Cut the host's line; it runs on."""
        self.lab.request("cut", host=self.name)

    def mend(self) -> None:
        """Mend the host's line."""
        self.lab.request("mend", host=self.name)

    def boot_id(self) -> str:
        """Another value after every start of the host."""
        return self.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()

    def console(self) -> str:
        """The host's console since its last reset (needs root here)."""
        return console(self.lab.places, self.plan).read_text(errors="replace")

    def wait(self, *, timeout: float = _PATIENCE) -> float:
        """Wait until a login works; returns the seconds it took, LabError after `timeout`."""
        begun = time.monotonic()
        while not (self._listens() and self.run("true", check=False).returncode == 0):
            if time.monotonic() - begun > timeout:
                raise LabError(
                    f"{self.name} does not answer ssh after {timeout:.0f} s; "
                    f"it is {self.lab.status()[self.name]['state']}: {self._last_words()}"
                )
            time.sleep(0.1)
        return time.monotonic() - begun

    def _last_words(self) -> str:
        try:
            return last_line(self.console()) or "its console is empty"
        except OSError as error:
            return f"its console cannot be read: {error.strerror}"

    def _listens(self) -> bool:
        """Whether sshd greets: much cheaper to ask than a login."""
        try:
            with socket.create_connection((self.address, 22), timeout=0.5) as line:
                line.settimeout(10.0)
                return line.recv(4) == b"SSH-"
        except OSError:
            return False
