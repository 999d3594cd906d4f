# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an Alertmanager (``/api/v2/alerts``; Grafana's own has the same below
``/api/alertmanager/grafana``).

Silenced and inhibited alerts are there but call nobody, so they come as noted: neither firing nor
over. An alert that no route has looked at yet will be sent in a moment; it is noted too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from storewarden.adapters.alert_shapes import prometheus_alert
from storewarden.adapters.alert_sources.line import Line, LineSettings
from storewarden.adapters.alert_texts import Unfit
from storewarden.domain.errors import AdapterError
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.ports.secrets import Secrets

_PATH = "/api/v2/alerts"
_ALL = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}


class Settings(LineSettings):
    """``receiver`` is the name of our receiver there: only what is routed to it is ours. Empty:
    every alert is."""

    receiver: str = ""


class AlertmanagerSource:
    """One Alertmanager."""

    def __init__(self, name: str, settings: Settings, line: Line) -> None:
        self.name = name
        self._receiver = settings.receiver
        self._line = line

    def firing(self, now: datetime) -> Delivery:  # noqa: ARG002 - the port
        """Everything that is there. Raises AdapterError, ConfigInvalid."""
        query = dict(_ALL)
        if self._receiver:
            query["receiver"] = f"^{re.escape(self._receiver)}$"
        found = self._line.ask("GET", _PATH, query=query, bearer=self._line.token())
        if not isinstance(found, list):
            raise AdapterError("answered no list of alerts", where=self._line.where)
        alerts, ignored = list[Alert](), list[str]()
        for number, told in enumerate(found):
            try:
                alert = self._alert(told)
            except Unfit as why:
                ignored.append(f"alert {number}: {why}")
                continue
            alerts.append(alert)
            if alert.signal is Signal.NOTED:
                ignored.append(f"{alert.name or alert.fingerprint}: {_quiet(told)}")
        return Delivery(source=self.name, alerts=tuple(alerts), ignored=tuple(ignored))

    def _alert(self, told: object) -> Alert:
        if not isinstance(told, Mapping):
            raise Unfit("is no object")
        firing = _state(told).get("state") == "active"
        return prometheus_alert(self.name, told, Signal.FIRING if firing else Signal.NOTED)


def _state(told: Mapping[str, Any]) -> Mapping[str, Any]:
    state = told.get("status")
    return state if isinstance(state, Mapping) else {}


def _quiet(told: Mapping[str, Any]) -> str:
    state = _state(told)
    if state.get("silencedBy"):
        return "silenced"
    return "inhibited" if state.get("inhibitedBy") else "not routed yet"


def connect(name: str, settings: Settings, secrets: Secrets) -> AlertmanagerSource:
    """The source; nothing is asked yet."""
    line = Line(f"healing.sources.{name}.poll", settings, secrets)
    return AlertmanagerSource(name, settings, line)
