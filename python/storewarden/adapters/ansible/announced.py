# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are likely to begin at once: what is said of them before, and by whom it is kept.

The controller announces a run while it still makes sure that it may begin. It is the same run when
it begins with the same request; then it has the id under which it was announced.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from storewarden.adapters.ansible.rundir import Request

LIMIT = 64 << 10  # bytes of one message; paths, names and addresses are what is in it
MESSAGE_BEGINS = b'{"announced"'
_MOST = 100  # runs that were announced and have not begun; then all are forgotten

type Hosts = Mapping[str, Mapping[str, object]]
"""What says how hosts are reached, by host; see ``ahead.noted``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """One run: where it will be, what it asks for, how its hosts are reached, and the environment
    of its supervisor."""

    path: Path
    request: Request
    hosts: Hosts
    environment: Mapping[str, str]

    def text(self) -> bytes:
        """One message."""
        found = {
            "announced": str(self.path),
            "request": asdict(self.request),
            "hosts": self.hosts,
            "environment": dict(self.environment),
        }
        return json.dumps(found).encode()

    @classmethod
    def read(cls, text: bytes) -> Announced:
        """Back from the message."""
        found = json.loads(text)
        return cls(
            path=Path(found["announced"]),
            request=Request.read(found["request"]),
            hosts=found["hosts"],
            environment=found["environment"],
        )


class Coming:
    """What was announced and has not begun; safe to use from any thread."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str], Request] = {}
        self._lock = threading.Lock()

    def add(self, request: Request) -> None:
        """It was announced."""
        with self._lock:
            if len(self._requests) >= _MOST:
                self._requests.clear()
            self._requests[request.owner, request.label] = request

    def known(self, request: Request) -> Request:
        """The same request as it was announced, once; else the one that is given."""
        with self._lock:
            found = self._requests.pop((request.owner, request.label), None)
        if found is None:
            return request
        same = replace(request, run_id=found.run_id)
        return same if replace(found, started=same.started) == same else request
