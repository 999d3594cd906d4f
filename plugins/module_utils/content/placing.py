# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A library's files put where the service reads them, one by one, each whole at every moment.

What is overwritten or removed is kept aside until the site's own check has passed; when it says no,
everything is put back at once, and the restore point finds nothing to do. Files in the folder that
never belonged to the library are left alone.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
from functools import partial
from typing import Callable, List

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    flush_file_systems,
    fresh,
    pour,
)
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unpacking import Manifest

_ENDING = ".storewarden-new"


class Owner:
    """Whom the files belong to, and who may read them. Unfit for a name that is not there."""

    def __init__(self, owner: str, group: str, mode: int) -> None:
        try:
            self.uid, self.gid = pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
        except KeyError:
            raise Unfit(
                "there is no user {0} or no group {1}".format(owner, group),
                "没有用户 {0} 或组 {1}".format(owner, group),
            ) from None
        self.mode = mode & 0o777
        # Who may read a file may enter the folder.
        self.folder_mode = self.mode | (self.mode & 0o444) >> 2 | 0o700


class Placing:
    """One library on its way into ``target``; ``old`` is what the library there consists of."""

    def __init__(self, target: str, aside: str, owner: Owner, beat: Callable[[], None]) -> None:
        self._target = target
        self._aside = aside
        self._owner = owner
        self._beat = beat
        self._count = 0
        # What takes back each step, in the order of the steps.
        self._ways_back: List[Callable[[], None]] = []

    def put(self, source: str, new: Manifest, old: Manifest) -> Manifest:
        """The entries as they lie there now. Unfit, OSError leave `back` to be called."""
        shutil.rmtree(self._aside, ignore_errors=True)
        os.mkdir(self._aside, 0o700)
        self._folder("")
        placed: Manifest = {}
        for name in sorted(new):
            self._beat()
            kind, _mode, value = new[name]
            if kind == "folder":
                self._folder(name)
                self._dress(self._at(name))
                placed[name] = ["folder", self._owner.folder_mode, ""]
                continue
            self._folder(os.path.dirname(name))
            self._place(os.path.join(source, name), name, kind, value)
            placed[name] = [kind, 0 if kind == "link" else self._owner.mode, value]
        for name in sorted(set(old) - set(new), reverse=True):
            self._remove(name, old[name][0])
        flush_file_systems([self._target])
        return placed

    def back(self) -> None:
        """Everything as it was before `put`."""
        while self._ways_back:
            self._ways_back.pop()()

    def _at(self, name: str) -> str:
        return os.path.join(self._target, name)

    def _folder(self, name: str) -> None:
        """A folder below the target, with those above it; Unfit for anything else in its place."""
        if name:
            self._folder(os.path.dirname(name))
        path = self._at(name) if name else self._target
        if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
            raise Unfit(
                "{0} is no folder, or a link to one".format(path),
                "{0} 不是目录，或是链接".format(path),
            )
        if not os.path.isdir(path):
            self._above(os.path.dirname(path))
            os.mkdir(path, 0o700)
            self._ways_back.append(partial(_gone, path))
            self._dress(path)

    def _dress(self, path: str) -> None:
        self._ways_back.append(partial(_dressed, path, os.lstat(path)))
        os.chown(path, self._owner.uid, self._owner.gid)
        os.chmod(path, self._owner.folder_mode)

    def _above(self, path: str) -> None:
        """Missing folders above the target are nobody's library: root's, and open to all."""
        if not os.path.isdir(path):
            self._above(os.path.dirname(path))
            os.mkdir(path, 0o755)
            self._ways_back.append(partial(_gone, path))

    def _place(self, source: str, name: str, kind: str, value: str) -> None:
        path = self._at(name)
        if os.path.isdir(path) and not os.path.islink(path):
            raise Unfit("{0} is a folder".format(path), "{0} 是目录".format(path))
        beside = path + _ENDING
        _gone(beside)
        try:
            self._write(source, beside, kind, value)
            self._keep(name)
            os.replace(beside, path)
        except BaseException:
            _gone(beside)
            raise

    def _write(self, source: str, beside: str, kind: str, value: str) -> None:
        if kind == "link":
            os.symlink(value, beside)
            os.lchown(beside, self._owner.uid, self._owner.gid)
            return
        with open(source, "rb") as content, fresh(beside) as target:
            pour(content, target)
            os.fchown(target.fileno(), self._owner.uid, self._owner.gid)
            os.fchmod(target.fileno(), self._owner.mode)

    def _remove(self, name: str, kind: str) -> None:
        path = self._at(name)
        if not os.path.lexists(path):
            return
        if kind != "folder":
            self._keep(name)
            os.unlink(path)
            return
        status = os.lstat(path)
        # One that still holds files of others stays.
        with contextlib.suppress(OSError):
            os.rmdir(path)
            self._ways_back.append(partial(_folder_again, path, status))

    def _keep(self, name: str) -> None:
        """A copy of what is there, with owner, mode, times and attributes."""
        path = self._at(name)
        if not os.path.lexists(path):
            self._ways_back.append(partial(_gone, path))
            return
        self._count += 1
        kept = os.path.join(self._aside, str(self._count))
        _copied(path, kept)
        self._ways_back.append(partial(_file_again, path, kept))


def _gone(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)


def _folder_again(path: str, status: os.stat_result) -> None:
    os.mkdir(path)
    _dressed(path, status)


def _dressed(path: str, status: os.stat_result) -> None:
    os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, status.st_mode & 0o7777)


def _file_again(path: str, kept: str) -> None:
    _gone(path)
    _copied(kept, path)


def _copied(source: str, target: str) -> None:
    """With owner, mode, times and attributes; a link as a link."""
    shutil.copy2(source, target, follow_symlinks=False)
    status = os.lstat(source)
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not os.path.islink(target):
        os.chmod(target, status.st_mode & 0o7777)
