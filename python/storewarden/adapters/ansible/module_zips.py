# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of ours as Ansible ships them, kept from play to play.

A module travels with every file that it imports, and Ansible finds those by reading the source of
each: 0.15 s before the first command of a play, for the same result each time. A warm play leaves
what it has built in the state directory, and lays it where the next one looks first, which is the
place in which Ansible itself keeps it within a play.

What is kept counts only while nothing that it was made of has changed: each file that is in it,
the folders in which others could come between, the routing of plugins and Ansible's own builder are
looked at (inode, size, mtime, ctime) before it is laid. Modules of other collections are not kept,
nor is anything where a site has ``module_utils`` of its own: what those are made of is not known
here.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from storewarden.adapters.ansible.rundir import write_json

PREFIX = "ansible_collections.storewarden.ops.plugins.modules."
_INDEX = ".json"
_MOST = 200  # of them are laid; there are fewer modules of ours

type Mark = tuple[int, int, int, int]


def _look(path: str) -> Mark:
    """What tells a file or a folder from what it was before; zeros when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - hundreds of files before every run
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """What builds them here.

    ``place`` is where a play looks for what was built; ``roots`` are the folders that hold the
    packages of a zip, by the first part of their names; ``always`` are files that count for every
    module; ``names`` reads what is in one, nothing when it cannot be told from what it was made.
    """

    place: Path
    roots: Mapping[str, Path]
    always: Collection[str]
    names: Callable[[Path], Collection[str]]


class ModuleZips:
    """What is kept in ``folder``, 0700 and ours."""

    def __init__(self, folder: Path, builder: Builder) -> None:
        self._folder = folder
        self._builder = builder

    def lay(self) -> None:
        """Put what is good still into its place, for a play that has not begun."""
        place, known = self._builder.place, dict[str, Mark]()
        for index in sorted(self._folder.glob(f"*{_INDEX}"))[:_MOST]:
            kept = self._folder / index.name.removesuffix(_INDEX)
            # What cannot be read is built anew, and kept in its stead.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                if _good(index, kept, known):
                    place.mkdir(mode=0o700, exist_ok=True)
                    (place / kept.name).symlink_to(kept)

    def keep(self, began: int) -> None:
        """Keep what the play has built; ``began`` is when it did, in nanoseconds since the epoch:
        what has changed since may be half in it. A disk that is full keeps nothing."""
        with contextlib.suppress(OSError):
            for built in sorted(self._builder.place.iterdir()):
                ours = built.name.startswith(PREFIX) and not built.name.endswith((".lock", "-part"))
                if ours and not built.is_symlink():
                    self._keep(built, began)

    def _keep(self, built: Path, began: int) -> None:
        marks = {path: _look(path) for path in sorted(self._sources(built))}
        if not marks or any(mark[3] >= began for mark in marks.values()):
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        kept = self._folder / built.name
        _copied(built, kept)
        index = {"python": sys.version, "kept": _look(str(kept)), "sources": marks}
        write_json(kept.with_name(kept.name + _INDEX), index)

    def _sources(self, built: Path) -> set[str]:
        """Every path that decided what is in it; none when one of them is not known."""
        names = [name for name in self._builder.names(built) if not name.endswith("/")]
        found = set(self._builder.always) if names else set[str]()
        for name in names:
            root = self._builder.roots.get(name.partition("/")[0])
            if root is None:
                return set()
            found |= {str(root / name), str((root / name).parent)}
        return found


def _good(index: Path, kept: Path, known: dict[str, Mark]) -> bool:
    """Whether nothing has changed; ``known`` is what was looked at already."""
    found = json.loads(index.read_text(encoding="utf-8"))
    if found["python"] != sys.version or tuple(found["kept"]) != _look(str(kept)):
        return False
    sources: Mapping[str, list[int]] = found["sources"]
    for path in sources.keys() - known.keys():
        known[path] = _look(path)
    return bool(sources) and all(known[path] == tuple(mark) for path, mark in sources.items())


def _copied(built: Path, kept: Path) -> None:
    """By rename, and on the disk before: nobody ever finds half of it."""
    part = kept.with_name(f".{uuid.uuid4()}")
    try:
        with built.open("rb") as source, part.open("xb") as target:
            part.chmod(0o600)
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
