# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps httpx from logging our requests.

httpx logs every url at INFO and httpcore every header it receives at DEBUG; both may hold
secrets. Their loggers belong to the whole program, so they are not switched off: records
that arise while one of our requests is under way are dropped, all others pass.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
_OURS: ContextVar[bool] = ContextVar("storewarden_quiet_http", default=False)


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - all or none
        return not _OURS.get()


_FILTER = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """No record of httpx from inside, in this thread."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)  # adding it again changes nothing
    token = _OURS.set(True)
    try:
        yield
    finally:
        _OURS.reset(token)
