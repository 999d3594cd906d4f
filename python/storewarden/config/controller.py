# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``controller`` section: where `storewarden serve` listens, and how patient it is.

It listens on this machine alone unless somebody says otherwise: tokens travel over it, so
anything beyond belongs behind a reverse proxy with TLS.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from storewarden.config.fields import SitePath

LISTEN = "127.0.0.1:8787"
_LISTEN = re.compile(r"(\[[0-9a-fA-F:]+\]|[0-9.]+|localhost):(\d{1,5})")


def listen_address(value: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:8787``; port 0 takes any free one. Raises ValueError."""
    found = _LISTEN.fullmatch(value.strip())
    if not found or int(found.group(2)) > 65535:
        raise ValueError("must be ADDRESS:PORT, like 127.0.0.1:8787")
    host = found.group(1).strip("[]")
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError("must be ADDRESS:PORT, like 127.0.0.1:8787") from None
    return host, int(found.group(2))


def _listen(value: str) -> str:
    listen_address(value)
    return value


def _seconds(value: float) -> float:
    if not 0.05 <= value <= 86400:
        raise ValueError("must be 0.05-86400")
    return value


def _count(value: int) -> int:
    if not 1 <= value <= 1_000_000:
        raise ValueError("must be 1-1000000")
    return value


def _lanes(value: int) -> int:
    if not 1 <= value <= 100:
        raise ValueError("must be 1-100")
    return value


Seconds = Annotated[float, AfterValidator(_seconds)]
Count = Annotated[int, AfterValidator(_count)]


class ControllerConfig(BaseModel):
    """``retry_*`` are the waits after a failed delivery, doubled from the first to the longest;
    an anchor is laid down every ``anchor_entries`` journal entries, or ``anchor_hours``;
    ``rollout_runs`` are the runs of rollouts that one process (this or a worker) has at once;
    with ``warm_runs`` it keeps a process from which runs start sooner (ADR 0018)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    listen: Annotated[str, AfterValidator(_listen)] = LISTEN
    retry_first_seconds: Seconds = 1
    retry_longest_seconds: Seconds = 300
    anchor_entries: Count = 1000
    anchor_hours: Count = 24
    anchor_file: SitePath | None = None
    rollout_runs: Annotated[int, AfterValidator(_lanes)] = 8
    warm_runs: bool = True

    @property
    def retry_first(self) -> timedelta:
        """The wait after the first failure."""
        return timedelta(seconds=self.retry_first_seconds)

    @property
    def retry_longest(self) -> timedelta:
        """The longest wait."""
        return timedelta(seconds=self.retry_longest_seconds)
