# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at the machine: whatever cannot be found out is left empty, never an error."""

from __future__ import annotations

import locale
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from storewarden.adapters.machine.collections import copies
from storewarden.ports.machine import FileFacts, MachineFacts, Places, Program

PACKAGES = ("ansible-core", "ansible-runner", "storewarden")
PROGRAMS = ("ansible-playbook", "ansible-inventory", "ansible-runner")
_SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
_PATIENCE = 10.0  # seconds for a program that only reports


class LocalMachine:
    """The Machine port. `ours` is the search root of the collection that storewarden runs."""

    def __init__(self, *, environ: Mapping[str, str], cwd: Path, ours: Path | None) -> None:
        self._environ = environ
        self._cwd = cwd
        self._ours = ours

    def look(self, places: Places) -> MachineFacts:
        """All facts; takes well under a second."""
        state = _nearest(places.state_dir)
        return MachineFacts(
            python=".".join(str(part) for part in sys.version_info[:3]),
            executable=sys.executable,
            packages=dict(_versions()),
            programs={name: self._program(name) for name in PROGRAMS},
            collections=copies(self._environ, self._cwd, sys.path, self._ours),
            ssh=self._ssh_version(),
            known_hosts=tuple(self._known_hosts(places.known_hosts)),
            files=tuple(self._files(places)),
            state_writable=os.access(state, os.W_OK | os.X_OK),
            disk_free=_free(state),
            ledger_kind=_ledger_kind(places.ledger),
            now=datetime.now(UTC),
            zone=_zone(self._environ),
            synchronised=self._synchronised(),
            encoding=sys.getfilesystemencoding().lower(),
            locale_problem=_locale_problem(),
            terminal=sys.stdout.isatty(),
        )

    def _program(self, name: str) -> Program:
        beside = Path(sys.executable).parent / name
        if not os.access(beside, os.X_OK):
            return Program(on_path=self._which(name))
        found = self._which(name)
        same = found and Path(found).samefile(beside)  # a link to it is not another program
        return Program(beside=str(beside), on_path=str(beside) if same else found)

    def _which(self, name: str) -> str:
        return shutil.which(name, path=self._environ.get("PATH", os.defpath)) or ""

    def _ssh_version(self) -> str:
        """Like "OpenSSH_9.2p1"; ssh prints it on stderr."""
        program = self._which("ssh")
        return _said(program, "-V").split(",")[0].strip() if program else ""

    def _known_hosts(self, configured: Path | None) -> Iterable[FileFacts]:
        if configured:
            yield _file("ssh.known_hosts", configured)
            return
        home = Path(self._environ.get("HOME") or Path.home())
        for path in (home / ".ssh/known_hosts", _SYSTEM_KNOWN_HOSTS):
            yield _file("", path)

    def _files(self, places: Places) -> Iterable[FileFacts]:
        if places.private_key:
            yield _file("ssh.private_key", places.private_key)
        for key, path in places.secrets.items():
            yield _file(key, path)

    def _synchronised(self) -> bool | None:
        program = self._which("timedatectl")
        said = _said(program, "show", "-p", "NTPSynchronized", "--value") if program else ""
        return {"yes": True, "no": False}.get(said.strip())


def _versions() -> Iterable[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _said(program: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace") if done.returncode == 0 else ""


def _file(key: str, path: Path) -> FileFacts:
    try:
        found = path.stat()
    except OSError:
        return FileFacts(key=key, path=path)
    return FileFacts(
        key=key,
        path=path,
        exists=stat.S_ISREG(found.st_mode),
        readable=os.access(path, os.R_OK),
        private=not found.st_mode & 0o077,
        size=found.st_size,
    )


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.is_dir())


def _free(path: Path) -> int:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return 0


def _ledger_kind(path: Path | str) -> str:
    if isinstance(path, str):
        return "server"
    try:
        with path.open("rb") as stream:
            return "sqlite" if stream.read(16) == b"SQLite format 3\0" else "other"
    except FileNotFoundError:
        return "absent"
    except OSError:
        return "other"


def _zone(environ: Mapping[str, str]) -> str:
    """The machine's zone as a name, else as an offset."""
    link = Path("/etc/localtime")
    if not environ.get("TZ") and link.is_symlink() and "zoneinfo/" in str(link.readlink()):
        return str(link.readlink()).split("zoneinfo/", 1)[1]
    return environ.get("TZ") or datetime.now().astimezone().tzname() or ""


def _locale_problem() -> str:
    """Why Ansible would refuse the locale; "" when it would not."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "")
    except locale.Error as error:
        return str(error)
    locale.setlocale(locale.LC_ALL, before)
    return ""
