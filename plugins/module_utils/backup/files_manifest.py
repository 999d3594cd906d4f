# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files a source has, and what they held before the backup, so that it can be asked again
of what was restored.

Only files that rest are in it: what is written to while the backup runs may differ, and proves
nothing. The number is bounded, the rest is counted.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from typing import Any, Iterator, NamedTuple

from .failures import Unfit

_FILES = 20_000
_BYTES = 2 << 30  # read for the manifest, at some hundred MB/s
_PIECE = 1 << 20


class Chosen(NamedTuple):
    """``exclude``: absolute paths, or patterns (``*``, ``?``) of names. ``proof``: paths below
    which files are proven, all when empty. ``settled``: seconds that a file has to have rested."""

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    one_file_system: bool = False
    proof: tuple[str, ...] = ()
    settled: float = 600.0

    def excluded(self, path: str) -> bool:
        name = os.path.basename(path)
        return any(
            path == one if one.startswith("/") else fnmatch.fnmatchcase(name, one)
            for one in self.exclude
        )


def chosen_of(source: dict[str, Any]) -> Chosen:
    """Raises Unfit with what is wrong in the source."""
    unknown = sorted(set(source) - set(Chosen._fields) - {"scratch"})
    if unknown:
        raise Unfit(
            "source: unknown: " + ", ".join(unknown), "source 含未知项：" + "、".join(unknown)
        )
    paths = _texts(source, "paths")
    if not paths or not all(os.path.isabs(one) for one in paths):
        raise Unfit("source.paths: absolute paths are meant", "source.paths 应为绝对路径")
    exclude = _texts(source, "exclude")
    for one in exclude:
        if not _simple(one):
            text = "source.exclude: {0!r} is neither an absolute path nor a pattern of names"
            raise Unfit(
                text.format(one), "source.exclude：{0!r} 应为绝对路径或名称模式".format(one)
            )
    return Chosen(
        tuple(os.path.normpath(one) for one in paths), exclude,
        source.get("one_file_system", False) is True,
        tuple(os.path.normpath(one) for one in _texts(source, "proof")),
        float(source.get("settled", 600.0)),
    )  # fmt: skip


def _texts(source: dict[str, Any], name: str) -> tuple[str, ...]:
    given = source.get(name, ())
    if not isinstance(given, (list, tuple)) or not all(
        isinstance(one, str) and one for one in given
    ):
        raise Unfit("source.{0}: a list is meant".format(name), "source.{0} 应为列表".format(name))
    return tuple(given)


def _simple(pattern: str) -> bool:
    """What restic and we understand alike."""
    if set(pattern) & set("[]\\$\n"):
        return False
    return not set(pattern) & set("*?") if pattern.startswith("/") else "/" not in pattern


def walked(chosen: Chosen) -> Iterator[str]:
    """Regular files of the source, in one order."""
    for path in chosen.paths:
        if os.path.isdir(path) and not os.path.islink(path):
            yield from _below(path, chosen)
        elif stat.S_ISREG(os.lstat(path).st_mode):
            yield path


def _below(top: str, chosen: Chosen) -> Iterator[str]:
    device = os.lstat(top).st_dev
    for above, folders, files in os.walk(top):
        folders[:] = sorted(
            name for name in folders
            if not chosen.excluded(os.path.join(above, name))
            and (not chosen.one_file_system or _device(os.path.join(above, name)) == device)
        )  # fmt: skip
        for name in sorted(files):
            path = os.path.join(above, name)
            if not chosen.excluded(path) and _regular(path):
                yield path


def _device(path: str) -> int:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return -1


def _regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def manifest_of_files(chosen: Chosen, now: float) -> dict[str, Any]:
    """``files``: path -> "SIZE SHA256"; ``left_out``: how many are not in it; ``hash`` over all."""
    files: dict[str, str] = {}
    total, left_out = 0, 0
    for path in walked(chosen):
        size = _resting(path, chosen, now)
        if size < 0 or len(files) >= _FILES or total + size > _BYTES:
            left_out += 1
            continue
        entry = _entry(path)
        if entry:
            files[path] = entry
            total += size
    return {
        "paths": list(chosen.paths), "taken": now, "files": files, "count": len(files),
        "bytes": total, "left_out": left_out, "hash": _hash(files),
    }  # fmt: skip


def _resting(path: str, chosen: Chosen, now: float) -> int:
    """Its size, or -1 for one that is not to be proven."""
    meant = not chosen.proof or any(
        path == one or path.startswith(one.rstrip("/") + "/") for one in chosen.proof
    )
    try:
        found = os.lstat(path)
    except OSError:
        return -1
    rests = now - max(found.st_mtime, found.st_ctime) >= chosen.settled
    return found.st_size if meant and rests else -1


def _entry(path: str) -> str:
    """ "SIZE SHA256"; "" for a file that cannot be read."""
    digest, size = hashlib.sha256(), 0
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
            for piece in iter(lambda: source.read(_PIECE), b""):
                digest.update(piece)
                size += len(piece)
    except OSError:
        return ""
    return "{0} {1}".format(size, digest.hexdigest())


def seen_again(before: dict[str, Any], folder: str) -> dict[str, Any]:
    """The same manifest of what lies below ``folder`` now."""
    files = {path: _entry(folder + path) or "missing" for path in before["files"]}
    there = {path: entry for path, entry in files.items() if entry != "missing"}
    return {
        **before, "files": files, "count": len(there), "hash": _hash(there),
        "bytes": sum(int(entry.split()[0]) for entry in there.values()),
    }  # fmt: skip


def _hash(files: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        line = "{0} {1}\n".format(files[path], path)
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
