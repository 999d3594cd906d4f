# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL for the ledger's tests: own folder, Unix socket only, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _binaries() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    return next((f for f in folders if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


def _as_server_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _quietly(argv: list[str]) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd="/")


def _authentication(folder: Path, password: str) -> list[str]:
    if not password:
        return ["-A", "trust"]
    kept = folder / "password"
    kept.write_text(password)
    return ["-A", "scram-sha-256", f"--pwfile={kept}"]


@contextmanager
def postgres(password: str = "") -> Iterator[str]:
    """The URL of a fresh server, which asks for ``password`` if there is one; skips the test
    where none is installed."""
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server on this machine (Debian: apt install postgresql)")
    root = os.geteuid() == 0
    prefix = _as_server_user() if root else []
    folder = Path(tempfile.mkdtemp(prefix="swpg-"))
    if root:
        shutil.chown(folder, "postgres", "postgres")
    data, log = folder / "data", folder / "log"
    init = [binaries / "initdb", "-D", data, "-U", "storewarden", "--no-sync"]
    _quietly([*prefix, *map(str, init), *_authentication(folder, password)])
    options = f"-c listen_addresses= -c fsync=off -k {folder}"
    control = [*prefix, str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    try:
        _quietly([*control, "-l", str(log), "-o", options, "start"])
        yield f"postgresql://storewarden@/postgres?host={folder}"
    finally:
        _quietly([*control, "-m", "immediate", "stop"])
        shutil.rmtree(folder)
