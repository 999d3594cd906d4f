# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which restore point items a write needs, and which writes are meant by a path with wildcards.

A file is written through its links, so both the link and what it leads to are kept; a folder that
has to be made first must be gone again after an undo.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed

Item = dict[str, Any]
_WILD = re.compile(r"[*?\[]")


def places(system: Any, path: str) -> list[str]:
    """The path itself, or with wildcards in its folder one path per folder that exists.

    Raises FixFailed when no folder matches.
    """
    folder, _slash, name = path.rpartition("/")
    if not path.startswith("/") or _WILD.search(name):
        raise FixFailed("{0} must be one file's absolute path".format(path))
    if not _WILD.search(folder):
        return [path]
    found = [one for one in system.glob(folder) if _kind(system, one) == "dir"]
    if not found:
        raise FixFailed(
            "no folder matches {0} (is it installed?)".format(folder),
            "没有与 {0} 匹配的目录（是否已安装？）".format(folder),
        )
    return ["{0}/{1}".format(one, name) for one in found]


def file_items(system: Any, path: str) -> list[Item]:
    """Items for a file that is going to be written or removed."""
    missing = _topmost_missing(system, path)
    if missing is not None:
        return [{"kind": "tree", "path": missing}]
    items = [{"kind": "file", "path": path}]
    target = system.resolve(path)
    at_rest = system.resolve(path, follow=False)
    if target is not None and target != at_rest:
        items.append({"kind": "file", "path": target})
    return items


def content(system: Any, path: str) -> str | None:
    """The text of a file that may be written; None when there is none. Raises FixFailed."""
    kind = _kind(system, path)
    if kind is None:
        entry = system.stat(path, follow=False)
        if entry is not None:
            raise FixFailed("{0} is a link to nothing".format(path))
        return None
    if kind != "file":
        raise FixFailed("{0} is not a regular file".format(path))
    text: str = system.read(path) or ""
    if "\ufffd" in text:
        raise FixFailed("{0} is not UTF-8 text; change it by hand".format(path))
    return text


def _topmost_missing(system: Any, path: str) -> str | None:
    """The first folder on the way that is not there."""
    parts = path.split("/")[1:-1]
    for count in range(1, len(parts) + 1):
        folder = "/" + "/".join(parts[:count])
        if not system.exists(folder):
            return folder
    return None


def _kind(system: Any, path: str) -> str | None:
    entry = system.stat(path)
    return None if entry is None else str(entry.kind)
