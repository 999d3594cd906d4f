# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Roundup tracker on 127.0.0.1, for tests and for the demo.

``python -m tests.servers.roundup [--port N] [FOLDER]`` makes a tracker of the classic template
in FOLDER (an own temporary one without it) with the property ``runid``, prints the ``tickets``
section that connects to it, and serves until TERM. A port of 0 (the default) is the system's
choice. Mail goes into a file. ``roundup-server`` refuses root, so waitress serves the WSGI
application.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest
import yaml

USER = "storewarden"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """A running tracker; ``section`` is what stands under ``tickets:`` to use it."""

    section: dict[str, str]

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return self.section["url"]

    @property
    def password(self) -> str:
        """The password of the user ``storewarden``."""
        return Path(self.section["password"].removeprefix("file:")).read_text().strip()


@pytest.fixture(scope="session")
def roundup_tracker() -> Iterator[Tracker]:
    """One tracker for the whole session; tests use run ids of their own."""
    with tempfile.TemporaryDirectory() as folder, roundup(Path(folder)) as tracker:
        yield tracker


@contextmanager
def roundup(folder: Path) -> Iterator[Tracker]:
    """A tracker in ``folder``, stopped at the end."""
    program = [sys.executable, "-m", "tests.servers.roundup", str(folder)]
    log = (folder / "server.log").open("wb")
    with log, subprocess.Popen(program, cwd=_ROOT, stdout=subprocess.PIPE, stderr=log) as server:
        try:
            assert server.stdout is not None
            lines = [server.stdout.readline().decode() for _ in range(4)]
            if not all(lines):
                raise RuntimeError((folder / "server.log").read_text()[-2000:])
            yield Tracker(section=yaml.safe_load("".join(lines)))
        finally:
            server.terminate()
            server.wait(30)


def main() -> None:
    """Make it, say where it is, serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.roundup")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    with tempfile.TemporaryDirectory() as own, socket.socket() as listening:
        folder = (options.folder or Path(own)).resolve()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", options.port))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        section = make(folder, url)
        _serve(folder / "tracker", listening, section)


def make(folder: Path, url: str) -> dict[str, str]:
    """A tracker in ``folder`` that believes to be at ``url``; the section that reaches it."""
    folder.mkdir(parents=True, exist_ok=True)
    password = folder / "password"
    if not password.exists():
        password.touch(0o600)
        password.write_text(f"{secrets.token_urlsafe(18)}\n")
    home = folder / "tracker"
    fresh = not home.exists()
    with redirect_stdout(sys.stderr):
        if fresh:
            _install(home)
        _configure(home, url)
        if fresh:
            _initialise(home, password.read_text().strip())
    return {"system": "roundup", "url": url, "user": USER, "password": f"file:{password}"}


def _install(home: Path) -> None:
    from roundup.admin import AdminTool

    tool = AdminTool()
    tool.tracker_home = str(home)
    if tool.do_install(str(home), ["install", "classic", "sqlite"]):
        raise RuntimeError("the classic template could not be installed")
    schema = home / "schema.py"
    text = schema.read_text()
    begin = 'issue = IssueClass(db, "issue",'
    assert begin in text
    schema.write_text(
        text.replace(begin, f"{begin}\n                runid=String(indexme='no'),", 1)
    )


def _configure(home: Path, url: str) -> None:
    """Only what has no default; mail is written into a file and never sent."""
    from roundup.configuration import CoreConfig

    config = CoreConfig()
    config.load(str(home))
    for name, value in {
        "TRACKER_WEB": f"{url}/",
        "MAIL_DOMAIN": "storewarden.invalid",
        "MAIL_HOST": "localhost",
        "MAIL_DEBUG": str(home / "mail.txt"),
        "WEB_API_FAILED_LOGIN_LIMIT": "0",  # tests use wrong passwords on purpose
    }.items():
        config[name] = value
    config.save()


def _initialise(home: Path, password: str) -> None:
    from roundup import instance
    from roundup.password import Password

    tracker = instance.open(str(home))
    tracker.init(Password(secrets.token_urlsafe(18), config=tracker.config))
    database = tracker.open("admin")
    database.user.create(
        username=USER,
        password=Password(password, config=tracker.config),
        roles="User",
        address="storewarden@storewarden.invalid",
    )
    database.commit()
    database.close()


def _serve(home: Path, listening: socket.socket, section: dict[str, str]) -> None:
    import waitress
    from roundup.cgi.wsgi_handler import RequestDispatcher

    server = waitress.create_server(RequestDispatcher(str(home)), sockets=[listening], threads=4)
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in section.items()))
    sys.stdout.flush()
    server.run()


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
