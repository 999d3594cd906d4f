# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One question to one name server, over UDP and, where the answer was cut, over TCP.

The resolver of the host is what may be broken, so it cannot be asked; and a library that tries
servers one after the other never says which of them is dead.
"""

from __future__ import annotations

import os
import socket
import struct
import time

GOOD = "answers"
UNKNOWN = "does not know the name"
EMPTY = "has no address for the name"
FAILED = "says that it failed"
REFUSED = "refuses to answer"
SILENT = "does not answer"
NOBODY = "has no name server running"
UNREACHABLE = "cannot be reached"
ZH = {
    GOOD: "有应答",
    UNKNOWN: "不认识该域名",
    EMPTY: "没有该域名的地址",
    FAILED: "报告查询失败",
    REFUSED: "拒绝应答",
    SILENT: "无应答",
    NOBODY: "未运行域名服务",
    UNREACHABLE: "无法到达",
}
_CODES = {2: FAILED, 3: UNKNOWN, 5: REFUSED}
_ADDRESS, _ADDRESS_6 = 1, 28  # RFC 1035, 3.2.2; RFC 3596
_CUT = 0x0200
_ANSWER = 0x8000
_MOST = 65535


def ask(server: str, name: str, seconds: float, tries: int = 2, port: int = 53) -> str:
    """One of the words above. ``server`` is an address; a question is asked ``tries`` times of
    ``seconds`` each (the resolver of the C library asks twice)."""
    said = SILENT
    for _try in range(max(tries, 1)):
        said = _asked(server, port, name, _ADDRESS, seconds)
        if said == EMPTY:
            said = _asked(server, port, name, _ADDRESS_6, seconds)
        if said != SILENT:
            break
    return said


def _asked(server: str, port: int, name: str, kind: int, seconds: float) -> str:
    try:
        number = int.from_bytes(os.urandom(2), "big")
        question = _question(number, name, kind)
        family, _type, _proto, _name, address = socket.getaddrinfo(
            server, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
        answer = _by_udp(family, address, question, seconds)
        if answer and _flags(answer) & _CUT:
            answer = _by_tcp(family, address, question, seconds)
    except socket.timeout:
        return SILENT
    except ConnectionRefusedError:
        return NOBODY
    except (OSError, UnicodeError):
        return UNREACHABLE
    return _judged(answer)


def _question(number: int, name: str, kind: int) -> bytes:
    parts = [part.encode("idna") for part in name.rstrip(".").split(".")]
    labels = b"".join(bytes([len(part)]) + part for part in parts)
    head = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0)
    return head + labels + b"\0" + struct.pack(">HH", kind, 1)


def _by_udp(family: int, address: tuple[object, ...], question: bytes, seconds: float) -> bytes:
    """The answer to this very question; others (late ones, forged ones) are passed over."""
    end = time.monotonic() + seconds
    with socket.socket(family, socket.SOCK_DGRAM) as line:
        # Connected, so that the kernel tells us that nobody listens.
        line.connect(address)
        line.send(question)
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise socket.timeout
            line.settimeout(left)
            answer = line.recv(_MOST)
            if _fits(answer, question):
                return answer


def _by_tcp(family: int, address: tuple[object, ...], question: bytes, seconds: float) -> bytes:
    with socket.socket(family, socket.SOCK_STREAM) as line:
        line.settimeout(seconds)
        line.connect(address)
        line.sendall(struct.pack(">H", len(question)) + question)
        with line.makefile("rb") as source:
            (size,) = struct.unpack(">H", source.read(2) or b"\0\0")
            answer = source.read(size)
    return answer if _fits(answer, question) else b""


def _fits(answer: bytes, question: bytes) -> bool:
    return len(answer) >= 12 and answer[:2] == question[:2] and bool(_flags(answer) & _ANSWER)


def _flags(answer: bytes) -> int:
    return int.from_bytes(answer[2:4], "big")


def _judged(answer: bytes) -> str:
    if len(answer) < 12:
        return FAILED
    code = _flags(answer) & 15
    if code:
        return _CODES.get(code, FAILED)
    return GOOD if int.from_bytes(answer[6:8], "big") else EMPTY
