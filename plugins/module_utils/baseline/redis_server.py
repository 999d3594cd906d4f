# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redis (and Valkey) servers of a host: each by its configuration file and by its own answer.

The file is what holds after a restart, the answer is what holds now; ``CONFIG SET`` makes them
differ. A server that listens and that no known file speaks of is an error, not an absence.

The password goes to redis-cli in its environment, which only root can read, never as a word of
the command line. It comes from a file of root's own, or is the one in the server's configuration.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.network import (
    look_listen,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    PERMISSION,
    TOOL,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.redis_access import (
    DEFAULT,
    Categories,
    User,
    users_in,
)

_PROCESSES = ("redis-server", "valkey-server", "keydb-server")
_CLIENTS = ("redis-cli", "valkey-cli", "keydb-cli")
# what a server does that is told nothing
_DEFAULTS = {"port": "6379", "tls-port": "0", "bind": "* -::*", "protected-mode": "yes"}
KEPT = (
    *("port", "tls-port", "bind", "protected-mode", "unixsocket", "tls-protocols", "aclfile"),
    *("tls-cert-file", "tls-key-file", "tls-ca-cert-file", "tls-auth-clients"),
    *("tls-replication", "replicaof", "slaveof", "cluster-port"),
)
_WORD = re.compile(r"\"((?:\\.|[^\"\\])*)\"|'((?:\\.|[^'\\])*)'|(\S+)")
_REFUSED = re.compile(r"(NOAUTH|NOPERM|WRONGPASS|AUTH failed|ERR AUTH|\(error\) NOAUTH)")
_LOOPBACK = re.compile(r"-?(127\.|::1$|localhost$)")
_DEPTH = 10  # includes within includes


class Reading(NamedTuple):
    """One server as its file (``source`` "file") or itself ("running") has it."""

    instance: str  # the path of its configuration
    source: str
    settings: dict[str, str]
    users: tuple[User, ...]
    categories: Categories

    def get(self, key: str) -> str:
        return self.settings.get(key) or ""

    def binds(self) -> list[str]:
        """Addresses; none written means all of them."""
        return self.get("bind").split() or ["*"]

    def listens_beyond(self) -> bool:
        return not all(_LOOPBACK.match(one) for one in self.binds())


class _File(NamedTuple):
    path: str
    settings: dict[str, str]
    password: str
    users: list[str]
    renamed: dict[str, str]


def readings(system: Any, configs: list[str], auth_file: str) -> list[Reading]:
    """Every server, as its file has it and, where it runs, as it says itself."""
    found: list[Reading] = []
    ports: set[int] = set()
    for path in dict.fromkeys(path for pattern in configs for path in system.glob(pattern)):
        file = _read(system, path)
        client = _Client(system, file, auth_file)
        running = client.running()
        categories = client.category if running else _unknown
        users = tuple(_users_after_restart(system, file))
        mine = [Reading(path, "file", file.settings, users, categories)]
        mine += [running] if running else []
        found += mine
        ports |= {port for one in mine for port in _ports(one)}
    _nobody_else(system, ports)
    return found


def _ports(reading: Reading) -> set[int]:
    named = [reading.get(key) for key in ("port", "tls-port", "cluster-port")]
    numbers = {int(one) for one in named if one.isdigit() and one != "0"}
    return numbers | {number + 10000 for number in numbers}  # the bus of a cluster


def _nobody_else(system: Any, ports: set[int]) -> None:
    for one in look_listen(system, {"proto": "tcp", "loopback": True}):
        if one["process"] in _PROCESSES and one["port"] not in ports:
            what = "{0} listens on port {1}, and no known configuration says so (name its file)"
            raise ProbeError(OUTPUT, what.format(one["process"], one["port"]))


# -- the file ------------------------------------------------------------------------------------


def _read(system: Any, path: str) -> _File:
    file = _File(path, dict(_DEFAULTS), "", [], {})
    return _added(system, file, path, 0)


def _added(system: Any, file: _File, path: str, depth: int) -> _File:
    """``file`` with all that stands in ``path``; later lines win, names in any case."""
    if depth > _DEPTH:
        raise ProbeError(OUTPUT, "{0} includes itself".format(path))
    for line in system.lines(path):
        words = _words(line)
        if not words or words[0].startswith("#"):
            continue
        key, value = words[0].lower(), " ".join(words[1:])
        if key == "include":
            for included in system.glob(value):
                file = _added(system, file, included, depth + 1)
        elif key == "requirepass":
            file = file._replace(password=value)
        elif key == "user":
            file.users.append(line.strip())
        elif key == "rename-command" and len(words) > 2:
            file.renamed[words[1].lower()] = words[2]
        elif key in KEPT:
            file.settings[key] = value
    return file


def _words(line: str) -> list[str]:
    found = _WORD.finditer(line.strip())
    return [next((one for one in match.groups() if one is not None), "") for match in found]


def _unknown(_category: str) -> None:
    """A server that does not run tells no categories."""


def _users_after_restart(system: Any, file: _File) -> list[User]:
    """A file of users replaces those of the configuration, and its requirepass as well."""
    path = file.settings.get("aclfile")
    if path:
        lines = [line.strip() for line in system.lines(path)]
        password = ""
    else:
        lines, password = file.users, file.password
    users = users_in(["user default " + DEFAULT, *lines])
    return [_with_password(one) if password and one.name == "default" else one for one in users]


def _with_password(user: User) -> User:
    return user._replace(open=False)


# -- the running server --------------------------------------------------------------------------


class _Client:
    """redis-cli for one server."""

    def __init__(self, system: Any, file: _File, auth_file: str) -> None:
        self._system = system
        self._file = file
        self._auth_file = auth_file
        self._login = ("", "")
        self._program = next((one for one in _CLIENTS if system.has_command(one)), _CLIENTS[0])

    def running(self) -> Reading | None:
        """What the server says, or None when it does not run."""
        where = self._where()
        if where is None:
            return None
        settings = self._settings(where)
        if settings is None:
            return None
        answer = self._asked(where, ["ACL", "LIST"])
        if answer is None:
            return None
        if answer.startswith("ERR"):  # before Redis 6: one password for everybody
            told = "user default on ~* +@all" + (
                " >x" if settings.get("requirepass") else " nopass"
            )
            answer = told
        settings.pop("requirepass", None)
        users = tuple(users_in(answer.split("\n")))
        return Reading(self._file.path, "running", settings, users, self.category)

    def category(self, name: str) -> frozenset[str] | None:
        """The commands of a category, None where the server has no categories."""
        where = self._where()
        answer = self._asked(where, ["ACL", "CAT", name]) if where else None
        if answer is None or answer.startswith("ERR"):
            return None
        return frozenset(line.strip().lower() for line in answer.split("\n") if line.strip())

    def _settings(self, where: list[str]) -> dict[str, str] | None:
        """``CONFIG GET *``; a server without that command cannot differ from its file."""
        name = self._file.renamed.get("config", "CONFIG")
        if not name:
            alive = self._asked(where, ["PING"])
            return None if alive is None else dict(self._file.settings)
        answer = self._asked(where, [name, "GET", "*"])
        if answer is None:
            return None
        lines = answer.split("\n")
        pairs = {lines[place]: lines[place + 1] for place in range(0, len(lines) - 1, 2)}
        if "port" not in pairs and "tls-port" not in pairs:
            raise ProbeError(OUTPUT, "{0}: {1}".format(self._program, lines[0]))
        # only whether there is a password, never which
        kept = {key: pairs[key] for key in KEPT if key in pairs}
        return {**kept, "requirepass": "set" if pairs.get("requirepass") else ""}

    def _where(self) -> list[str] | None:
        """Options that lead to the server: its socket, else its plain port, else its TLS port."""
        settings = self._file.settings
        if settings.get("unixsocket"):
            return ["-s", settings["unixsocket"]]
        host = _address(settings.get("bind") or "")
        if settings.get("port", "0") != "0":
            return ["-h", host, "-p", settings["port"]]
        if settings.get("tls-port", "0") == "0":
            return None
        options = ["-h", host, "-p", settings["tls-port"], "--tls", "--insecure"]
        if settings.get("tls-auth-clients", "yes") != "no" and settings.get("tls-cert-file"):
            options += ["--cert", settings["tls-cert-file"]]
            options += ["--key", settings.get("tls-key-file") or ""]
        return options

    def _asked(self, where: list[str], command: list[str]) -> str | None:
        """The answer, with a password if one is wanted; None when nobody listens."""
        answer = self._run(where, command, *self._login)
        for user, password in self._passwords() if _refused(answer) else ():
            answer = self._run(where, command, user, password)
            if not _refused(answer):
                self._login = (user, password)
                break
        if _refused(answer):
            what = "{0} lets nobody ask it without a password (write one into {1}, mode 0600)"
            raise ProbeError(PERMISSION, what.format(self._file.path, self._auth_file))
        return answer

    def _run(self, where: list[str], command: list[str], user: str, password: str) -> str | None:
        login = ["--user", user] if user else []
        argv = [self._program, *where, *login, *(["--no-auth-warning"] if password else [])]
        secret = {"REDISCLI_AUTH": password} if password else None
        result = self._system.run([*argv, *command], secret)
        if result.rc == 127:
            raise ProbeError(TOOL, "{0} is not installed".format(self._program))
        text = str(result.stdout if result.stdout.strip() else result.stderr).rstrip("\n")
        if re.search(r"Could not connect.*(refused|No such file)", result.stderr + text, re.S):
            return None
        if result.rc != 0 and not _refused(text):
            raise ProbeError(OUTPUT, "{0}: {1}".format(self._program, text))
        return text

    def _passwords(self) -> list[tuple[str, str]]:
        """(user, password) to try: root's own file, then the server's configuration."""
        found = [self._own_login()] if self._system.exists(self._auth_file) else []
        return found + ([("", self._file.password)] if self._file.password else [])

    def _own_login(self) -> tuple[str, str]:
        """``PASSWORD`` or ``USER PASSWORD`` in a file that only root may read."""
        entry = self._system.stat(self._auth_file)
        if entry is None or entry.mode & 0o077 or entry.uid != 0:
            what = "{0} must belong to root and be readable by nobody else (0600)"
            raise ProbeError(PERMISSION, what.format(self._auth_file))
        words = (self._system.read(self._auth_file) or "").split()
        if len(words) not in (1, 2):
            what = "{0} must hold a password, or a user and a password"
            raise ProbeError(OUTPUT, what.format(self._auth_file))
        return (words[0], words[1]) if len(words) > 1 else ("", words[0])


def _refused(answer: str | None) -> bool:
    return answer is not None and _REFUSED.match(answer.strip()) is not None


def _address(bind: str) -> str:
    """An address of this host that the server listens on; loopback if it does."""
    words = [one.lstrip("-") for one in bind.split()]
    inside = [one for one in words if _LOOPBACK.match(one)]
    wide = not words or any(one in ("*", "0.0.0.0", "::", "::*") for one in words)
    return (inside or (["127.0.0.1"] if wide else words))[0]
