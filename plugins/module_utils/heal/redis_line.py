# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Redis (or Valkey) server asked over its own protocol, with the login its host has for it.

No program is started, so no password is ever a word of a command line or of an environment; and
an answer that is a refusal is known from one that is data.
"""

from __future__ import annotations

import glob
import os
import re
import socket
import ssl
import stat
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.heal.host_files import text_of
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

AUTH_FILE = "/etc/storewarden/redis.auth"
_WORD = re.compile(r"\"((?:\\.|[^\"\\])*)\"|'((?:\\.|[^'\\])*)'|(\S+)")
_KEPT = ("port", "tls-port", "bind", "unixsocket", "tls-cert-file", "tls-key-file", "requirepass")
_LOOPBACK = re.compile(r"-?(127\.|::1$|localhost$)")
_ANY = ("*", "0.0.0.0", "::", "::*")
_DEPTH = 10  # includes within includes
_MOST = 64 * 1024 * 1024  # bytes of one answer


class RedisDown(Exception):
    """Nobody answers there; one line."""


class RedisRefused(Exception):
    """The server answered with an error; its first word is the kind (NOAUTH, MISCONF ..)."""


class Settings(NamedTuple):
    """What the configuration file says of how the server is reached."""

    values: dict[str, str]
    renamed: dict[str, str]


def settings_of(host: Host, path: str) -> Settings:
    """The settings of a configuration with all it includes; later lines win."""
    found = Settings({"port": "6379", "tls-port": "0"}, {})
    _add(host, path, found, 0)
    return found


def _add(host: Host, path: str, found: Settings, depth: int) -> None:
    for line in (text_of(host, path) or "").splitlines() if depth < _DEPTH else ():
        words = [_unquoted(match) for match in _WORD.finditer(line.strip())]
        key = words[0].lower() if words else "#"
        if key == "include" and len(words) > 1:
            for included in sorted(glob.glob(host.at(words[1]))):
                _add(host, included[len(host.root) :], found, depth + 1)
        elif key == "rename-command" and len(words) > 2:
            found.renamed[words[1].lower()] = words[2]
        elif key in _KEPT:
            found.values[key] = " ".join(words[1:])


def _unquoted(match: Any) -> str:
    double, single, plain = match.groups()
    if double is not None:
        return re.sub(r"\\(.)", r"\1", double)
    return str(single if single is not None else plain)


def own_login(host: Host) -> tuple[str, ...]:
    """Words of root's own file for AUTH: PASSWORD, or USER PASSWORD; none when it is not there."""
    try:
        found = os.stat(host.at(AUTH_FILE))
    except OSError:
        return ()
    if found.st_uid != 0 or stat.S_IMODE(found.st_mode) & 0o077:
        raise RedisRefused("{0} must belong to root alone (0600)".format(AUTH_FILE))
    words = (text_of(host, AUTH_FILE) or "").split()
    return tuple(words) if len(words) in (1, 2) else ()


class RedisLine:
    """A connection to the server of one configuration file."""

    def __init__(self, host: Host, config: str, seconds: float) -> None:
        self._settings = settings_of(host, config)
        self._socket = self._connected(host, seconds)
        self._source = self._socket.makefile("rb")
        try:
            self._log_in(own_login(host))
        except (RedisRefused, RedisDown):
            self.close()
            raise

    def __enter__(self) -> RedisLine:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.close()

    def close(self) -> None:
        self._source.close()
        self._socket.close()

    def ask(self, *words: str) -> Any:
        """The answer as text, number, list or None. RedisRefused, RedisDown."""
        renamed = self._settings.renamed.get(words[0].lower(), words[0])
        if not renamed:
            raise RedisRefused("{0} is switched off by rename-command".format(words[0]))
        try:
            self._socket.sendall(encoded((renamed, *words[1:])))
            return self._answer()
        except (OSError, ValueError) as error:
            raise RedisDown(_line(error)) from None

    def _connected(self, host: Host, seconds: float) -> socket.socket:
        values = self._settings.values
        try:
            if values.get("unixsocket"):
                line = socket.socket(socket.AF_UNIX)
                line.settimeout(seconds)
                line.connect(host.at(values["unixsocket"]))
                return line
            tls = values["port"] == "0"
            place = (address(values.get("bind", "")), int(values["tls-port" if tls else "port"]))
            line = socket.create_connection(place, timeout=seconds)
            return self._wrapped(line) if tls else line
        except (OSError, ValueError) as error:
            raise RedisDown(_line(error)) from None

    def _wrapped(self, line: socket.socket) -> socket.socket:
        """On this host, so that the certificate's names do not matter."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        certificate = self._settings.values.get("tls-cert-file")
        if certificate:
            context.load_cert_chain(certificate, self._settings.values.get("tls-key-file"))
        return context.wrap_socket(line)

    def _log_in(self, own: tuple[str, ...]) -> None:
        password = self._settings.values.get("requirepass")
        logins = [one for one in (own, (password,) if password else ()) if one]
        for login in logins:
            try:
                self.ask("AUTH", *(str(one) for one in login))
                return
            except RedisRefused as error:
                # Without a password on the server, one that we have does no harm.
                if "without any password" in str(error):
                    return
        if logins:
            raise RedisRefused("no password of this host is right ({0})".format(AUTH_FILE))

    def _answer(self) -> Any:
        line = self._source.readline(_MOST)
        if not line.endswith(b"\r\n"):
            raise RedisDown("the server closed the connection")
        kind, text = line[:1], line[1:-2].decode("utf-8", "replace")
        if kind == b"-":
            raise RedisRefused(text)
        if kind == b"+":
            return text
        if kind == b":":
            return int(text)
        if kind == b"$":
            return self._bulk(int(text))
        if kind == b"*":
            return [self._answer() for _one in range(max(int(text), 0))]
        raise RedisDown("the answer is not Redis's")

    def _bulk(self, size: int) -> str | None:
        if size < 0:
            return None
        data = self._source.read(min(size, _MOST) + 2)
        return data[:-2].decode("utf-8", "surrogateescape")


def encoded(words: tuple[str, ...]) -> bytes:
    """A command as the protocol has it (RESP2)."""
    parts = [word.encode("utf-8", "surrogateescape") for word in words]
    bulk = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), bulk)


def address(bind: str) -> str:
    """An address of this host that the server listens on; loopback if it does."""
    words = [one.lstrip("-") for one in bind.split()]
    inside = [one for one in words if _LOOPBACK.match(one)]
    wide = not words or any(one in _ANY for one in words)
    return (inside or (["127.0.0.1"] if wide else words))[0]


def info_of(text: str) -> dict[str, str]:
    """The lines of INFO by their names."""
    lines = (line.partition(":") for line in text.splitlines())
    return {key: value for key, colon, value in lines if colon and not key.startswith("#")}


def _line(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
