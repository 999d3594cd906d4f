# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What getters see of a host: files, commands and the time, each looked at once.

Paths are resolved here, link by link and below the root, so that a redirected root and an
imagined host of a control's test case follow links exactly as a real host does. Every file and
every command is remembered for the whole audit, a failure too: twelve controls that need the
same hanging command wait for it once.
"""

from __future__ import annotations

import abc
import contextlib
import fnmatch
import re
import time
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    PERMISSION,
    TOOL,
    ProbeError,
)

_MAX_LINKS = 40  # the kernel's own limit on links in one path


class FileStat(NamedTuple):
    """One directory entry. ``kind``: file, dir, link, socket or other; ``mtime`` epoch seconds."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: float


class CommandResult(NamedTuple):
    """What a command answered; ``rc`` 127 = no such command."""

    rc: int
    stdout: str
    stderr: str


class System(abc.ABC):
    """A host. Subclasses supply the underscored primitives; getters use the rest."""

    def __init__(self) -> None:
        self._memo: dict[tuple[Any, ...], tuple[bool, Any]] = {}

    # -- primitives: paths are absolute and free of links -------------------------------------

    @abc.abstractmethod
    def _lstat(self, path: str) -> FileStat | None: ...

    @abc.abstractmethod
    def _readlink(self, path: str) -> str: ...

    @abc.abstractmethod
    def _list(self, path: str) -> list[str]: ...

    @abc.abstractmethod
    def _read(self, path: str) -> str | None:
        """The text, or None when the file went away since it was seen."""
        ...

    @abc.abstractmethod
    def _run(
        self, argv: tuple[str, ...], environment: dict[str, str] | None = None
    ) -> CommandResult: ...

    def user_name(self, uid: int) -> str:
        """The name of a user id, or the number as text."""
        return self._name_of("/etc/passwd", uid)

    def group_name(self, gid: int) -> str:
        """The name of a group id, or the number as text."""
        return self._name_of("/etc/group", gid)

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def has_command(self, name: str) -> bool:
        """Whether a command of this name is installed."""
        folders = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")
        return any(self.exists(folder + "/" + name) for folder in folders)

    def local_path(self, path: str) -> str | None:
        """Where a library that opens files itself finds this file; None when absent."""
        return self.resolve(path)

    def deadline(self) -> Any:
        """A context in which one probe runs; the real host limits its time."""
        return contextlib.nullcontext()

    # -- what getters use ---------------------------------------------------------------------

    def remember(self, key: tuple[Any, ...], compute: Any) -> Any:
        """``compute()`` once per audit and key; a ProbeError is remembered and raised again."""
        if key not in self._memo:
            try:
                self._memo[key] = (True, compute())
            except ProbeError as error:
                self._memo[key] = (False, error)
        good, value = self._memo[key]
        if not good:
            raise value
        return value

    def read(self, path: str) -> str | None:
        """The text of a file, None when there is none; ProbeError when it cannot be read."""
        return self.remember(("read", path), lambda: self._read_now(path))

    def lines(self, path: str) -> list[str]:
        """The lines of a file without their ends (LF or CRLF); empty when there is no file."""
        text = self.read(path)
        return [] if not text else [line.rstrip("\r") for line in text.split("\n")]

    def stat(self, path: str, follow: bool = True) -> FileStat | None:
        """The entry itself, or with ``follow`` what its links lead to; None when absent."""
        resolved = self.resolve(path, follow)
        return None if resolved is None else self._entry(resolved)

    def exists(self, path: str) -> bool:
        return self.stat(path) is not None

    def listdir(self, path: str) -> list[str]:
        """Sorted names in a directory; empty when it is absent or no directory."""
        return self.remember(("list", path), lambda: self._list_now(path))

    def glob(self, pattern: str) -> list[str]:
        """Existing paths that match, sorted by file name; a pattern without wildcards is itself."""
        return self.remember(("glob", pattern), lambda: self._glob_now(pattern))

    def run(self, argv: list[str], environment: dict[str, str] | None = None) -> CommandResult:
        """The answer of a command (see HostSystem for how it is run).

        ``environment`` is for secrets, which every user of the host could read in ``argv``.
        """
        words = tuple(argv)
        given = tuple(sorted((environment or {}).items()))
        return self.remember(("run", words, given), lambda: self._run(words, environment))

    def ask(self, argv: list[str]) -> str:
        """The output of a command that must be there and must succeed, else ProbeError."""
        result = self.run(argv)
        if result.rc == 127:
            raise ProbeError(TOOL, "{0} is not installed".format(argv[0]))
        if result.rc != 0:
            raise command_failed(argv, result)
        return result.stdout

    def resolve(self, path: str, follow: bool = True) -> str | None:
        """The path without links, or None when something on the way is not there."""
        return self.remember(("resolve", path, follow), lambda: self._resolve_now(path, follow))

    # -- how ----------------------------------------------------------------------------------

    def _entry(self, path: str) -> FileStat | None:
        return self.remember(("lstat", path), lambda: self._lstat(path))

    def _resolve_now(self, path: str, follow: bool) -> str | None:
        todo = [part for part in path.split("/") if part]
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop(0)
            if part in (".", ".."):
                if part == "..":
                    done = done[:-1]
                continue
            here = "/" + "/".join([*done, part])
            entry = self._entry(here)
            if entry is None:
                return None
            if entry.kind == "link" and (todo or follow):
                links += 1
                if links > _MAX_LINKS:
                    raise ProbeError(OUTPUT, "too many links in {0}".format(path))
                target = self._readlink(here)
                done = [] if target.startswith("/") else done
                todo = [word for word in target.split("/") if word] + todo
                continue
            done.append(part)
        return "/" + "/".join(done)

    def _read_now(self, path: str) -> str | None:
        resolved = self.resolve(path)
        if resolved is None:
            return None
        if resolved == "/dev/null":  # the usual way to switch a drop-in off
            return ""
        entry = self._entry(resolved)
        if entry is None or entry.kind != "file":
            raise ProbeError(OUTPUT, "{0} is not a regular file".format(path))
        return self._read(resolved)

    def _list_now(self, path: str) -> list[str]:
        resolved = self.resolve(path)
        entry = None if resolved is None else self._entry(resolved)
        if resolved is None or entry is None or entry.kind != "dir":
            return []
        return sorted(self._list(resolved))

    def _glob_now(self, pattern: str) -> list[str]:
        found = [""]
        for part in [word for word in pattern.split("/") if word]:
            if re.search(r"[*?\[]", part):
                found = [
                    base + "/" + name
                    for base in found
                    for name in self.listdir(base or "/")
                    if _matches(name, part)
                ]
            else:
                found = [base + "/" + part for base in found]
        found = [path for path in found if self.stat(path, follow=False) is not None]
        return sorted(found, key=lambda path: (path.rsplit("/", 1)[-1], path))

    def _name_of(self, path: str, number: int) -> str:
        for line in self.lines(path):
            fields = line.split(":")
            if len(fields) > 2 and fields[2] == str(number):
                return fields[0]
        return str(number)


def _matches(name: str, pattern: str) -> bool:
    """Shell matching: a leading dot must be written out."""
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return fnmatch.fnmatchcase(name, pattern)


def command_failed(argv: list[str], result: CommandResult) -> ProbeError:
    """The ProbeError for a command that answered with a failure."""
    text = (result.stderr or result.stdout).strip() or "no message"
    refused = re.search(r"permi(ssion|tted)|must be root|access denied|not allowed", text, re.I)
    kind = PERMISSION if refused else OUTPUT
    return ProbeError(kind, "{0} ended with {1}: {2}".format(argv[0], result.rc, text))
