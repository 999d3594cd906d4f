# SPDX-License-Identifier: GPL-3.0-or-later
"""From a sender's request to a till that sells again, through the real service and a real host."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storewarden.domain.healing.record import End, RepairState, Stage
from tests.e2e.heal_site import SECRET, UNIT, HealSite, alert, lay_out
from tests.lab.fleet import LabHost

pytestmark = [pytest.mark.slow, pytest.mark.lab]

_POS = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


@pytest.fixture
def heal_site(lab_host: LabHost, tmp_path: Path) -> Iterator[HealSite]:
    """One till with its service, and a controller that may heal it."""
    lab_host.write(f"/etc/systemd/system/{UNIT}", _POS)
    lab_host.run(f"systemctl daemon-reload && systemctl enable --now {UNIT}", user="root")
    service = lay_out(tmp_path / "site", [lab_host])
    with service.site() as site:
        service.start()
        try:
            yield HealSite(service, site, [lab_host])
        finally:
            service.kill()


def test_a_dead_service_is_repaired_after_somebody_said_yes(heal_site: HealSite) -> None:
    host, begun = heal_site.hosts[0], datetime.now(UTC)
    number = heal_site.standing_change()
    host.run(f"systemctl kill --signal=KILL {UNIT}", user="root")

    assert heal_site.send(alert(host, begun), secret="nobody's").status_code == 401
    answer = heal_site.send(alert(host, begun))
    assert (answer.status_code, answer.json()["new"]) == (200, 1)
    assert heal_site.send(alert(host, begun)).json() == {
        "new": 0, "repeated": 1, "resolved": 0, "ignored": 0, "missing": 0,
    }  # fmt: skip
    asked = heal_site.comes_to(Stage.ASKING)
    assert asked.decision is not None and asked.decision.hosts == (host.name,)
    assert "mode" in {reason.guard for reason in asked.decision.reasons}
    assert host.run(f"systemctl is-active {UNIT}", check=False).stdout.strip() != "active"

    assert heal_site.cli("heal", "approve", asked.key[:12])["granted"] == "head"
    heal_site.comes_to(Stage.VERIFYING)
    assert host.run(f"systemctl is-active {UNIT}").stdout.strip() == "active"
    assert heal_site.send(alert(host, begun, over=True)).json()["resolved"] == 1
    healed = heal_site.comes_to(Stage.HEALED)

    (repair,) = heal_site.site.ledger.alerts.repairs()
    assert (repair.state, repair.change, repair.id) == (RepairState.ENDED, number, healed.repair)
    assert [each.end for each in repair.ends] == [End.REPAIRED]
    assert heal_site.site.ledger.verify().problems == ()
    told = heal_site.service.run("heal", "history", healed.key[:12]).stdout
    assert "healed" in told and host.name in told
    written = "".join(
        path.read_bytes().decode("utf-8", "replace")
        for path in heal_site.service.folder.rglob("*")
        if path.is_file() and path.name not in ("hook", "head.token")
    )
    assert SECRET not in written


def test_without_a_standing_change_a_person_has_it_and_nothing_is_touched(
    heal_site: HealSite,
) -> None:
    host = heal_site.hosts[0]
    host.run(f"systemctl kill --signal=KILL {UNIT}", user="root")
    heal_site.send(alert(host, datetime.now(UTC)))
    found = heal_site.comes_to(Stage.ESCALATED)
    assert found.decision is not None
    assert found.decision.reasons[0].guard == "standing-change"
    assert heal_site.site.ledger.alerts.repairs() == ()
    assert host.run(f"systemctl is-active {UNIT}", check=False).stdout.strip() == "failed"
