# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's MariaDB and Redis, unpacked and not installed, with servers of our own on sockets.

Programs that lie elsewhere need to be told where their libraries are: each gets a script of its own
that says so.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.backup_tools import package_folder
from tests.servers.packages import CACHE

ACCOUNT = "daemon"
"""Whom servers of the tests run as when those are root's; every Debian has it."""
_LIBRARY = "usr/lib/x86_64-linux-gnu"
_MARIADB = (
    *("mariadb-server-core", "mariadb-server", "mariadb-backup", "mariadb-client-core"),
    *("mariadb-client", "libaio1", "libnuma1", "liburing2", "libmariadb3"),
)
_REDIS = ("redis-tools", "libjemalloc2", "liblzf1")
_MARIADB_PROGRAMS = (
    *("mariadb", "mariadbd", "mariadb-backup", "mariadb-check", "innochecksum"),
    *("mariadb-admin",),
)
_REDIS_PROGRAMS = ("redis-cli", "redis-check-rdb")


def mariadb_path() -> str | None:
    """A folder with MariaDB's programs; None when they cannot be had here."""
    return _programs("mariadb", _MARIADB, _MARIADB_PROGRAMS)


def redis_path() -> str | None:
    """A folder with Redis's programs; None when they cannot be had here."""
    found = _programs("redis", _REDIS, _REDIS_PROGRAMS)
    if found is not None:
        _beside(Path(found))
    return found


def _programs(name: str, packages: Sequence[str], programs: Sequence[str]) -> str | None:
    folders = [package_folder(each) for each in packages]
    if None in folders:
        return None
    there = [folder for folder in folders if folder is not None]
    libraries = ":".join(str(folder / _LIBRARY) for folder in there)
    scripts = CACHE / f"{name}-scripts"
    scripts.mkdir(exist_ok=True)
    for program in programs:
        found = next(
            folder / place / program
            for folder in there
            for place in ("usr/bin", "usr/sbin")
            if (folder / place / program).exists()
        )
        _script(scripts / program, f'LD_LIBRARY_PATH={libraries} exec {found} "$@"\n')
    return str(scripts)


def _beside(scripts: Path) -> None:
    """Debian's server is its checker under another name, which is a link of another package."""
    words = (scripts / "redis-check-rdb").read_text()
    checker = words.split(" exec ")[1].split(" ")[0]
    linked = scripts / "linked" / "redis-server"
    linked.parent.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        linked.symlink_to(checker)
    _script(scripts / "redis-server", words.split("\n", 1)[1].replace(checker, str(linked)))


def _script(path: Path, text: str) -> None:
    """Put in place in one step: another worker may be about to run it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text("#!/bin/sh\n" + text)
    fresh.chmod(0o755)
    fresh.rename(path)


def account() -> str:
    """Whom servers run as: never root."""
    return ACCOUNT if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def owned(folder: Path) -> Path:
    """A folder that is there, and the servers' own; one gets to it from above."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
        for above in folder.parents:
            if above.stat().st_uid == 0 and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
    return folder


@contextmanager
def mariadb(folder: Path) -> Iterator[Path]:
    """A fresh MariaDB with its socket at ``folder/s``; root gets in by it."""
    data = owned(folder / "data")
    share = package_folder("mariadb-server-core")
    assert share is not None
    tables = "".join(
        (share / "usr/share/mysql" / name).read_text()
        for name in ("mysql_system_tables.sql", "mysql_performance_tables.sql",
                     "mysql_system_tables_data.sql")
    )  # fmt: skip
    server = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--user={account()}"]
    system = f"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket='root';\n{tables}"
    subprocess.run(
        [*server, "--bootstrap", "--skip-networking"], input=system.encode(), check=True,
        capture_output=True, timeout=120,
    )  # fmt: skip
    owned(folder)
    argv = [*server, "--skip-networking", f"--socket={folder}/s", f"--log-error={folder}/log"]
    argv += ["--innodb-max-dirty-pages-pct=0", "--innodb-max-dirty-pages-pct-lwm=0"]
    ready = ["mariadb-admin", "--no-defaults", f"--socket={folder}/s", "ping"]
    with _running(
        argv, lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0
    ):
        yield folder / "s"


@contextmanager
def redis(folder: Path, *words: str) -> Iterator[Path]:
    """A fresh Redis with its socket at ``folder/s``; ``words`` are lines of its settings."""
    owned(folder)
    settings = [f"dir {folder}", f"unixsocket {folder}/s", "port 0", 'save ""', *words]
    (folder / "redis.conf").write_text("\n".join([*settings, ""]))
    with _running(["redis-server", f"{folder}/redis.conf"], (folder / "s").exists):
        yield folder / "s"


@contextmanager
def _running(argv: Sequence[str], ready: Callable[[], bool]) -> Iterator[None]:
    child = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", *argv],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        ends = time.monotonic() + 60.0
        while not ready():
            assert child.poll() is None, f"{argv[0]} ended with {child.returncode}"
            assert time.monotonic() < ends, f"{argv[0]} did not get ready"
            time.sleep(0.02)
        yield
    finally:
        child.terminate()
        child.wait(60)
