# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server that knows a few names, for tests; also a program of its own for lab hosts.

    python3 name_server.py ADDRESS PORT NAME...

Every NAME has an address. Other names are unknown, but for those that begin with ``broken.`` (the
server says that it failed), ``empty.`` (known, without an address), ``cut.`` (over UDP the answer
is cut, over TCP it is whole) and ``six.`` (an IPv6 address alone). Standard library only.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Iterator

_ADDRESS = bytes([192, 0, 2, 7])
_ADDRESS_6 = bytes([0x20, 1, 0x0D, 0xB8]) + bytes(11) + b"\1"
_KNOWN = ("cut.", "six.", "empty.")


def answer(question: bytes, names: tuple[str, ...], *, tcp: bool) -> bytes:
    """What a server says to one question."""
    name, end = _name(question)
    (kind,) = struct.unpack(">H", question[end : end + 2])
    flags, found = 0x8180, b""
    if name.startswith("broken."):
        flags |= 2
    elif name not in names and not name.startswith(_KNOWN):
        flags |= 3
    elif name.startswith("cut.") and not tcp:
        flags |= 0x0200
    elif kind == 1 and not name.startswith(("empty.", "six.")):
        found = _record(1, _ADDRESS)
    elif kind == 28 and name.startswith("six."):
        found = _record(28, _ADDRESS_6)
    head = struct.pack(">HHHHH", flags, 1, 1 if found else 0, 0, 0)
    return question[:2] + head + question[12 : end + 4] + found


def _name(question: bytes) -> tuple[str, int]:
    parts, place = [], 12
    while question[place]:
        parts.append(question[place + 1 : place + 1 + question[place]].decode())
        place += question[place] + 1
    return ".".join(parts).lower(), place + 1


def _record(kind: int, data: bytes) -> bytes:
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 5, len(data)) + data


def _udp(line: socket.socket, names: tuple[str, ...]) -> None:
    with contextlib.suppress(OSError):
        while True:
            question, sender = line.recvfrom(4096)
            if not question:  # the line was shut
                return
            line.sendto(answer(question, names, tcp=False), sender)


def _tcp(line: socket.socket, names: tuple[str, ...]) -> None:
    with contextlib.suppress(OSError):
        while True:
            caller, _address = line.accept()
            with caller, caller.makefile("rb") as source:
                size = int.from_bytes(source.read(2), "big")
                if size:
                    said = answer(source.read(size), names, tcp=True)
                    caller.sendall(struct.pack(">H", len(said)) + said)


def _lines(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """UDP and TCP on one port; with port 0 on one that both can have."""
    for _try in range(50):
        stream = socket.create_server((address, port))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagrams.bind((address, stream.getsockname()[1]))
        except OSError:
            stream.close()
            datagrams.close()
            if port:
                raise
        else:
            return datagrams, stream
    raise OSError(f"no port of {address} is free for UDP and TCP")


@contextlib.contextmanager
def serving(*names: str, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """The server's port, while it runs."""
    datagrams, stream = _lines(address, port)
    for work, line in ((_udp, datagrams), (_tcp, stream)):
        threading.Thread(target=work, args=(line, names), daemon=True).start()
    try:
        yield stream.getsockname()[1]
    finally:
        for line in (datagrams, stream):
            # Closing alone does not wake the thread that waits in it.
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()


if __name__ == "__main__":
    with serving(*sys.argv[3:], address=sys.argv[1], port=int(sys.argv[2])):
        threading.Event().wait()
