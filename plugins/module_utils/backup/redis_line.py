# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redis asked over its own protocol: a password never becomes an argument of a program."""

from __future__ import annotations

import socket
from typing import Any, Iterable, Union

from .failures import BackupFailure, BadCredentials
from .scratch_server import unix_connection

Word = Union[str, bytes, int]
_REFUSED = (b"WRONGPASS", b"NOAUTH", b"NOPERM", b"ERR invalid password")
_WAIT = 30.0  # seconds that one answer may take


class RedisLine:
    """A connection. ``place``: a socket's path, or (host, port). Raises BackupFailure when nobody
    answers, BadCredentials when the password is refused."""

    def __init__(self, place: str | tuple[str, int], user: str = "", password: str = "") -> None:
        self._place = place
        try:
            self._socket = _connected(place)
        except OSError as error:
            raise self._lost(error) from None
        self._reader = self._socket.makefile("rb")
        if password:
            self.ask("AUTH", *([user] if user else []), password)

    def __enter__(self) -> RedisLine:
        return self

    def __exit__(self, *_gone: object) -> None:
        self._reader.close()
        self._socket.close()

    def ask(self, *words: Word) -> Any:
        """One command's answer: bytes, int, None or a list of these."""
        return self.ask_all([words])[0]

    def ask_all(self, commands: Iterable[tuple[Word, ...]]) -> list[Any]:
        """The answers to several commands that are sent at once."""
        sent = list(commands)
        try:
            self._socket.sendall(b"".join(_packed(words) for words in sent))
            return [self._answer() for _ in sent]
        except OSError as error:
            raise self._lost(error) from None

    def _answer(self) -> Any:
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("the connection ended")
        kind, body = line[:1], line[1:-2]
        if kind == b"-":
            raise _failure(body)
        if kind == b"$":
            return self._bulk(int(body))
        if kind == b"*":
            return None if int(body) < 0 else [self._answer() for _ in range(int(body))]
        return int(body) if kind == b":" else body

    def _bulk(self, size: int) -> bytes | None:
        if size < 0:
            return None
        data = self._reader.read(size + 2)
        if data is None or len(data) < size + 2:
            raise OSError("the connection ended")
        return data[:-2]

    def _lost(self, error: OSError) -> BackupFailure:
        reason = error.strerror or str(error)
        return BackupFailure(
            "Redis at {0} does not answer: {1}".format(self._place, reason),
            "{0} 处的 Redis 无应答：{1}".format(self._place, reason),
        )


def _connected(place: str | tuple[str, int]) -> socket.socket:
    if isinstance(place, tuple):
        return socket.create_connection(place, timeout=_WAIT)
    return unix_connection(place, _WAIT)


def _packed(words: tuple[Word, ...]) -> bytes:
    raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    parts = [b"*%d\r\n" % len(raw)]
    parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in raw]
    return b"".join(parts)


def _failure(body: bytes) -> BackupFailure:
    text = body.decode("utf-8", "replace")[:300]
    if body.startswith(_REFUSED):
        return BadCredentials("Redis refused: " + text, "Redis 拒绝访问：" + text)
    return BackupFailure("Redis says: " + text, "Redis 报错：" + text)
