# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a site: what is wrong with them stops decisions and nothing else, and a change of their
files counts; `heal test` says what would happen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

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
    assert site.ledger.alerts.occurrences() == ()
