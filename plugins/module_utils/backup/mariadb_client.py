# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MariaDB asked by its own client. A password goes into an options file of mode 0600 and nowhere
else."""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Sequence

from .failures import BackupFailure, BadCredentials, NoRoom, Unfit
from .work import Ran, Work

CLIENTS = ("mariadb", "mysql")
_OPTIONS = "mariadb.cnf"
_DENIED = ("Access denied", "ERROR 1045", "ERROR 1698")
_NO_ROOM = ("No space left on device", "Errcode: 28", "errno 28", "error 28")


class Server(NamedTuple):
    """``where``: the words that come first behind a program of MariaDB's; ``cwd``: where it is
    run."""

    work: Work
    where: tuple[str, ...]
    cwd: str

    def rows(self, sql: str) -> list[list[str]]:
        """What SQL that goes in by the standard input answers, as text; NULL is "NULL". Raises
        leaves of BackupFailure."""
        client = first_of(self.work, CLIENTS)
        argv = [client, *self.where, "--batch", "--skip-column-names"]
        ran = self.work.run(argv, stdin="SET time_zone = '+00:00';\n" + sql, cwd=self.cwd)
        if ran.rc != 0:
            raise failure(ran, "the server")
        return [line.split("\t") for line in ran.out.splitlines()]


def server_of(work: Work) -> Server:
    """The one that the order means: by its socket as root, or as ``source.account`` with the secret
    ``password``."""
    return Server(work, ("--defaults-extra-file=" + options_file(work),), work.folder)


def options_file(work: Work) -> str:
    """Written once per job, below the job's own folder."""
    path = os.path.join(work.folder, _OPTIONS)
    if os.path.exists(path):
        return path
    source = work.order.source
    words = {"user": str(source.get("account", "root"))}
    for name in ("socket", "host", "port"):
        if source.get(name):
            words[name] = str(source[name])
    if "password" in work.order.secrets:
        with open(work.secret("password"), encoding="utf-8") as given:
            words["password"] = given.read().rstrip("\n")
    lines = ["{0} = {1}".format(name, _quoted(value)) for name, value in words.items()]
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        for group in ("client", "mariadb-backup"):
            out.write("[{0}]\n{1}\n".format(group, "\n".join(lines)))
    return path


def _quoted(value: str) -> str:
    if "\n" in value or '"' in value:
        raise Unfit(
            "an option of MariaDB cannot hold a line's end or a quote", "选项值不能含换行或引号"
        )
    return '"{0}"'.format(value.replace("\\", "\\\\"))


def first_of(work: Work, names: Sequence[str]) -> str:
    """The first of these programs that is installed: older releases have older names."""
    for name in names:
        if work.has(name):
            return name
    raise Unfit(names[0] + " is not installed", names[0] + " 未安装")


def failure(ran: Ran, what: str) -> BackupFailure:
    """What a program of MariaDB's means by what it says."""
    said = ran.out + ran.err
    if any(word in said for word in _DENIED):
        return BadCredentials(
            "MariaDB refused the account: " + _line(said, _DENIED), "MariaDB 拒绝了该账户"
        )
    if any(word in said for word in _NO_ROOM):
        return NoRoom("no space left: " + _line(said, _NO_ROOM), "磁盘空间不足")
    reason = _line(said, ("ERROR", "[ERROR]", "Error", "error")) or ran.last
    return BackupFailure("{0}: {1}".format(what, reason), "{0}：{1}".format(what, reason))


def _line(said: str, words: Sequence[str]) -> str:
    told = [line.strip() for line in said.splitlines() if any(word in line for word in words)]
    return told[-1][:300] if told else ""


def variables(server: Server, *names: str) -> dict[str, Any]:
    """Values of the server's own settings."""
    sql = "SELECT {0};".format(", ".join("@@global." + name for name in names))
    return dict(zip(names, server.rows(sql)[0]))  # noqa: B905 - Python 3.9
