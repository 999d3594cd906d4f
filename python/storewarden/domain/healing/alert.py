# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts as all senders have them in common, and what one request of a sender brings.

A group is not an alert, a repetition is not a second fault, and an acknowledgement is not a new
problem: senders say all of these in nearly the same words. Readers (``adapters/alerts``) take the
words apart; from here on there are only single alerts with a key of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

OWN = "storewarden"
"""The source of alerts that nobody sent: what storewarden itself found to be missing."""

FAULT = "fault"
"""The label of our own alerts that names what they have in common: one incident for all of it."""


class Signal(StrEnum):
    """What is said of an alert."""

    FIRING = "firing"  # it is on
    RESOLVED = "resolved"  # it is over; perhaps nobody ever said that it was on
    NOTED = "noted"  # somebody acknowledged or commented on it: nothing new is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as one request says it. Texts are data from outside: shown, matched, never run.

    ``source`` is the name of the configured source; ``fingerprint`` the sender's own identity of
    the alert (Alertmanager: hash over the labels; Zabbix: the event's id). ``starts_at`` and
    ``ends_at`` are UTC. ``expression`` is the alert's own query (PromQL), "" when it is not known.
    ``once``: the fingerprint never comes again (Zabbix: an event's id), so it alone is the
    occurrence, however its sender spells the time.
    """

    source: str
    fingerprint: str
    starts_at: datetime
    signal: Signal
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ends_at: datetime | None = None
    expression: str = ""
    url: str = ""
    once: bool = False

    @property
    def key(self) -> str:
        """Which occurrence it speaks of: the same alert later again is another one.

        64 hexadecimal digits (reference: guard rails, "Dedupe").
        """
        began = "" if self.once else self.starts_at.isoformat()
        told = "\0".join((self.source, self.fingerprint, began))
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one request brought. ``missing`` alerts were left out by the sender: they have to be
    asked for. ``ignored`` says in words what was not taken as an alert, and why. ``polled``: the
    sender was asked, so it is how things stand now, and no late word."""

    source: str
    alerts: tuple[Alert, ...]
    missing: int = 0
    ignored: tuple[str, ...] = ()
    polled: bool = False
