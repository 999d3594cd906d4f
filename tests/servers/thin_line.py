# SPDX-License-Identifier: GPL-3.0-or-later
"""A line to a server on 127.0.0.1 that a test can stop, cut and mend: TCP, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class ThinLine:
    """Listens on ``port`` and passes everything on to ``target``; use it as a context manager.

    ``moved`` are bytes towards the server. ``stall()``: nothing passes, connections stay.
    ``cut()``: nobody answers and what was open is closed. ``mend()``: it works again.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.moved = 0
        self._open = threading.Event()
        self._open.set()
        self._cut = False
        self._lines: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def stall(self) -> None:
        self._open.clear()

    def cut(self) -> None:
        self._cut = True
        self._open.set()
        for line in list(self._lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._cut = False
        self._open.set()

    def __enter__(self) -> ThinLine:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.cut()
        self._listening.close()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._joined, args=(near,), daemon=True).start()

    def _joined(self, near: socket.socket) -> None:
        self._open.wait()
        try:
            if self._cut:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            return
        finally:
            if self._cut:
                near.close()
        self._lines |= {near, far}
        back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
        back.start()
        self._carry(near, far, counted=True)

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool = False) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(16_384):
                self._open.wait()
                if self._cut:
                    break
                target.sendall(block)
                self.moved += len(block) if counted else 0
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            self._lines.discard(each)
