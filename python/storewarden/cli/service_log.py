# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of `storewarden serve`: one line per event, for people or as JSON.

Only our own words and those of the HTTP server are shown. Other libraries log what they send,
tokens in addresses among it, and nobody has read all their messages: they are left out. Of an
exception its type and place are told, never its text.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

_OURS = ("storewarden", "uvicorn")


def log_to_stderr(*, as_json: bool) -> None:
    """Send the log to stderr, which systemd gives to its journal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(as_json=as_json))
    root = logging.getLogger()
    root.handlers = [logging.NullHandler()]
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "storewarden" else logging.WARNING)


class _Lines(logging.Formatter):
    """``fields`` given by ``extra={"fields": {...}}`` follow the message."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._json = as_json

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = dict(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = _place(record.exc_info[1])
        event = " ".join(record.getMessage().split())
        if self._json:
            line = {"at": at, "level": record.levelname.lower(), "event": event, **fields}
            return json.dumps(line, ensure_ascii=False, default=str)
        told = "".join(f" {key}={_short(value)}" for key, value in fields.items() if key != "trace")
        return f"{at} {record.levelname.lower()}: {event}{told}"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def _short(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
