# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hands on a real host: a file is there whole or not at all, also after a power cut."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.host_system import (
    SEARCH_PATH,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.hands import Hands
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed

_LARGEST = 4 * 1024 * 1024  # bytes; as large as the audit would read
_TOLD = 300  # characters of a command's complaint that a report needs
_ENVIRONMENT = {
    "PATH": SEARCH_PATH,
    "LC_ALL": "C",
    "LANG": "C",
    "HOME": "/root",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    # Without it, needrestart may ask a question that nobody answers.
    "NEEDRESTART_SUSPEND": "1",
}


class HostHands(Hands):
    """This host. Every OSError becomes a FixFailed that names the path."""

    def write(self, path: str, text: str, mode: int | None = None) -> None:
        data = text.encode("utf-8")
        if len(data) > _LARGEST:
            raise FixFailed("{0}: larger than {1} bytes".format(path, _LARGEST))
        real = os.path.realpath(path)
        with _named(path):
            _make_folders(os.path.dirname(real))
            _replace(real, data, 0o644 if mode is None else mode)

    def remove(self, path: str) -> None:
        with _named(path), contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            _sync_folder(os.path.dirname(path))

    def modes(self, path: str, mode: int | None, owner: str | None, group: str | None) -> None:
        with _named(path):
            uid = -1 if owner is None else _number(pwd.getpwnam, owner, "user")
            gid = -1 if group is None else _number(grp.getgrnam, group, "group")
            if (uid, gid) != (-1, -1):
                before = os.stat(path).st_mode & 0o7777
                os.chown(path, uid, gid)
                # chown takes the set-user bits; whoever wants them gone says so by a mode
                os.chmod(path, before)
            if mode is not None:
                os.chmod(path, mode)

    def run(self, argv: list[str], seconds: float = 60.0, stdin: str = "") -> str:
        found = shutil.which(argv[0], path=SEARCH_PATH)
        if found is None:
            raise FixFailed("{0} is not installed".format(argv[0]), "未安装 {0}".format(argv[0]))
        child = subprocess.Popen(
            [found, *argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        try:
            out, err = child.communicate(stdin.encode("utf-8"), timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(child)
            raise FixFailed(
                "{0} did not end within {1:g} s".format(_shown(argv), seconds),
                "{0} 未在 {1:g} 秒内结束".format(_shown(argv), seconds),
            ) from None
        if child.returncode != 0:
            raise FixFailed("{0}: {1}".format(_shown(argv), _last(out, err, child.returncode)))
        return out.decode("utf-8", "replace")


@contextlib.contextmanager
def _named(path: str) -> Any:
    try:
        yield
    except OSError as error:
        raise FixFailed("{0}: {1}".format(path, error.strerror or error)) from None


def _make_folders(folder: str) -> None:
    """Missing folders, 0755 whatever the umask is."""
    if os.path.isdir(folder):
        return
    _make_folders(os.path.dirname(folder))
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    _sync_folder(os.path.dirname(folder))


def _replace(real: str, data: bytes, mode: int) -> None:
    """Write beside the place, flush, give it what the old file had, rename, flush the folder."""
    folder, name = os.path.split(real)
    # The dot and the ending keep it out of every *.conf, run-parts and sudoers.d.
    handle, fresh = tempfile.mkstemp(prefix=".{0}.".format(name), suffix=".storewarden", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            _dress(stream.fileno(), real, mode)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(fresh, real)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise
    _sync_folder(folder)


def _dress(handle: int, real: str, mode: int) -> None:
    """Owner, mode and extended attributes (access lists and labels among them) of the old file."""
    try:
        old = os.stat(real)
    except FileNotFoundError:
        os.fchown(handle, 0, 0)
        os.fchmod(handle, mode)
        _label_as_new(handle, real)
        return
    os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, old.st_mode & 0o7777)
    for name in os.listxattr(real):
        with contextlib.suppress(OSError):
            os.setxattr(handle, name, os.getxattr(real, name))


def _label_as_new(handle: int, real: str) -> None:
    """SELinux' own rule for a new file of that name, where SELinux is on."""
    if not os.path.exists("/sys/fs/selinux/enforce"):
        return
    tool = shutil.which("matchpathcon", path=SEARCH_PATH)
    done = subprocess.run(
        [tool or "matchpathcon", "-n", real], stdout=subprocess.PIPE, check=False
    ) if tool else None  # fmt: skip
    if done is not None and done.returncode == 0:
        with contextlib.suppress(OSError):
            os.setxattr(handle, "security.selinux", done.stdout.strip() + b"\0")


def _sync_folder(folder: str) -> None:
    handle = os.open(folder or "/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _number(look: Any, name: str, what: str) -> int:
    try:
        return int(look(name)[2])
    except KeyError:
        raise FixFailed("there is no {0} {1}".format(what, name)) from None


def _end(child: Any) -> None:
    """The command and everything that it started."""
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.communicate(timeout=5)


def _shown(argv: list[str]) -> str:
    """Enough to recognise a command; its later words may be long."""
    return " ".join(argv[:4]) + (" ..." if len(argv) > 4 else "")


def _last(out: bytes, err: bytes, status: int) -> str:
    """The last lines that a command said."""
    text = (err.strip() or out.strip()).decode("utf-8", "replace")
    said = " | ".join(line.strip() for line in text.splitlines()[-3:])
    return said[-_TOLD:] or "status {0}".format(status)
