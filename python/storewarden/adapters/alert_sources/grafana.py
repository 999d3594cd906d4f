# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Grafana's own alerting, which has Alertmanager's API below a path of its own.

``url`` is Grafana's; ``token`` is a service account's that may read alerts.
"""

from __future__ import annotations

from storewarden.adapters.alert_sources import alertmanager
from storewarden.adapters.alert_sources.alertmanager import AlertmanagerSource, Settings
from storewarden.ports.secrets import Secrets

__all__ = ["Settings", "connect"]

_BELOW = "/api/alertmanager/grafana"


def connect(name: str, settings: Settings, secrets: Secrets) -> AlertmanagerSource:
    """The source; nothing is asked yet."""
    below = settings.model_copy(update={"url": f"{settings.url}{_BELOW}"})
    return alertmanager.connect(name, below, secrets)
