# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that stands for a host: real packs and real undo, with programs of the test's own.

Everything runs as on a host, except that files lie below a folder and that `modprobe`,
`auditctl` and the like are small scripts that keep their state in files. Timers are not started.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.restore.capture import Wish, capture
from ansible_collections.storewarden.ops.plugins.module_utils.restore.clock import Clock
from ansible_collections.storewarden.ops.plugins.module_utils.restore.context import (
    Context,
    Exclusions,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.kinds import checked
from ansible_collections.storewarden.ops.plugins.module_utils.restore.pack import Cause, Pack
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import Store
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.restore.undo import undo


def _not_here(pack: Pack) -> None:
    """See `RestoreBench.captured`."""


class RestoreBench:
    """Host, clock and packs below one folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.write("/proc/sys/kernel/random/boot_id", "first-boot\n")
        self.host = Host(str(self.root), f"{self.programs}:/usr/bin:/bin")
        self.seconds = 1000.0
        self.wall = 1_800_000_000.0
        self.clock = Clock(self.host, lambda: self.seconds, lambda: self.wall)
        self.store = Store(self.host, str(folder / "packs"))
        self.store.ensure()

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str) -> Path:
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def program(self, name: str, script: str) -> None:
        """A program of the host; ``$ROOT`` is the folder that stands for it."""
        place = self.programs / name
        place.write_text(f"#!/bin/sh\nROOT={self.root}\n{script}\n")
        place.chmod(0o755)

    def context(self) -> Context:
        return Context(self.host, self.store.pack("x").blobs, Exclusions([], self.store.folder))

    def items(self, *given: dict[str, Any]) -> list[dict[str, Any]]:
        return checked(self.context(), list(given))

    def captured(self, *given: dict[str, Any], name: str = "rp", sequence: int = 1) -> Pack:
        """A pack of these items. Its program looks at the real machine, where they do not lie,
        so the proof by the program is what tests on real hosts are for."""
        wish = Wish(name, "me", 1, self.items(*given))
        return capture(self.store, self.clock, wish, sequence, prove=_not_here)

    def undone(self, pack: Pack, cause: Cause = Cause.REQUEST) -> dict[str, Any]:
        return undo(pack, self.clock, "a test", cause)
