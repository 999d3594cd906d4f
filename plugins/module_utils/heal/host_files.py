# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files and units of the host as heal actions read and write them.

What is written is written whole or not at all, with the owner and mode that the old file had: a
service that reads it in the middle of a repair must not find half of it.
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
    """The file with this text; one that is there keeps its owner and mode. HealError."""
    real = host.at(path)
    try:
        os.makedirs(os.path.dirname(real), exist_ok=True)
        _put(real, text.encode("utf-8", "surrogateescape"), mode)
    except OSError as error:
        raise HealError(
            "{0} cannot be written: {1}".format(path, error.strerror),
            "无法写入 {0}：{1}".format(path, error.strerror),
        ) from None


def _put(real: str, data: bytes, mode: int) -> None:
    old = _regular(real)
    fresh = real + ".storewarden-new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(data)
            target.flush()
            if old is not None:
                os.fchown(target.fileno(), old.st_uid, old.st_gid)
            os.fchmod(target.fileno(), stat.S_IMODE(old.st_mode) if old else mode)
            os.fsync(target.fileno())
        _moved(fresh, real, data)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)


def _regular(real: str) -> os.stat_result | None:
    with contextlib.suppress(OSError):
        found = os.lstat(real)
        return found if stat.S_ISREG(found.st_mode) else None
    return None


def _moved(fresh: str, real: str, data: bytes) -> None:
    try:
        os.replace(fresh, real)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # Containers mount single files: such a name can only be written through.
        with open(real, "wb") as target:
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
