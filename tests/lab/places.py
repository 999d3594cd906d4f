# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab keeps its things, and the locks that keep two commands from meddling.

Everything one lab has on disk lies under one folder that carries its name, so removing the lab is
removing that folder. What outlives labs (the base image, the host keys) lies in the cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT_NAME = "lab"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
# A Unix socket's path may have 107 bytes (unix(7)).
_SOCKET_PATH_LIMIT = 107
MACHINE_LOCK = Path("/run/storewarden-lab.lock")


class LabError(Exception):
    """The lab could not do what was asked; the text is one line for the user."""


def default_name() -> str:
    """The lab meant when nobody names one: STOREWARDEN_LAB_NAME, or ``lab``."""
    return os.environ.get("STOREWARDEN_LAB_NAME") or DEFAULT_NAME


def state_root() -> Path:
    """The folder holding one folder per lab (STOREWARDEN_LAB_STATE moves it)."""
    return Path(os.environ.get("STOREWARDEN_LAB_STATE") or "/var/lib/storewarden-lab").absolute()


def cache_root() -> Path:
    """The root-only folder of base images and host keys (STOREWARDEN_LAB_CACHE moves it)."""
    return Path(os.environ.get("STOREWARDEN_LAB_CACHE") or "/var/cache/storewarden-lab").absolute()


def source_root() -> Path:
    """The checkout, from which ``python -m tests.lab`` can be started."""
    return Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The paths of one lab."""

    name: str
    root: Path

    @property
    def plan(self) -> Path:
        return self.root / "lab.json"

    @property
    def control(self) -> Path:
        return self.root / "control.sock"

    @property
    def supervisor(self) -> Path:
        return self.root / "supervisor.json"

    @property
    def supervisor_log(self) -> Path:
        return self.root / "supervisor.log"

    @property
    def private_key(self) -> Path:
        return self.root / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.root / "known_hosts"

    @property
    def hosts_file(self) -> Path:
        return self.root / "hosts.yml"

    @property
    def inventory(self) -> Path:
        return self.root / "inventory.json"

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    @property
    def hosts(self) -> Path:
        return self.root / "hosts"


def places(name: str) -> Places:
    """The paths of lab `name`; raises LabError for a name or folder that cannot work."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"lab name {name!r}: use 1 to 31 lower-case letters, digits and dashes, letter first"
        )
    found = Places(name=name, root=state_root() / name)
    if len(os.fsencode(found.control)) > _SOCKET_PATH_LIMIT:
        raise LabError(
            f"{found.control}: too long for a socket; set STOREWARDEN_LAB_STATE to a shorter path"
        )
    return found


def owner() -> tuple[int, int]:
    """(uid, gid) of the person behind the lab: whoever called sudo, else this process."""
    if os.geteuid() == 0 and "SUDO_UID" in os.environ:
        return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "0"))
    return os.geteuid(), os.getegid()


@contextlib.contextmanager
def locked(path: Path, *, patience: float = 300.0) -> Iterator[None]:
    """Hold the file lock `path`; waits `patience` seconds, then LabError. Released by any death."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    while (handle := _try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise LabError(
                f"{path} has been held by another command for {patience:.0f} s; try later"
            )
        time.sleep(0.1)
    try:
        yield
    finally:
        os.close(handle)


def _try_lock(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    # The last owner may have unlinked the file we opened: a lock on that protects nothing.
    try:
        same = os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        same = False
    if not same:
        os.close(handle)
        return None
    return handle


def lab_lock(name: str) -> Path:
    """The lock file that `up` and `down` of one lab hold."""
    return places(name).root.parent / f".{name}.lock"
