# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana's own alerting, webhook format 1.

It speaks as Alertmanager does, with fields of its own around it (``orgId``, ``values``, and
``title``, ``state`` and ``message``, which it calls deprecated). ``generatorURL`` leads to the rule
in Grafana and holds no query; Grafana before 9.4 sends no fingerprint.
"""

from __future__ import annotations

from datetime import datetime

from storewarden.adapters.alerts.groups import read_group
from storewarden.adapters.alerts.settings import SenderSettings
from storewarden.domain.healing.alert import Delivery


class Settings(SenderSettings):
    """Nothing to be set: its times have a zone."""


class GrafanaReader:
    """Reads groups."""

    kind = "grafana"

    def read(self, source: str, body: bytes, now: datetime) -> Delivery:  # noqa: ARG002 - the port
        """Every alert of the group. Raises AlertsMalformed."""
        return read_group(source, body)


def reader(settings: Settings) -> GrafanaReader:  # noqa: ARG001 - as every kind's
    """The reader."""
    return GrafanaReader()
