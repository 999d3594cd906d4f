# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for getter tests: real files below a folder and real executables on a private PATH."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.host_system import HostSystem

ROOT = Path(__file__).resolve().parents[3]


class Bench:
    """Writes the host below ``folder`` and looks at it through the real getters."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.bin = folder / "bin"
        self.root.mkdir()
        self.bin.mkdir()

    def files(self, files: Mapping[str, str | bytes]) -> Bench:
        for path, content in files.items():
            place = self.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            data = content if isinstance(content, bytes) else content.encode()
            place.write_bytes(data)
        return self

    def link(self, path: str, target: str) -> Bench:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
        return self

    def script(self, name: str, body: str) -> Bench:
        """An executable; ``body`` is shell."""
        place = self.bin / name
        place.write_text(f"#!/bin/sh\n{body}\n")
        place.chmod(0o755)
        return self

    def answer(self, name: str, output: str, rc: int = 0) -> Bench:
        return self.script(name, f"printf %s {shlex.quote(output)}\nexit {rc}")

    def system(
        self, probe_seconds: float = 5.0, total_seconds: float = 30.0, path: str = "/usr/bin:/bin"
    ) -> HostSystem:
        path = f"{self.bin}:{path}"
        return HostSystem(str(self.root), probe_seconds, total_seconds, {"PATH": path})

    def look(self, getter: str, **query: Any) -> Any:
        return GETTERS[getter].look(self.system(), query)

    @staticmethod
    def look_without_host(getter: str, **query: Any) -> Any:
        return GETTERS[getter].look(None, query)
