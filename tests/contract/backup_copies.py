# SPDX-License-Identifier: GPL-3.0-or-later
"""A restic repository of a target, its places, and restic itself as the judge of copies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.backup.method import CopyRules
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import (
    Limits,
    Order,
    Place,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.places import (
    restic_repository,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Work

HOST, POLICY = "pos01.000101", "tills"
RULES = CopyRules(exclude=("locks/**",), last=(("index/**",), ("snapshots/**",)))
PASSWORD = "repository-secret-51d0aa"


class Target:
    """A host's repository in ``folder``, with one snapshot of ``mib`` MiB that do not compress."""

    def __init__(self, folder: Path, mib: int = 3) -> None:
        self.folder = folder
        self.repository = folder / "repository"
        self.source = folder / "source"
        self.password = folder / "password"
        self.works = 0
        self.source.mkdir(parents=True)
        self.password.write_text(PASSWORD)
        if mib:
            self.restic("init")
            self.take(mib)

    def twin(self, folder: Path) -> Target:
        """The same target once more, for a test of its own."""
        other = Target(folder, 0)
        shutil.copytree(self.source, other.source, dirs_exist_ok=True)
        shutil.copytree(self.repository, other.repository)
        return other

    def take(self, mib: int) -> None:
        for number in range(mib):
            name = f"{self.works}-{number}-{len(list(self.source.iterdir()))}"
            (self.source / name).write_bytes(os.urandom(1 << 20))
        self.restic("backup", str(self.source))

    def restic(self, *words: str, **more: Any) -> str:
        return restic(str(self.repository), self.password, *words, **more)

    def work(self, place: Place, secrets: dict[str, Path], **limits: Any) -> Work:
        """A job on this target, at ``place``, with an empty folder of its own."""
        self.works += 1
        folder = self.folder / f"work{self.works}"
        folder.mkdir(mode=0o700)
        order = Order(
            run=f"run-{self.works}", verb="copy", host=HOST, policy=POLICY, method="files",
            source={}, repository=str(self.repository), place=place,
            limits=Limits(**{"seconds": 120.0, **limits}),
            secrets={name: str(path) for name, path in secrets.items()},
        )  # fmt: skip
        return Work(order, str(folder))

    def files(self) -> set[str]:
        found = self.repository.rglob("*")
        return {str(each.relative_to(self.repository)) for each in found if each.is_file()}

    def proven_at(self, work: Work, into: Path) -> None:
        """The copy, read where it lies: every byte fits, and what comes back is the source."""
        name, env, options = restic_repository(work)
        told = restic(name, self.password, *options, "check", "--read-data", env=env)
        assert "no errors were found" in told
        restic(name, self.password, *options, "restore", "latest", "-t", str(into), env=env)
        (came,) = into.rglob("source")
        same(self.source, came)


def same(source: Path, other: Path) -> None:
    names = {each.name for each in source.iterdir()}
    assert names == {each.name for each in other.iterdir()}
    for name in names:
        assert (source / name).read_bytes() == (other / name).read_bytes()


def restic(repository: str, password: Path, *words: str, env: Any = None, rc: int = 0) -> str:
    """What restic printed; ``rc`` is how it has to end."""
    done = subprocess.run(
        ["restic", "-r", repository, "--password-file", str(password), *words],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(env or {})},
        capture_output=True, text=True, check=False,
        timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == rc, done.stderr
    return done.stdout + done.stderr


def told(work: Work) -> str:
    """All that a report could show of a job."""
    return json.dumps(work.notes)


@contextmanager
def seen_commands() -> Iterator[list[str]]:
    """The command lines of all processes, looked at again and again while the block runs."""
    seen: set[str] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            for each in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(each.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    continue
            time.sleep(0.01)

    watching = threading.Thread(target=look)
    watching.start()
    found: list[str] = []
    try:
        yield found
    finally:
        ended.set()
        watching.join()
        found.extend(sorted(seen))
