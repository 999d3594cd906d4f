# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts on their way in: who reads a sender's words, where alerts are kept, who is asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.alert import Alert, Delivery

MOST_ALERTS = 500  # kept in one step (reference: guard rails, "Ingest"); a body is 1 MiB at most
BACKLOG = 10_000  # alerts that are decided about; above it senders are told to come again


class AlertsMalformed(ConfigInvalid):
    """A body that is not what its sender's kind writes; the text says what and where."""


class AlertReader(Protocol):
    """Reads one kind of sender; pure."""

    kind: str
    """The word of the settings and of the path: /hooks/<kind>."""

    def read(self, source: str, body: bytes, now: datetime) -> Delivery:
        """What the request says. Raises AlertsMalformed; anything that a sender of this kind can
        write is no error, however odd."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of a delivery: ``new`` occurrences, ``repeated`` ones that were known,
    ``resolved`` ones that ended by it."""

    new: tuple[str, ...] = ()
    repeated: int = 0
    resolved: tuple[str, ...] = ()


class AlertInbox(Protocol):
    """Where a delivery is kept before its sender is answered."""

    def receive(self, delivery: Delivery, now: datetime) -> Received:
        """Keep it, in one transaction with the journal; the same alerts again change nothing but a
        count. Raises LedgerConflict and AdapterError like the ledger."""
        ...

    def backlog(self) -> int:
        """How many occurrences are decided about, now or later: received, or waiting."""
        ...

    def firing(self, source: str) -> tuple[Alert, ...]:
        """Alerts of a source that nobody has called over yet."""
        ...


class AlertSource(Protocol):
    """A monitoring system that can be asked what fires now: what a webhook lost is found so, and
    whether an alert is really over."""

    name: str

    def firing(self, now: datetime) -> Delivery:
        """Everything that fires at this moment. Silenced and inhibited alerts come as NOTED (and
        are named in ``ignored``): they are not over, and nobody is to be called for them.
        Raises AdapterError when it does not answer."""
        ...


class AlertCheck(Protocol):
    """Whether an alert's own expression still holds."""

    def holds(self, alert: Alert, hosts: tuple[str, ...]) -> Mapping[str, bool | None]:
        """Per host: True while it fires, False when it is quiet, None when nobody can tell."""
        ...
