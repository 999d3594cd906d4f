# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every kind of item gets to work with."""

from __future__ import annotations

import fnmatch
import os
from typing import Any, Sequence

from .blobs import Blobs
from .failures import BadItem
from .system import Host

# Our own traces on a host: a capture of /etc/systemd must not make undo saw off its own branch.
OWN_TRACES = (
    "/etc/systemd/system/storewarden-restore.service",
    "/etc/systemd/system/multi-user.target.wants/storewarden-restore.service",
    "/etc/cron.d/storewarden-restore",
    "/run/systemd/transient/storewarden-restore-*",
)


class Exclusions:
    """Paths that are neither kept nor compared nor removed, by the name of their reason."""

    def __init__(self, declared: list[dict[str, Any]], store: str) -> None:
        self.declared = declared
        self._patterns = [store, *OWN_TRACES, *(path for one in declared for path in one["paths"])]

    def cover(self, path: str) -> bool:
        """Whether the path, or a folder above it, is excluded."""
        return any(
            fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, pattern + "/*")
            for pattern in self._patterns
        )


def checked_exclusions(given: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """BadItem unless each has a name and absolute paths."""
    for one in given:
        paths = one.get("paths")
        if not one.get("name") or not paths or not all(str(path).startswith("/") for path in paths):
            raise BadItem("exclude: each needs a name and absolute paths: {0!r}".format(one))
    return [{"name": str(one["name"]), "paths": [str(p) for p in one["paths"]]} for one in given]


class Context:
    """Host, kept contents, exclusions; and whether this undo has put anything back yet."""

    def __init__(self, host: Host, blobs: Blobs, exclusions: Exclusions) -> None:
        self.host = host
        self.blobs = blobs
        self.exclusions = exclusions
        self.package_sources: list[str] = []
        self.scratch = ""
        self.changed = False
        # Units have been restarted for it; what they wrote at that is no reason to do it again.
        self.restarted = False


def absolute(item: dict[str, Any], key: str, host: Host) -> str:
    """The item's path with every link above its last part resolved; BadItem when not absolute."""
    path = item.get(key)
    if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
        raise BadItem("{0}: {1} must be an absolute path, not {2!r}".format(
            item.get("kind"), key, path
        ))  # fmt: skip
    path = os.path.normpath(path)
    path = path[1:] if path.startswith("//") else path
    if path == "/":
        raise BadItem("{0}: the whole file system cannot be an item".format(item.get("kind")))
    if host.root:
        return path
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
