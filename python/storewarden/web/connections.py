# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that ask nothing are closed, and there are never too many of them.

The HTTP server waits for ever for the rest of a request's head, and takes every connection.
Some hundred of those, from anybody who reaches the port, would use up the files that one
process may open, and with them the ledger's, the tickets' and the notifications'.
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_SECONDS = 10.0
"""How long the head of a request may be on its way."""
MOST = 250
"""Open connections; of the 1,024 files of a process the rest is for its own work."""


class Connection(H11Protocol):
    """One connection, from its first byte to its last."""

    head_seconds = HEAD_SECONDS
    most = MOST
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, or close it at once when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """The wait is over with the last byte of the head, and begins with the next's first."""
        super().data_received(data)
        if self._asks_nothing():
            self._wait()
        else:
            self._wait_no_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _asks_nothing(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # none before the first request
        return cycle is None or cycle.response_complete

    def _wait(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(self.head_seconds, self._too_late)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_late(self) -> None:
        self._patience = None
        if self._asks_nothing():
            self.transport.abort()
