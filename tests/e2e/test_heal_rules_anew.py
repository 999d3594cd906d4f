# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a site: what is wrong with them stops decisions and nothing else, and a change of their
files counts; `heal test` says what would happen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from storewarden.cli.exits import Exit
from storewarden.cli.heal import heal
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.healing.alert import Delivery
from storewarden.domain.healing.record import Stage, Verdict
from storewarden.testing.conformance_alerts import alert
from storewarden.wiring import Site
from storewarden.wiring.heal_duty import RuledDuty
from storewarden.wiring.healing import Healing, explained
from tests.e2e.change_service import lay_out, site_in

pytestmark = pytest.mark.slow

SETTINGS = """\
healing:
  rules: rules.yml
  sources:
    shop:
      kind: alertmanager
      auth: {type: bearer, secrets: [env:NONE]}
"""
INVENTORY = """\
{"all": {"hosts": ["pos01.000101"]}, "_meta": {"hostvars": {"pos01.000101": {
  "sw_region": "east", "sw_role": "pos", "sw_tier": "ordinary", "sw_tz": "Asia/Shanghai",
  "sw_store": "000101", "sw_ci": "POS-0101-01"}}}}
"""
RULES = """\
rules:
  - name: till
    match: alertname="PosDown"
    action: ACTION
    target: {name: "{host}"}
    options: {unit: pos.service}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with tills and one rule, which is wrong."""
    lay_out(tmp_path, SETTINGS)
    (tmp_path / "rules.yml").write_text(RULES)
    with site_in(tmp_path) as opened:
        yield opened


def mended(folder: Path) -> None:
    """The rule names an action that there is."""
    (folder / "rules.yml").write_text(RULES.replace("ACTION", "service"))


def test_a_mistake_in_the_rules_stops_decisions_alone_until_it_is_mended(
    site: Site, tmp_path: Path
) -> None:
    duty = RuledDuty(Healing(site), lambda _kind, _key, _body: None)
    site.ledger.alerts.receive(Delivery(source="shop", alerts=(alert(),)), site.clock.now())
    with pytest.raises(ConfigInvalid, match=r"rules\.yml"):
        duty.tick(site.clock.now())
    mended(tmp_path)
    duty.tick(site.clock.now())
    (occurrence,) = site.ledger.alerts.occurrences()
    assert occurrence.stage is not Stage.RECEIVED


def test_an_inventory_that_cannot_be_read_keeps_no_incident_from_being_opened(site: Site) -> None:
    for place in site.config.inventory:
        place.unlink()
    assert Healing(site).incident_facts.devices() == {}


def test_the_inventory_is_read_before_the_first_alert_comes(tmp_path: Path) -> None:
    lay_out(tmp_path, SETTINGS)
    told, script = tmp_path / "asked", tmp_path / "hosts.yml"
    script.write_text(f"#!/bin/sh\necho asked >> {told}\necho '{INVENTORY}'\n")
    script.chmod(0o755)
    mended(tmp_path)
    with site_in(tmp_path) as site:
        healing = Healing(site)
        duty = RuledDuty(healing, lambda _kind, _key, _body: None)
        duty.tick(site.clock.now())
        until = time.monotonic() + 60
        while not told.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        duty.tick(site.clock.now())
        assert [each.name for each in healing.estate().devices] == ["pos01.000101"]
        assert told.read_text() == "asked\n", "once: what was read ahead"


def test_a_payload_of_last_year_is_explained_as_if_it_came_now(site: Site, tmp_path: Path) -> None:
    mended(tmp_path)
    told = {
        "status": "firing",
        "labels": {"alertname": "PosDown", "host": "pos01.000101"},
        "startsAt": datetime(2025, 11, 1, tzinfo=UTC).isoformat(),
        "fingerprint": "f1",
    }
    body = json.dumps({"version": "4", "status": "firing", "alerts": [told]}).encode()
    (found,) = explained(site, "shop", body)
    assert found.first is not None and found.first.verdict is Verdict.WAIT
    assert found.explanation.decision.verdict is Verdict.OBSERVE
    (old,) = explained(site, "shop", body, as_sent=True)
    assert any("begins more than" in each.en for each in old.explanation.steps)
    (tmp_path / "payload.json").write_bytes(body)
    assert "begins more than" in heal_test(tmp_path, "--as-sent")
    assert site.ledger.alerts.occurrences() == ()


def heal_test(folder: Path, *more: str) -> str:
    """What `heal test` says of the payload there."""
    words = ["test", str(folder / "payload.json"), "--config", str(folder / "storewarden.yml")]
    done = CliRunner().invoke(heal, [*words, "--lang", "en", *more], standalone_mode=False)
    assert done.return_value == Exit.FINE, done.output
    return done.stdout
