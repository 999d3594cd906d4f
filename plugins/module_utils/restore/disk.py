# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing so that it is still there after the power went.

A file is written beside its place, flushed, and renamed; then the folder is flushed as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
from typing import Any, BinaryIO, Iterable

_PIECE = 1 << 20


def canonical(value: Any) -> bytes:
    """One spelling for equal values; file names that are no UTF-8 survive as escapes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def digest_of(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def file_digest(path: str) -> str:
    """SHA-256 of a file's content; never follows a link in the last place."""
    digest = hashlib.sha256()
    with opened(path) as source:
        for piece in iter(lambda: source.read(_PIECE), b""):
            digest.update(piece)
    return digest.hexdigest()


def opened(path: str) -> BinaryIO:
    """A regular file for reading; a link in its place is an error, a pipe does not hold us."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def pour(source: BinaryIO, target: BinaryIO) -> str:
    """Copy to the end; returns the digest of what was copied. Flushed to the disk."""
    digest = hashlib.sha256()
    for piece in iter(lambda: source.read(_PIECE), b""):
        digest.update(piece)
        target.write(piece)
    target.flush()
    os.fsync(target.fileno())
    return digest.hexdigest()


def fresh(path: str, mode: int = 0o600) -> BinaryIO:
    """A new file; whatever an interrupted run left under the name is removed first."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")


def write_flushed(path: str, content: bytes, mode: int = 0o600) -> None:
    """A new file; its folder still has to be flushed."""
    with fresh(path, mode) as target:
        os.fchmod(target.fileno(), mode)
        target.write(content)
        target.flush()
        os.fsync(target.fileno())


def write_bytes(path: str, content: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step, durably."""
    beside = path + ".new"
    write_flushed(beside, content, mode)
    os.replace(beside, path)
    sync_folder(os.path.dirname(path))


def write_json(path: str, value: Any) -> None:
    write_bytes(path, canonical(value) + b"\n")


def read_json(path: str) -> Any:
    """ValueError or OSError when it is not there or no JSON."""
    with open(path, "rb") as source:
        return json.loads(source.read().decode("ascii"))


def append_json(path: str, value: Any) -> None:
    """One more line, on the disk when this returns; a line that was cut off stays by itself."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, b"\n" + canonical(value) + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: str) -> None:
    """The folder with all above it, for root only, still there after the power went."""
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    make_folder(above)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    sync_folder(above)


def flush_file_systems(paths: Iterable[str]) -> None:
    """Everything written to the file systems that these paths lie in is on the disk."""
    folders = {}
    for path in paths:
        folder = path
        while not os.path.isdir(folder) or os.path.islink(folder):
            folder = os.path.dirname(folder)
        folders[os.stat(folder).st_dev] = folder
    for folder in folders.values():
        _flush_file_system(folder)


def _flush_file_system(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    finally:
        os.close(handle)


def hold(path: str, size: int) -> None:
    """A file that takes that much room, also where the file system cannot promise it."""
    with fresh(path) as target:
        try:
            os.posix_fallocate(target.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            for _piece in range(-(-size // _PIECE)):
                target.write(bytes(_PIECE))


def free_bytes(path: str) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
