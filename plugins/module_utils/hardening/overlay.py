# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host with writes laid over it that were never made: what it would look like afterwards.

Several controls share files, and some lock-outs are seen only in the whole configuration. So the
plan is made by rehearsing every step here, each on top of the ones before.
"""

from __future__ import annotations

import posixpath
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.system import (
    CommandResult,
    FileStat,
    System,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.hands import Hands

Written = dict[str, "str | None"]


class Overlay(System):
    """``base`` with ``written`` (path without links -> text, None = removed) on top."""

    def __init__(self, base: Any) -> None:
        super().__init__()
        self._base = base
        self.written: Written = {}
        self._modes: dict[str, int] = {}

    # -- what the hands do ---------------------------------------------------------------------

    def put(self, path: str, text: str | None, mode: int = 0o644) -> None:
        """The file has this text from now on; None = it is gone."""
        real = self._place(path)
        entry = None if real not in self.written else self.written[real]
        if entry is None and self._base.stat(real, follow=False) is None:
            self._modes[real] = mode
        self.written[real] = text
        self._memo.clear()

    def give_mode(self, path: str, mode: int) -> None:
        """The permissions from now on."""
        self._modes[self._place(path)] = mode
        self._memo.clear()

    def mark(self) -> Any:
        """The writes so far, to go back to with ``back``."""
        return dict(self.written), dict(self._modes)

    def back(self, mark: Any) -> None:
        """Forget what was written since ``mark``."""
        self.written, self._modes = dict(mark[0]), dict(mark[1])
        self._memo.clear()

    def _place(self, path: str) -> str:
        found = self.resolve(path)
        if found is not None:
            return found
        folder, name = posixpath.split(path)
        return posixpath.join(self._place(folder) if folder not in ("", "/") else "/", name)

    # -- what a system has to tell -------------------------------------------------------------

    def _lstat(self, path: str) -> FileStat | None:
        base = self._base.stat(path, follow=False)
        if path in self.written:
            text = self.written[path]
            return None if text is None else self._file(path, text, base)
        if base is not None:
            return base._replace(mode=self._modes.get(path, base.mode))
        below = path.rstrip("/") + "/"
        if any(one.startswith(below) for one, text in self.written.items() if text is not None):
            return FileStat("dir", 0o755, 0, 0, 0, self.now())
        return None

    def _file(self, path: str, text: str, base: Any) -> FileStat:
        size = len(text.encode("utf-8"))
        if base is None:
            return FileStat("file", self._modes.get(path, 0o644), 0, 0, size, self.now())
        return FileStat(
            "file", self._modes.get(path, base.mode), base.uid, base.gid, size, self.now()
        )

    def _readlink(self, path: str) -> str:
        return str(self._base._readlink(path))

    def _list(self, path: str) -> list[str]:
        names = set(self._base.listdir(path))
        below = path.rstrip("/") + "/"
        for one, text in self.written.items():
            if one.startswith(below):
                name = one[len(below) :].split("/", 1)[0]
                gone = text is None and below + name == one
                names = names - {name} if gone else names | {name}
        return sorted(names)

    def _read(self, path: str) -> str | None:
        if path in self.written:
            return self.written[path]
        text: str | None = self._base.read(path)
        return text

    def _run(
        self, argv: tuple[str, ...], environment: dict[str, str] | None = None
    ) -> CommandResult:
        result: CommandResult = self._base.run(list(argv), environment)
        return result

    def now(self) -> float:
        return float(self._base.now())

    def user_name(self, uid: int) -> str:
        return str(self._base.user_name(uid))

    def group_name(self, gid: int) -> str:
        return str(self._base.group_name(gid))

    def deadline(self) -> Any:
        return self._base.deadline()


class Rehearsal(Hands):
    """Hands that write into an overlay and run nothing."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    def write(self, path: str, text: str, mode: int | None = None) -> None:
        self._overlay.put(path, text, 0o644 if mode is None else mode)

    def remove(self, path: str) -> None:
        self._overlay.put(path, None)

    def modes(self, path: str, mode: int | None, owner: str | None, group: str | None) -> None:
        del owner, group  # nothing that is planned depends on them
        if mode is not None:
            self._overlay.give_mode(path, mode)

    def run(self, argv: list[str], seconds: float = 60.0, stdin: str = "") -> str:  # noqa: ARG002
        return ""
