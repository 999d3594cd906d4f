# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What mariadb-backup left, and what becomes of it: the pages are checked before anything is
applied ("completed OK!" comes over a damaged page as well), the chain is joined, a server is
started over it."""

from __future__ import annotations

import contextlib
import os
import struct
from typing import Any, Iterator

from .failures import BackupFailure, Rejected
from .mariadb_client import Server, failure, first_of
from .mariadb_manifest import again, newest, quoted, tables_of
from .method import Instance, Restored
from .scratch_server import given_to, running, unix_connection
from .work import Work

DATA = "data"
CHECKPOINTS = "xtrabackup_checkpoints"
BACKUP = ("mariadb-backup", "mariabackup")
_SERVERS = ("mariadbd", "mysqld")
_CHECKS = ("mariadb-check", "mysqlcheck")
DONE = "completed OK!"
_SOCKET = "scratch.sock"
_PAGE = 16384  # bytes; with another size the whole file is looked at
_WAITING = 536853855  # TRX_SYS_DOUBLEWRITE_MAGIC_N
_PREPARED = "storewarden-prepared"


def checkpoints(folder: str) -> dict[str, str]:
    """What the tool wrote last, word -> value; {} when it did not come that far."""
    try:
        with open(os.path.join(folder, CHECKPOINTS), encoding="ascii") as source:
            return {
                key.strip(): value.strip()
                for key, _, value in (line.partition("=") for line in source)
                if value
            }
    except (FileNotFoundError, UnicodeDecodeError):
        return {}


def damaged_pages(work: Work, folder: str) -> list[str]:
    """Files with a page that does not fit its checksum, a line each. Only whole files can be looked
    at: an increment is proven by the repository and by what is started of it."""
    found = []
    for path in _page_files(folder):
        shown = os.path.relpath(path, folder)
        for words in _ranges(path):
            ran = work.run(["innochecksum", *words, path])
            if ran.rc != 0:
                found.append("{0}: {1}".format(shown, ran.last.replace(path, shown)))
                break
    return found


def _ranges(path: str) -> list[list[str]]:
    """innochecksum's words for the parts of a file that hold pages. The first file has two blocks
    in which pages wait to be written: what is there may be half of one, which is no damage."""
    size = os.path.getsize(path)
    if os.path.basename(path) != "ibdata1" or size < 6 * _PAGE:
        return [[]]
    with open(path, "rb") as pages:
        pages.seek(5 * _PAGE + _PAGE - 200 + 10)  # TRX_SYS_DOUBLEWRITE of trx0sys.h
        magic, first, second = struct.unpack(">III", pages.read(12))
    if magic != _WAITING:
        return [[]]
    block, last = (1 << 20) // _PAGE, size // _PAGE - 1
    edges = [0, first, first + block, second, second + block, last + 1]
    pairs = [(edges[at], edges[at + 1] - 1) for at in (0, 2, 4)]
    return [["-s", str(low), "-e", str(high)] for low, high in pairs if 0 <= low <= high]


def _page_files(folder: str) -> Iterator[str]:
    for at, _, names in os.walk(folder):
        for name in sorted(names):
            path = os.path.join(at, name)
            of_pages = name.endswith(".ibd") or name.startswith(("ibdata", "undo0"))
            if of_pages and not name.endswith((".delta", ".meta")) and os.path.getsize(path):
                yield path


def prepared(work: Work, restored: Restored) -> str:
    """The chain joined into its first folder, in place; that folder. It happens once, however often
    it is asked for. Raises Rejected when the tool does not come to its end."""
    base = os.path.join(restored.folders[0], DATA)
    mark = os.path.join(restored.folders[0], _PREPARED)
    if os.path.exists(mark):
        return base
    tool = first_of(work, BACKUP)
    for number, folder in enumerate(restored.folders):
        words = ["--prepare", "--target-dir=" + base]
        if number:
            words.append("--incremental-dir=" + os.path.join(folder, DATA))
        ran = work.run([tool, "--no-defaults", *words])
        if ran.rc != 0 or not ran.last.endswith(DONE):
            raise _of_prepare(failure(ran, "preparing " + os.path.basename(folder)))
    with open(mark, "w", encoding="ascii"):
        pass
    return base


def _of_prepare(error: BackupFailure) -> BackupFailure:
    return error if error.end == "no-space" else Rejected(error.en, error.zh)


@contextlib.contextmanager
def started(
    work: Work, base: str, account: str, scratch: str, before: dict[str, Any]
) -> Iterator[Instance]:
    """A server over prepared data: no network, no rights to ask for, no log, no events, no
    replication."""
    given_to(account, base, scratch)
    argv = [
        first_of(work, _SERVERS), "--defaults-file=" + os.path.join(base, "backup-my.cnf"),
        "--datadir=" + base, "--socket=" + _SOCKET, "--pid-file=scratch.pid", "--skip-networking",
        "--skip-grant-tables", "--skip-log-bin", "--skip-slave-start", "--event-scheduler=OFF",
        "--innodb-buffer-pool-size=64M", "--innodb-fast-shutdown=2", "--local-infile=0",
        "--secure-file-priv=" + base,
    ]  # fmt: skip
    with running(work, argv, account, base, lambda: _answers(base)):
        server = Server(work, ("--no-defaults", "--socket=" + _SOCKET), base)
        yield _Scratch(work, server, before)


def _answers(base: str) -> bool:
    try:
        unix_connection(os.path.join(base, _SOCKET), 5.0).close()
    except OSError:
        return False
    return True


class _Scratch(Instance):
    """A server over the data that came back."""

    def __init__(self, work: Work, server: Server, before: dict[str, Any]) -> None:
        self._work = work
        self._server = server
        self._before = before

    def structure(self) -> list[str]:
        """The server's check of every table, and a checksum of each of ours: NULL with a status of
        0 is all it says when a table cannot be read."""
        return [*self._checked(), *self._summed()]

    def manifest(self) -> dict[str, Any]:
        return {**self._before, "tables": again(self._server, self._before["tables"])}

    def heartbeat(self) -> float | None:
        words = self._work.order.source.get("heartbeat")
        return newest(self._server, words["table"], words["column"]) if words else None

    def _checked(self) -> list[str]:
        tool = first_of(self._work, _CHECKS)
        argv = [tool, *self._server.where, "--all-databases", "--check", "--silent"]
        ran = self._work.run(argv, cwd=self._server.cwd)
        said = [line for line in (ran.out + "\n" + ran.err).splitlines() if line.strip()]
        wrong = [line for line in said if "note" not in line[:10].lower()]
        return wrong[:20] or (["mariadb-check: " + ran.last] if ran.rc else [])

    def _summed(self) -> list[str]:
        try:
            tables = tables_of(self._server)
            if not tables:
                return []
            places = ", ".join(one.place for one in tables)
            rows = self._server.rows("CHECKSUM TABLE {0};".format(places))
        except BackupFailure as error:
            return ["tables cannot be read: " + error.en]
        return [
            "{0} cannot be read: its checksum is NULL".format(quoted(row[0]))
            for row in rows
            if row[-1] == "NULL"
        ]


class Production(_Scratch):
    """The real server after a restore. It is only read: CHECK TABLE writes down what it finds."""

    def structure(self) -> list[str]:
        """Every table of ours can be read to its end."""
        return self._summed()
