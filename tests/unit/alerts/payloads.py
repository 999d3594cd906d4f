# SPDX-License-Identifier: GPL-3.0-or-later
"""What real senders have sent: captured from Alertmanager 0.25 and Zabbix 6.0, written after the
manual for Grafana."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from storewarden.adapters.alerts import alert_reader
from storewarden.domain.healing.alert import Delivery
from storewarden.testing.conformance_alerts import NOW

_FOLDER = Path(__file__).resolve().parents[2] / "payloads"

SINGLE = "alertmanager/01-single-firing.json"
REPEAT = "alertmanager/02-repeat-same-fingerprint.json"
GROUP = "alertmanager/03-group-two-pos-one-store-firing.json"
TRUNCATED = "alertmanager/04-group-truncated-max_alerts2-of-3.json"
PARTIAL = "alertmanager/05-partial-one-resolved-one-firing.json"
RESOLVED = "alertmanager/06-single-resolved.json"
NEVER_SEEN = "alertmanager/07-group-resolved-contains-alert-never-seen-firing.json"
API = "alertmanager/api-v2-alerts.json"
PROBLEM, RECOVERY, ACKNOWLEDGED = (
    "zabbix/problem.json",
    "zabbix/recovery.json",
    "zabbix/update-ack.json",
)
GRAFANA = "grafana/firing-and-resolved.json"


def payload(name: str) -> bytes:
    """The body as it was sent."""
    return (_FOLDER / name).read_bytes()


def data(name: str) -> Any:
    """The same, read."""
    return json.loads(payload(name))


def changed(name: str, **fields: object) -> bytes:
    """The body with other fields at its top."""
    return json.dumps({**data(name), **fields}).encode()


def read(kind: str, body: bytes, **values: object) -> Delivery:
    """What the reader of ``kind`` makes of a body; the source is called "shop"."""
    return alert_reader(kind, values, "healing.sources.shop").read("shop", body, NOW)
