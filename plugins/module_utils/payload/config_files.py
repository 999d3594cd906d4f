# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of a configuration: what differs, whether the program takes them, and put in place.

Every file is checked before any of them is written: a set of files of which only the first half
is in place is worse than the old one. Contents are never told, only their digests.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import os
import pwd
import re
import stat
import tempfile
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import sync_folder
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_ABSENT = "absent"
_MODE = re.compile(r"[0-7]{4}")
_CHECK_SECONDS = 60.0


class BadFiles(Exception):
    """Files that cannot be meant, or that the program does not take; a line per language."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.zh = zh


class Wanted(NamedTuple):
    """One file as it shall be; ``content`` None means that there is none."""

    dest: str
    content: bytes | None
    mode: int
    owner: str
    group: str
    validate: tuple[str, ...]


def wanted(given: list[dict[str, Any]]) -> list[Wanted]:
    """The files as they were declared. Raises BadFiles."""
    found = [_wanted(one) for one in given]
    twice = sorted({one.dest for one in found if [two.dest for two in found].count(one.dest) > 1})
    if twice:
        raise BadFiles("{0} is declared twice".format(twice[0]), "{0} 重复声明".format(twice[0]))
    return found


def _wanted(one: dict[str, Any]) -> Wanted:
    dest = str(one.get("dest") or "")
    if not dest.startswith("/") or os.path.normpath(dest) != dest:
        raise BadFiles(
            "dest: {0!r}: an absolute path is meant".format(dest),
            "dest：{0!r} 应为绝对路径".format(dest),
        )
    gone = one.get("state", "present") == _ABSENT
    mode = one.get("mode") or "0644"
    # YAML takes 0640 without quotes for the number 416, which would be read as 0416 here.
    if not isinstance(mode, str) or not _MODE.fullmatch(mode):
        raise BadFiles(
            "{0}: mode {1!r}: four octal digits in quotes are meant".format(dest, mode),
            "{0}：权限 {1!r} 应为加引号的四位八进制数".format(dest, mode),
        )
    return Wanted(
        dest=dest,
        content=None if gone else str(one.get("content") or "").encode("utf-8"),
        mode=int(mode, 8),
        owner=str(one.get("owner") or "root"),
        group=str(one.get("group") or "root"),
        validate=tuple(str(word) for word in one.get("validate") or ()),
    )


class Files:
    """A configuration's files on one host."""

    def __init__(self, host: Host, files: list[Wanted]) -> None:
        self._host = host
        self._files = files

    def changes(self) -> list[dict[str, str]]:
        """``{what, before, after}`` of the files that differ. Raises BadFiles for what can never
        be put in place."""
        found = []
        for one in self._files:
            self._must_fit(one)
            before, after = self._state(one.dest), _described(one)
            if before != after:
                found.append({"what": one.dest, "before": before, "after": after})
        return found

    def validated(self) -> None:
        """Each program has looked at the new file beside its place. Raises BadFiles."""
        for one in self._files:
            if one.content is not None and one.validate:
                with self._beside(one) as path:
                    self._must_be_taken(one, path)

    def placed(self) -> list[str]:
        """All files as they shall be; those that were written or removed. Raises BadFiles before
        anything is written."""
        self.changes()
        self.validated()
        return [one.dest for one in self._files if self._put(one)]

    # -- inside --------------------------------------------------------------------------------

    def _must_fit(self, one: Wanted) -> None:
        place = self._host.at(one.dest)
        if os.path.islink(place):
            raise BadFiles(
                "{0} is a link; name the file that it leads to".format(one.dest),
                "{0} 是符号链接，请改用其指向的文件".format(one.dest),
            )
        if os.path.lexists(place) and not os.path.isfile(place):
            raise BadFiles(
                "{0} is there and is no file".format(one.dest),
                "{0} 已存在且不是普通文件".format(one.dest),
            )
        folder = os.path.dirname(one.dest)
        if one.content is not None and not os.path.isdir(self._host.at(folder)):
            raise BadFiles(
                "{0}: there is no folder {1}".format(one.dest, folder),
                "{0}：目录 {1} 不存在".format(one.dest, folder),
            )
        _ids(one)

    def _state(self, dest: str) -> str:
        try:
            with open(self._host.at(dest), "rb") as source:
                content = source.read()
                found = os.fstat(source.fileno())
        except FileNotFoundError:
            return _ABSENT
        return _words(
            content, stat.S_IMODE(found.st_mode), _user(found.st_uid), _group(found.st_gid)
        )

    @contextlib.contextmanager
    def _beside(self, one: Wanted) -> Any:
        """The new file beside its place, gone again afterwards unless it was renamed."""
        folder = os.path.dirname(self._host.at(one.dest))
        handle, path = tempfile.mkstemp(prefix=".storewarden-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as target:
                user, group = _ids(one)
                os.fchown(target.fileno(), user, group)
                os.fchmod(target.fileno(), one.mode)
                target.write(one.content or b"")
                target.flush()
                os.fsync(target.fileno())
            yield path
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _must_be_taken(self, one: Wanted, path: str) -> None:
        argv = [path if word == "%s" else word.replace("%s", path) for word in one.validate]
        done = self._host.run(argv, _CHECK_SECONDS)
        if done.code != 0:
            said = done.last.replace(path, one.dest)
            raise BadFiles(
                "{0} is not valid: {1}".format(one.dest, said),
                "{0} 未通过校验：{1}".format(one.dest, said),
            )

    def _put(self, one: Wanted) -> bool:
        if self._state(one.dest) == _described(one):
            return False
        place = self._host.at(one.dest)
        if one.content is None:
            os.unlink(place)
        else:
            with self._beside(one) as path:
                self._dressed(place, path)
                os.replace(path, place)
        sync_folder(os.path.dirname(place))
        return True

    def _dressed(self, place: str, path: str) -> None:
        """SELinux keeps a label that belongs to the place, not to the content."""
        with contextlib.suppress(OSError):
            for name in os.listxattr(place):
                if name == "security.selinux":
                    os.setxattr(path, name, os.getxattr(place, name))


def _described(one: Wanted) -> str:
    if one.content is None:
        return _ABSENT
    return _words(one.content, one.mode, one.owner, one.group)


def _words(content: bytes, mode: int, owner: str, group: str) -> str:
    digest = hashlib.sha256(content).hexdigest()[:16]
    return "sha256 {0} {1:04o} {2}:{3}".format(digest, mode, owner, group)


def _ids(one: Wanted) -> tuple[int, int]:
    try:
        return pwd.getpwnam(one.owner).pw_uid, grp.getgrnam(one.group).gr_gid
    except KeyError:
        raise BadFiles(
            "{0}: there is no user {1} or no group {2}".format(one.dest, one.owner, one.group),
            "{0}：用户 {1} 或用户组 {2} 不存在".format(one.dest, one.owner, one.group),
        ) from None


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
