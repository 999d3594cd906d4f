# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's backup program, run as hosts run it: one order in a file, one report beside it."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.packing import packed
from tests.servers.backup_tools import search_path

SECRET = "correct-horse-battery-staple"
_MINUTE = 120.0


class Bench:
    """One host with one source of files; ``root`` holds orders, reports and locks."""

    def __init__(self, folder: Path, room: Path | None = None) -> None:
        self.root = folder / "state"
        self.source = folder / "till"
        self.repository = (room or folder) / "backup" / "repository"
        self.program = folder / "program.zip"
        self.program.write_bytes(packed())
        self.source.mkdir()
        self._numbers = itertools.count(1)
        self.path = search_path(["restic"]) or ""
        if not self.path:
            pytest.skip("restic is not to be had here")
        self.password = SECRET

    def fill(self, **files: bytes) -> None:
        for name, content in files.items():
            (self.source / name).write_bytes(content)

    def order(self, verb: str, **words: Any) -> dict[str, Any]:
        run = f"run-{next(self._numbers)}"
        secrets = self.root / "secrets" / run
        secrets.mkdir(parents=True)
        (secrets / "repository").write_text(self.password)
        return {
            "format": 1, "run": run, "verb": verb, "host": "till-1", "policy": "till-files",
            "method": "files", "source": {"paths": [str(self.source)], "settled": 0},
            "repository": str(self.repository),
            "secrets": {"repository": str(secrets / "repository")},
            **words,
        }  # fmt: skip

    def started(self, order: dict[str, Any], path: str = "") -> subprocess.Popen[bytes]:
        file = self.root / "jobs" / order["run"] / "order.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(order))
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(self.program), str(file)],
            env={"PATH": path or self.path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, verb: str, **words: Any) -> dict[str, Any]:
        """The report of an order that has been carried out."""
        order = self.order(verb, **words)
        job = self.started(order)
        out, err = job.communicate(timeout=_MINUTE)
        report = self.report(order)
        assert job.returncode == (0 if report["end"] == "done" else 1), err.decode()
        assert out == b""
        return report

    def report(self, order: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (self.root / "jobs" / order["run"] / "report.json").read_text()
        )
        return found

    def packs(self) -> list[Path]:
        """Files of the repository's data, the largest first."""
        sizes = {}
        for one in (self.repository / "data").rglob("*"):
            # A file may get its name while it is looked at.
            with contextlib.suppress(FileNotFoundError):
                if one.is_file() and "-tmp-" not in one.name:
                    sizes[one] = one.stat().st_size
        return sorted(sizes, key=lambda one: -sizes[one])

    def locks(self) -> list[str]:
        folder = self.repository / "locks"
        return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []

    def left_behind(self) -> list[str]:
        """What jobs leave beside the repository but should not."""
        above = self.repository.parent
        return [str(one) for name in ("work", "scratch") for one in (above / name).glob("*")]
