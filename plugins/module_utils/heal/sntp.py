# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One question to a time server, of our own: by how much is this clock wrong?

Asked where the daemon that would know is down, and before anybody starts it (RFC 4330).
"""

from __future__ import annotations

import os
import socket
import struct
import time

_1900 = 2208988800  # seconds from 1900, where NTP begins, to 1970
_HEAD, _SERVER = 0x23, 4  # version 4 from a client; the mode of an answer
_UNSYNCHRONISED = 3


def ahead_of(server: str, seconds: float, port: int = 123) -> float | None:
    """Seconds by which this clock is ahead of the server's, negative when it is behind; None when
    it does not answer, or has no time itself."""
    try:
        places = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    for family, kind, _proto, _name, address in places[:2]:
        try:
            with socket.socket(family, kind) as line:
                line.connect(address)
                found = _asked(line, seconds)
        except OSError:
            continue
        if found is not None:
            return found
    return None


def _asked(line: socket.socket, seconds: float) -> float | None:
    # What is sent comes back as it is: by it an answer is known, and nobody learns our time.
    mark = os.urandom(8)
    sent, began = time.time(), time.monotonic()
    line.send(bytes([_HEAD]) + bytes(39) + mark)
    while True:
        left = began + seconds - time.monotonic()
        if left <= 0:
            return None
        line.settimeout(left)
        answer = line.recv(1024)
        if len(answer) >= 48 and answer[24:32] == mark:
            return judged(answer, sent, sent + (time.monotonic() - began))


def judged(answer: bytes, sent: float, received: float) -> float | None:
    """What an answer comes to; ``sent`` and ``received`` by the clock of this host."""
    leap, mode, stratum = answer[0] >> 6, answer[0] & 7, answer[1]
    if mode != _SERVER or leap == _UNSYNCHRONISED or not 1 <= stratum <= 15:
        return None
    there = (_seconds(answer[32:40]) + _seconds(answer[40:48])) / 2.0
    return (sent + received) / 2.0 - there


def _seconds(stamp: bytes) -> float:
    whole, part = struct.unpack(">II", stamp)
    # RFC 4330, 3: from 2036 on the numbers begin anew.
    era = 0 if whole & 0x80000000 else 2**32
    return float(whole + era - _1900) + part / 2.0**32
