# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files and units of the host as heal actions read and write them.

What is written is written whole or not at all, with the owner, mode and labels that the old file
had: a service that reads it in the middle of a repair must not find half of it. And it is written
only where root alone may write: in a folder of somebody else's it could be led anywhere.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_MOST = 4 * 1024 * 1024  # bytes of one file
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "UnitFileState")


def text_of(host: Host, path: str) -> str | None:
    """What stands in a file, None when it cannot be read (a link that leads nowhere, too)."""
    try:
        with open(host.at(path), "rb") as source:
            return source.read(_MOST).decode("utf-8", "surrogateescape")
    except OSError:
        return None


def digest(text: str | None) -> str:
    """By which a file is known again; empty when there was none."""
    return (
        "" if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    )


def unchanged(host: Host, path: str, before: str) -> None:
    """HealError when the file is no longer what diagnose saw."""
    if digest(text_of(host, path)) != before:
        raise HealError(
            "{0} was changed since it was looked at; nothing was written".format(path),
            "{0} 在诊断之后被改动；未写入任何内容".format(path),
        )


def put(host: Host, path: str, text: str, mode: int = 0o644) -> None:
    """The file with this text; one that is there keeps its owner, mode and labels, and a link
    stays one to a file that has them. HealError."""
    try:
        folder, name = os.path.split(_real(host, path))
        descriptor = _own_folder(host.root, folder)
        try:
            _put(descriptor, name, text.encode("utf-8", "surrogateescape"), mode)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HealError(
            "{0} cannot be written: {1}".format(path, error.strerror),
            "无法写入 {0}：{1}".format(path, error.strerror),
        ) from None


def _real(host: Host, path: str) -> str:
    """Where the file lies on the host, all links followed. Nobody but root can turn one of them
    elsewhere afterwards: that is asked of every folder on the way, and no link is followed then."""
    found = os.path.realpath(host.at(path))
    if not os.path.exists(found):
        # A link that leads nowhere becomes a file.
        folder, name = os.path.split(host.at(path))
        found = os.path.join(os.path.realpath(folder), name)
    root = os.path.realpath(host.root or "/").rstrip("/")
    if found.startswith(root + "/"):
        return found[len(root) :]
    raise OSError(errno.EXDEV, "it is a link that leads out of the host's files")


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _own_folder(root: str, folder: str) -> int:
    """A descriptor of a folder where root alone may write, made where it is missing."""
    here = os.open(root or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in (one for one in folder.split("/") if one):
            try:
                below = os.open(part, _FOLDER, dir_fd=here)
            except FileNotFoundError:
                os.mkdir(part, 0o755, dir_fd=here)
                below = os.open(part, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
            _must_be_own(os.fstat(here), part)
        return here
    except BaseException:
        os.close(here)
        raise


def _must_be_own(seen: os.stat_result, part: str) -> None:
    others = stat.S_IMODE(seen.st_mode) & 0o002
    group = stat.S_IMODE(seen.st_mode) & 0o020 and seen.st_gid not in (0, os.getegid())
    if seen.st_uid not in (0, os.geteuid()) or others or group:
        raise OSError(errno.EPERM, "others than root may write to the folder {0}".format(part))


def _put(folder: int, name: str, data: bytes, mode: int) -> None:
    fresh = name + ".storewarden-new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(fresh, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(data)
            target.flush()
            _like_the_old(folder, name, target.fileno(), mode)
            os.fsync(target.fileno())
        _moved(folder, fresh, name, data)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)


def _like_the_old(folder: int, name: str, fresh: int, mode: int) -> None:
    """Owner, mode, ACL and security label of the file that is replaced."""
    try:
        old = os.open(name, _PLAINLY, dir_fd=folder)
    except OSError:
        os.fchmod(fresh, mode)
        return
    try:
        seen = os.fstat(old)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        os.fchown(fresh, seen.st_uid, seen.st_gid)
        os.fchmod(fresh, stat.S_IMODE(seen.st_mode))
        for label in _labels(old):
            with contextlib.suppress(OSError):
                os.setxattr(fresh, label, os.getxattr(old, label))
    finally:
        os.close(old)


_PLAINLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def _labels(handle: int) -> list[str]:
    try:
        return os.listxattr(handle)
    except OSError:
        return []


def _moved(folder: int, fresh: str, name: str, data: bytes) -> None:
    try:
        os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # Containers mount single files: such a name can only be written through.
        handle = os.open(name, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, dir_fd=folder)
        with os.fdopen(handle, "wb") as target:
            target.write(data)


def unit_state(host: Host, name: str) -> dict[str, str]:
    """``{load, active, sub, result, enabled}`` in systemd's words; all empty without systemd."""
    words = ["systemctl", "show", "--property=" + ",".join(_PROPERTIES), "--", name]
    said = dict(line.split("=", 1) for line in host.run(words).out.splitlines() if "=" in line)
    load, active, sub, result, enabled = (said.get(one, "") for one in _PROPERTIES)
    return {"load": load, "active": active, "sub": sub, "result": result, "enabled": enabled}


def must(host: Host, argv: list[str], seconds: float = 60.0) -> str:
    """Output of a program that has to succeed; HealError with its last line otherwise."""
    done = host.run(argv, seconds)
    if done.code != 0:
        said = "{0}: {1}".format(" ".join(argv[:3]), done.last)
        raise HealError(said, said)
    return done.out


def journal(host: Host, unit: str, lines: int = 60) -> str:
    """The last lines that a unit wrote, for evidence."""
    words = ["journalctl", "--no-pager", "-q", "-o", "short-iso", "-n", str(lines), "-u", unit]
    return host.run(words, 20.0).out
