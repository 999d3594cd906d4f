# SPDX-License-Identifier: GPL-3.0-or-later
"""The application on a socket, in a thread of its own: the main thread has the signals."""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import uvicorn

from storewarden.domain.errors import AdapterError
from storewarden.web.connections import Connection

if TYPE_CHECKING:
    from fastapi import FastAPI

_BACKLOG = 128
_SHUT = 3  # seconds that open requests have to end in
_LOOK = 0.02
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - only how it is called


class Server:
    """One application on one address. Bound when made, so that a taken port is known early."""

    def __init__(self, host: str, port: int, connection: type[Connection] = Connection) -> None:
        """Raises AdapterError when the address cannot be listened on; port 0 takes a free one.

        ``connection`` says how long connections may ask nothing, and how many there may be.
        """
        self.connection = connection
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise AdapterError(
                f"cannot listen: {os.strerror(error.errno) if error.errno else error}",
                where=f"{host}:{port}",
                hint="controller.listen or --listen",
            ) from error
        self.url = f"http://{called_here(host)}:{self._socket.getsockname()[1]}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: FastAPI) -> None:
        """Serve ``app``; returns when requests are answered. Raises AdapterError when it ends
        before that."""
        config = uvicorn.Config(
            app,
            http=self.connection,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_SHUT,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, args=([self._socket],), name="storewarden-http", daemon=True
        )
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise AdapterError("the HTTP server ended while it began", where=self.url)
            time.sleep(_LOOK)
        self._server, self._thread = server, thread

    @property
    def serving(self) -> bool:
        """Whether it still answers."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self, patience: timedelta) -> None:
        """Take no more requests, let open ones end."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(patience.total_seconds())
        self._socket.close()


def called_here(host: str) -> str:
    """How programs of this machine call the address ``host`` in a URL."""
    return _EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
