# SPDX-License-Identifier: GPL-3.0-or-later
"""A real controller opens the incident of an alert that nobody may repair, and follows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storewarden.config import load_config
from storewarden.domain.healing.alert import Alert, Delivery, Signal
from storewarden.domain.healing.incident import Incident, IncidentState, Needs
from storewarden.wiring.controller import Controller
from tests.e2e.change_service import lay_out

pytestmark = pytest.mark.slow

SETTINGS = """\
healing:
  rules: rules.yml
  actions: {service: {mode: auto}}
  policy: {hold_down: 0}
  incidents: {depends: {POS-0101-01: [SHOP-0101]}}
  sources:
    shop:
      kind: alertmanager
      auth: {type: bearer, secrets: [env:NONE]}
"""
RULES = """\
rules:
  - name: till
    match: alertname="PosDown"
    action: service
    target: {name: "{host}"}
    options: {unit: pos.service}
    impact: high
"""


def _when(controller: Controller, holds: Callable[[Incident], bool]) -> Incident:
    """The incident, as soon as it is so."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        found = controller.site.ledger.incidents.incidents()
        if found and holds(found[0]):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(found)


def test_an_alert_that_no_change_covers_is_an_incident_until_it_is_over(tmp_path: Path) -> None:
    lay_out(tmp_path, SETTINGS)
    (tmp_path / "rules.yml").write_text(RULES)
    with Controller(load_config(tmp_path / "storewarden.yml", {}, tmp_path)) as controller:
        clock, alerts = controller.site.clock, controller.site.ledger.alerts
        alert = Alert(
            source="shop",
            fingerprint="f",
            starts_at=clock.now(),
            signal=Signal.FIRING,
            name="PosDown",
            labels={"alertname": "PosDown", "host": "pos01.000101"},
        )
        alerts.receive(Delivery(source="shop", alerts=(alert,)), clock.now())
        controller.start()
        incident = _when(controller, lambda each: each.state is IncidentState.OPEN)
        assert incident.needs is Needs.PERSON and incident.priority.value == "high"
        assert incident.items == ("POS-0101-01",) and incident.dependents == ("SHOP-0101",)
        over = replace(alert, signal=Signal.RESOLVED)
        alerts.receive(Delivery(source="shop", alerts=(over,)), clock.now())
        solved = _when(controller, lambda each: each.state is IncidentState.SOLVED)
        assert solved.number == incident.number and not solved.verified
        assert controller.site.ledger.verify().problems == ()
