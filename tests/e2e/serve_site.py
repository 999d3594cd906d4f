# SPDX-License-Identifier: GPL-3.0-or-later
"""A real `storewarden serve` in a process of its own, over a site in a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from storewarden.config import load_config
from storewarden.domain.change.events import Decision, EventKind
from storewarden.domain.change.record import Change
from storewarden.testing.conformance_changes import DAY, PREFIX, happening, note, opening
from storewarden.wiring import Site, open_site

_BIN = Path(sys.executable).parent
PATIENCE = timedelta(minutes=10)


@dataclass(slots=True)
class Service:
    """The controller of ``folder``; started, killed and started again."""

    folder: Path
    lines: list[str] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    url: str = ""

    def settings(self, **sections: object) -> None:
        """``storewarden.yml``."""
        whole = {"state_dir": str(self.folder / "state"), **sections}
        (self.folder / "storewarden.yml").write_text(yaml.safe_dump(whole))

    def start(self, *options: str, environment: dict[str, str] | None = None) -> None:
        """Returns when it says that it listens."""
        log = (self.folder / "serve.log").open("a")
        with log:
            self._process = subprocess.Popen(
                [str(_BIN / "storewarden"), "serve", "--listen", "127.0.0.1:0", *options],
                cwd=self.folder,
                env=self.environment() | (environment or {}),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(self.log()[-2000:])
        self.url = line.split(" listens on ")[1].split()[0]

    @property
    def pid(self) -> int:
        """Of the running one."""
        assert self._process is not None
        return self._process.pid

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(PATIENCE.total_seconds())
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code

    def kill(self) -> None:
        """At once, in the middle of whatever it does; nothing when it does not run."""
        if self._process is not None:
            self.end(signal.SIGKILL)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Another command of the same site."""
        return subprocess.run(
            [str(_BIN / "storewarden"), *argv],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE.total_seconds(),
            check=False,
        )

    def log(self) -> str:
        """What it said."""
        return (self.folder / "serve.log").read_text()

    def events(self) -> list[dict[str, Any]]:
        """The log of ``--json``."""
        return [json.loads(line) for line in self.log().splitlines()]

    def site(self) -> Site:
        """The site, opened beside the controller as any program may."""
        environ = {"HOME": str(self.folder)}
        return open_site(load_config(None, environ, self.folder))

    def environment(self) -> dict[str, str]:
        """Without anything of this machine's operator."""
        return {
            "PATH": f"{_BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
        }


def open_change(site: Site, key: str) -> str:
    """A change of one host."""
    book = site.changes
    return book.open_change(key, PREFIX, DAY, opening("pos01.000101")).change.number


def say(site: Site, number: str, key: str) -> None:
    """One more entry of a change."""
    site.changes.amend(number, key, note(f"说明 {key}"))


def amend(site: Site, number: str, key: str, decide: Callable[[Change], Decision]) -> None:
    """Something happens to a change."""
    site.changes.amend(number, key, decide)


def cancelled() -> Callable[[Change], Decision]:
    """Somebody withdraws it."""
    return happening(EventKind.CANCELLED, reason="not needed")


def until(condition: Callable[[], bool], patience: timedelta = PATIENCE) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + patience.total_seconds()
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def gone(pid: int) -> bool:
    """Whether no such process lives any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
