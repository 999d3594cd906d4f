# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of alerts, as Alertmanager and Grafana post them.

The group's own status says nothing about its alerts: a group that fires holds alerts that are over,
and some that nobody has seen firing. So each alert counts by its own word, and one that cannot be
read does not take the others with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storewarden.adapters import alert_texts
from storewarden.adapters.alert_shapes import prometheus_alert
from storewarden.adapters.alert_texts import Unfit
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.ports.alerts import AlertsMalformed

_MOST_MISSING = 1_000_000
_WORDS = {"firing": Signal.FIRING, "resolved": Signal.RESOLVED}


def read_group(source: str, body: bytes) -> Delivery:
    """Every alert of a group, by itself. Raises AlertsMalformed."""
    told = alert_texts.read_object(body)
    found = told.get("alerts")
    if not isinstance(found, list):
        raise AlertsMalformed("is no list", where="body: alerts")
    alerts, ignored = list[Alert](), list[str]()
    for number, each in enumerate(found):
        try:
            alerts.append(_alert(source, each))
        except Unfit as why:
            ignored.append(f"alerts[{number}]: {why}")
    return Delivery(
        source=source,
        alerts=tuple(alerts),
        missing=_left_out(told.get("truncatedAlerts")),
        ignored=tuple(ignored),
    )


def _alert(source: str, told: object) -> Alert:
    if not isinstance(told, Mapping):
        raise Unfit("is no object")
    word: Any = told.get("status")
    signal = _WORDS.get(word) if isinstance(word, str) else None
    if signal is None:
        raise Unfit("its status is neither firing nor resolved")
    return prometheus_alert(source, told, signal)


def _left_out(told: object) -> int:
    if isinstance(told, bool) or not isinstance(told, int):
        return 0
    return min(max(told, 0), _MOST_MISSING)
