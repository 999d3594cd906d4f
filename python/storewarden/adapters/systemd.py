# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling systemd how the controller is (``sd_notify``), without its library.

Outside of systemd there is no socket, and nothing happens.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta


class Notifier:
    """The socket named by NOTIFY_SOCKET; ``watchdog`` is how often a sign of life is wanted."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.watchdog = _watchdog(environ)

    def ready(self, status: str) -> None:
        """It serves now."""
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    def alive(self) -> None:
        """A sign of life."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """It was asked to end."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # An abstract socket is written with "@"; its real first byte is zero.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(text.encode(), address)


def _watchdog(environ: Mapping[str, str]) -> timedelta | None:
    """Half of what systemd allows, as its manual advises; None when it watches nobody or another
    process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = environ.get("WATCHDOG_USEC", "")
    return timedelta(microseconds=int(microseconds)) / 2 if microseconds.isdecimal() else None
