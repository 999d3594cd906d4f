# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The servers behind an nginx: who answers, and which lines of the site's files name them.

Only a file that the site declared for an upstream is ever written, and in it only the line of one
server: it gets the word ``down`` and a mark, by which it is known again and put back sign by sign.
"""

from __future__ import annotations

import http.client
import re
import socket
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.nginx_config import (
    Scope,
    parsed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.direct_servers import (
    direct_servers,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

MARK = " # taken out by storewarden"
_LINE = re.compile(r"^(\s*server\s+)(\S+?)((?:\s+[^;#]*?)?)\s*;([^\n]*)$")
_SERVER_ERROR = 500


def servers_in(dump: str) -> list[dict[str, Any]]:
    """``{upstream, address, down, backup, direct, tls}`` per server, as ``nginx -T`` has them;
    without those that are reached over UDP, which nobody can ask by a connection. ProbeError.

    ``direct`` are those that a ``proxy_pass`` names itself: each is an upstream of its own, called
    like its address. What a variable names is known to nobody before a request."""
    whole = parsed(dump)
    return _of_upstreams(whole) + direct_servers(whole)


def _of_upstreams(whole: Scope) -> list[dict[str, Any]]:
    datagrams = _over_udp(whole)
    found = []
    for scope in whole.inside("http", "stream", "upstream"):
        words = scope.title.split()
        if words[:1] != ["upstream"] or len(words) != 2:
            continue
        if words[1] in datagrams and scope.above is not None and scope.above.title == "stream":
            continue
        for one in scope.own("server"):
            found.append(
                {
                    "upstream": words[1],
                    "address": one.args[0] if one.args else "",
                    "down": "down" in one.args[1:],
                    "backup": "backup" in one.args[1:],
                    "direct": False,
                    "tls": False,
                }
            )
    return found


def _over_udp(whole: Scope) -> set[str]:
    """Names of upstreams behind a `listen ... udp`."""
    found = set()
    for stream in whole.below("stream"):
        for server in stream.below("server"):
            if any("udp" in one.args for one in server.own("listen")):
                found.update(one.args[0] for one in server.own("proxy_pass") if one.args)
    return found


class _Unix(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def answers(host: Host, address: str, path: str, seconds: float, rounds: int = 1) -> bool:
    """Whether any of ``rounds`` tries got an answer: by HTTP below 500 where a path is given,
    else a connection. Every server of an upstream with several addresses is one server here."""
    return any(_answered(host, address, path, seconds) for _round in range(max(rounds, 1)))


def _answered(host: Host, address: str, path: str, seconds: float) -> bool:
    try:
        line = _line(host, address, seconds)
        try:
            line.connect()
            if not path:
                return True
            line.request("GET", path, headers={"Connection": "close"})
            return line.getresponse().status < _SERVER_ERROR
        finally:
            line.close()
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _line(host: Host, address: str, seconds: float) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _Unix(host.at(address[len("unix:") :]), seconds)
    name, port = place_of(address)
    return http.client.HTTPConnection(name, port, timeout=seconds)


def place_of(address: str) -> tuple[str, int]:
    """Name and port of an address as nginx has it; 80 where it names none."""
    name, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        return name.strip("[]"), int(port)
    return address.strip("[]"), 80


def lines_in(text: str) -> dict[str, str]:
    """Per address that has a line of its own: ``in``, ``out`` (by us) or ``down`` (by others)."""
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            down = "down" in match.group(3).split()
            ours = down and line.endswith(MARK)
            found[match.group(2)] = "out" if ours else ("down" if down else "in")
    return found


def taken_out(text: str, address: str) -> str:
    """The text with this server out; the same text where it has no line that is in."""
    return "\n".join(_out(line, address) for line in text.split("\n"))


def _out(line: str, address: str) -> str:
    match = _LINE.match(line)
    if not match or match.group(2) != address or "down" in match.group(3).split():
        return line
    end = line.index(";", match.end(2))
    return line[:end] + " down" + line[end:] + MARK


def put_back(text: str, address: str) -> str:
    """The text with this server in again, as it was before `taken_out`."""
    return "\n".join(_in(line, address) for line in text.split("\n"))


def _in(line: str, address: str) -> str:
    match = _LINE.match(line)
    if not match or match.group(2) != address or not line.endswith(MARK):
        return line
    bare = line[: -len(MARK)]
    end = bare.index(";", match.end(2))
    return bare[:end][: -len(" down")] + bare[end:] if bare[:end].endswith(" down") else line
