# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what an archive would unpack stays below its folder, entry by entry.

Refused: absolute names, "..", names that no person would type, devices, pipes, sparse files, a
name twice, a file where a folder must be, anything behind a link, and links that lead out. Links
are followed as the system would follow them, through other links of the archive, because "a/b/.."
is not "a" where b is a link.
"""

from __future__ import annotations

import posixpath
from typing import Dict, List, Optional

from .tar_stream import Entry, TarStream
from .unfit import Unfit

_MOST_ENTRIES = 200_000
_LONGEST_NAME = 1000
_MOST_STEPS = 400  # through links and folders, for one link


class Listing:
    """What has been taken so far: ``kinds`` by name below the folder, ``size`` in bytes."""

    def __init__(self, most: Optional[int] = None, strip: int = 0) -> None:
        """``most`` bytes may come out of it; ``strip`` leading parts of every name are left out."""
        self.kinds: Dict[str, str] = {}
        self.links: Dict[str, str] = {}
        self.size = 0
        self._most = most
        self._strip = strip
        self._explicit: Dict[str, bool] = {}

    def take(self, entry: Entry) -> Optional[Entry]:
        """The entry by its name below the folder, None for one to leave out; Unfit to refuse."""
        name = self._stripped(_plain_name(entry.name))
        if name is None:
            return None
        entry = entry._replace(name=name)
        self._count(entry)
        if entry.kind not in ("file", "folder", "link", "hard"):
            raise _no(entry.name, "is a device, a pipe or a sparse file", "是设备、管道或稀疏文件")
        self._place(entry)
        if entry.kind == "hard":
            target = self._stripped(_plain_name(entry.target))
            if target is None or self.kinds.get(target) != "file":
                raise _no(name, "is a second name of nothing before it", "所指的硬链接目标不存在")
            entry = entry._replace(target=target)
            self.kinds[name] = "file"
        if entry.kind == "link":
            self.links[name] = entry.target
        return entry

    def finish(self) -> None:
        """Unfit when there is nothing in it, or a link leads out."""
        if not any(kind == "file" for kind in self.kinds.values()):
            raise Unfit("the archive holds no file", "归档中没有文件")
        for name, target in self.links.items():
            if not self._inside(name, target):
                raise _no(
                    name, "is a link that leads out: " + target, "是指向外部的链接：" + target
                )

    def _stripped(self, name: str) -> Optional[str]:
        parts = name.split("/") if name else []
        return "/".join(parts[self._strip :]) or None

    def _count(self, entry: Entry) -> None:
        if len(self._explicit) >= _MOST_ENTRIES:
            raise Unfit("the archive has too many entries", "归档条目过多")
        if entry.size < 0:
            raise _no(entry.name, "has a size below zero", "大小为负数")
        self.size += entry.size if entry.kind == "file" else 0
        if self._most is not None and self.size > self._most:
            raise Unfit(
                "the archive unpacks to more than {0} MB, half of what is free".format(
                    self._most // 1_000_000
                ),
                "归档解包后超过 {0} MB（可用空间的一半）".format(self._most // 1_000_000),
            )

    def _place(self, entry: Entry) -> None:
        """Note the name and the folders above it, each with one meaning only."""
        above = posixpath.dirname(entry.name)
        while above:
            if self.kinds.setdefault(above, "folder") != "folder":
                raise _no(entry.name, "lies below a link or a file", "位于链接或文件之下")
            above = posixpath.dirname(above)
        before = self.kinds.setdefault(entry.name, entry.kind)
        if before != entry.kind or (entry.kind != "folder" and entry.name in self._explicit):
            raise _no(entry.name, "is in the archive twice", "在归档中重复出现")
        self._explicit[entry.name] = True

    def _inside(self, name: str, target: str) -> bool:
        """Follow the link as the system would, and see whether the way ever leaves the folder."""
        at: List[str] = name.split("/")[:-1]
        ahead = _parts(target)
        if target.startswith("/") or _odd(target):
            return False
        for _step in range(_MOST_STEPS):
            if not ahead:
                return True
            part = ahead.pop(0)
            if part == "..":
                if not at:
                    return False
                at.pop()
                continue
            at.append(part)
            further = self.links.get("/".join(at))
            if further is not None:
                if further.startswith("/"):
                    return False
                at.pop()
                ahead = _parts(further) + ahead
        return False


def read(path: str, most: Optional[int] = None, strip: int = 0) -> Listing:
    """The listing of an archive that is fit; Unfit with the reason otherwise."""
    found = Listing(most, strip)
    for entry, _content in TarStream(path):
        found.take(entry)
    found.finish()
    return found


def _parts(path: str) -> List[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _plain_name(name: str) -> str:
    """The name without "./"; Unfit for one that is absolute, leads up, or is no proper name."""
    if name.startswith("/") or ".." in name.split("/"):
        raise _no(name, "leads out of its folder", "路径超出目标目录")
    if _odd(name) or len(name) > _LONGEST_NAME:
        raise _no(name, "is no proper name", "名称不合法")
    return "/".join(_parts(name))


def _odd(name: str) -> bool:
    return (
        not name.isprintable() or "\\" in name or any(ord(one) > 0xFFFF for one in name) or not name
    )


def _no(name: str, en: str, zh: str) -> Unfit:
    shown = (
        name.encode("unicode_escape").decode("ascii")[:200]
        if not name.isprintable()
        else name[:200]
    )
    return Unfit("the archive's {0} {1}".format(shown, en), "归档中的 {0} {1}".format(shown, zh))
