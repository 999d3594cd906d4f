# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs over a database, from the lock to the report, for the tests of methods that leave a
folder."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import Limits, Order
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import Report, plain
from tests.contract import backup_engine
from tests.servers.backup_tools import search_path

PASS = "a-pass-phrase-of-the-repository"
_RUNS = itertools.count(1)


def with_programs(monkeypatch: pytest.MonkeyPatch, *folders: str | None) -> None:
    """restic and these folders in front of PATH; skips where one cannot be had."""
    path = search_path(["restic"])
    if path is None or None in folders:
        pytest.skip("restic, or the database, cannot be had here")
    monkeypatch.setenv("PATH", ":".join([*(each for each in folders if each), path]))


class Jobs:
    """Jobs of one policy."""

    def __init__(self, folder: Path, method: str, source: dict[str, Any], **secrets: str) -> None:
        self.folder = folder
        self.method = method
        self.source = source
        self.repository = folder / "backup" / "repository"
        self.repository.parent.mkdir(parents=True, exist_ok=True)
        self.secrets: dict[str, str] = {}
        for name, value in {"repository": PASS, **secrets}.items():
            self.secret(name, value)

    def secret(self, name: str, value: str) -> None:
        """What the order's secret is from now on."""
        path = self.folder / f"secret-{name}"
        path.write_text(value + "\n")
        path.chmod(0o600)
        self.secrets[name] = str(path)

    def order(self, verb: str, **words: Any) -> Order:
        return Order(
            run=f"run-{next(_RUNS)}", verb=verb, host="srv", policy="shop", method=self.method,
            source=self.source, repository=str(words.pop("repository", self.repository)),
            secrets=self.secrets, limits=words.pop("limits", Limits(seconds=120.0)), **words,
        )  # fmt: skip

    def done(self, verb: str, **words: Any) -> Report:
        """A job as the engine does it."""
        report = backup_engine.done(self.order(verb, **words), self.folder / "root")
        text = json.dumps(plain(report))
        assert PASS not in text
        return report

    def taken(self, kind: str = "full") -> str:
        """A set that must have become one; its id."""
        report = self.done("take", kind=kind)
        assert report.end == "done", report.reason
        assert report.sets[-1].kind == kind, report.notes
        assert report.sets[-1].level == 1
        return report.sets[-1].id

    def drilled(self, name: str) -> Report:
        report = self.done("drill", sets=(name,))
        assert report.end == "done", report.reason
        assert report.drill is not None
        assert not list((self.repository.parent / "scratch").glob("*")), "something was left"
        return report


class Watched:
    """Command lines of all programs that ran meanwhile, looked at 500 times a second."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._on = True
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_gone: object) -> None:
        self._on = False
        self._thread.join()

    def _look(self) -> None:
        while self._on:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue
            time.sleep(0.002)

    def holds(self, secret: str) -> bool:
        assert any(b"restic" in line for line in self.seen), "nothing was seen at all"
        return any(secret.encode() in line for line in self.seen)


def eventually(found: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What ``found`` says as soon as it is true."""
    ends = time.monotonic() + seconds
    while not (what := found()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.005)
    return what


def child_named(name: str) -> int | None:
    """The process of this name that is a child of ours, in any generation."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")
        except OSError:
            continue
        if f"({name[:15]}" in words[0] and _ours(int(words[2].split()[1])):
            return int(path.parent.name)
    return None


def _ours(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False
