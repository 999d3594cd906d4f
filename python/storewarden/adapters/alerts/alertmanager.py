# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' Alertmanager, webhook format 4.

The same alert comes again at every ``repeat_interval`` and once for each route that fits; it has
the same fingerprint and beginning then. ``truncatedAlerts`` of a group were left out because of
``max_alerts``: only its API knows them.
"""

from __future__ import annotations

from datetime import datetime

from storewarden.adapters.alerts.groups import read_group
from storewarden.adapters.alerts.settings import SenderSettings
from storewarden.domain.healing.alert import Delivery


class Settings(SenderSettings):
    """Nothing to be set: its times have a zone."""


class AlertmanagerReader:
    """Reads groups."""

    kind = "alertmanager"

    def read(self, source: str, body: bytes, now: datetime) -> Delivery:  # noqa: ARG002 - the port
        """Every alert of the group. Raises AlertsMalformed."""
        return read_group(source, body)


def reader(settings: Settings) -> AlertmanagerReader:  # noqa: ARG001 - as every kind's
    """The reader."""
    return AlertmanagerReader()
