# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does a line carry? Asked through that line alone, whatever the routes would choose.

A store's modem answers for ever, also when its provider is dead, so targets behind the provider
are asked: by ICMP echo or by a TCP connection, with the socket bound to the line's device.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

_BIND = getattr(socket, "SO_BINDTODEVICE", 25)  # Linux; not named before Python 3.13 everywhere
_ECHO, _ECHO_REPLY = 8, 0  # RFC 792
_BETWEEN = 0.2  # seconds between two rounds; a burst that is lost is no dead line


class Line(NamedTuple):
    """``device`` empty: as the routes have it."""

    device: str
    targets: tuple[str, ...]  # "ADDRESS" by ICMP, "ADDRESS:PORT" by TCP


def rounds(line: Line, count: int, seconds: float, between: float = _BETWEEN) -> list[bool]:
    """``count`` rounds, one after the other; a round is good when any target answered in
    ``seconds``: one dead target is no dead line. A round takes two times ``seconds`` at most,
    however many targets are dead."""
    found: list[bool] = []
    first = line.targets[0] if line.targets else ""
    for number in range(count):
        if number:
            time.sleep(between)
        answered = _first_to_answer(line, first, seconds)
        first = answered or first
        found.append(bool(answered))
    return found


def _first_to_answer(line: Line, first: str, seconds: float) -> str:
    """The one that answered last time is asked before the others, which are asked at once."""
    if first and _reached(line.device, first, seconds):
        return first
    others = [one for one in line.targets if one != first]
    if not others:
        return ""
    with ThreadPoolExecutor(max_workers=len(others)) as pool:
        said = list(pool.map(lambda one: _reached(line.device, one, seconds), others))
    return next((one for one, good in zip(others, said) if good), "")  # noqa: B905 - Python 3.9


def target_problem(target: str) -> str:
    """Why nobody should judge a line by this target, or nothing. A name would die with the name
    servers, and switch lines; an echo is asked over IPv4 alone."""
    address, port = parted(target)
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return "{0!r} is no address".format(target)
    if version == 6 and port is None:
        return "{0!r} is asked by ICMP, and that is done over IPv4 alone".format(target)
    return ""


def parted(target: str) -> tuple[str, int | None]:
    """Address and port of a target; no port means an echo."""
    address, _colon, port = target.rpartition(":")
    if port.isdigit() and address and (":" not in address or address.startswith("[")):
        return address.strip("[]"), int(port)
    return target, None


def told(results: list[bool]) -> dict[str, Any]:
    """``{sent, lost, loss (percent), failed_last, good_last}``; the last two are runs."""
    lost = results.count(False)
    failed = next((n for n, good in enumerate(reversed(results)) if good), len(results))
    good_last = next((n for n, good in enumerate(reversed(results)) if not good), len(results))
    loss = round(100.0 * lost / len(results), 1) if results else 100.0
    return {
        "sent": len(results),
        "lost": lost,
        "loss": loss,
        "failed_last": failed,
        "good_last": good_last,
    }


def _reached(device: str, target: str, seconds: float) -> bool:
    address, port = parted(target)
    try:
        if port is not None:
            return _by_tcp(device, address, port, seconds)
        return _by_echo(device, address, seconds)
    except OSError:
        return False


def _bound(family: int, kind: int, proto: int, device: str) -> socket.socket:
    line = socket.socket(family, kind, proto)
    try:
        if device:
            line.setsockopt(socket.SOL_SOCKET, _BIND, device.encode() + b"\0")
    except OSError:
        line.close()
        raise
    return line


def _by_tcp(device: str, address: str, port: int, seconds: float) -> bool:
    """A refusal is an answer: the line carried it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with _bound(family, socket.SOCK_STREAM, 0, device) as line:
        line.settimeout(seconds)
        with contextlib.suppress(ConnectionRefusedError):
            line.connect((address, port))
        return True


def _by_echo(device: str, address: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    number = int.from_bytes(os.urandom(2), "big")
    with _bound(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP, device) as line:
        line.connect((address, 0))
        line.send(echo(number))
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return False
            line.settimeout(left)
            if _is_reply(line.recv(2048), number):
                return True


def echo(number: int) -> bytes:
    """An echo request with this identifier, sequence 1."""
    head = struct.pack(">BBHHH", _ECHO, 0, 0, number, 1)
    body = b"storewarden line"
    return struct.pack(">BBHHH", _ECHO, 0, checksum(head + body), number, 1) + body


def checksum(data: bytes) -> int:
    """RFC 1071."""
    words = struct.unpack(">{0}H".format(len(data) // 2), data)
    total = sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _is_reply(packet: bytes, number: int) -> bool:
    start = (packet[0] & 15) * 4 if packet else 0
    if len(packet) < start + 8:
        return False
    kind, _code, _sum, told_number, _sequence = struct.unpack(">BBHHH", packet[start : start + 8])
    return bool(kind == _ECHO_REPLY and told_number == number)
