# SPDX-License-Identifier: GPL-3.0-or-later
"""An action earns mode auto by its runs, acts alone, and loses it again by a run that failed.

Through the service, on two real hosts. The number of runs is the site's own; that it is twenty by
default, and the share of verified ones, is ``tests/unit/healing``'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from storewarden.domain.healing.record import End, Occurrence, Stage
from tests.e2e.heal_site import UNIT, HealSite, alert, lay_out
from tests.lab.fleet import Lab, LabHost

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.lab]

_POS = """[Service]
ExecStartPre=/bin/sh -c '! test -e /srv/broken'
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
# Two hosts are repaired again and again here; a site has more of them.
_OFTEN = {"cooldown": 0, "per_6h": 99, "hosts_10min": 99, "hosts_hour": 99, "hosts_day": 99}
_POLICY = {"hold_down": 0, "poll": 1, "promotion_runs": 2, **_OFTEN}


class Tills:
    """A site with two tills, whose service dies when a test says so."""

    def __init__(self, heal: HealSite) -> None:
        self.heal = heal

    def dies(self, host: LabHost) -> datetime:
        """Its service is killed, and somebody says so; when that was."""
        begun = datetime.now(UTC)
        host.run(f"systemctl kill --signal=KILL {UNIT}", user="root")
        assert self.heal.send(alert(host, begun)).json()["new"] == 1
        return begun

    def repaired(self, host: LabHost, begun: datetime) -> Occurrence:
        """From the repair to the end of its alert."""
        self.heal.comes_to(Stage.VERIFYING)
        assert host.run(f"systemctl is-active {UNIT}").stdout.strip() == "active"
        self.heal.send(alert(host, begun, over=True))
        return self.heal.comes_to(Stage.HEALED)

    def asked(self, host: LabHost) -> Occurrence:
        """Somebody is asked, and nothing was touched."""
        found = self.heal.comes_to(Stage.ASKING)
        assert host.run(f"systemctl is-active {UNIT}", check=False).stdout.strip() != "active"
        return found

    def mode(self, mode: str) -> None:
        """A person sets the action's mode, and starts the controller with it."""
        path = self.heal.service.folder / "storewarden.yml"
        settings = yaml.safe_load(path.read_text())
        settings["healing"]["actions"]["service"]["mode"] = mode
        path.write_text(yaml.safe_dump(settings))
        self.heal.service.kill()
        self.heal.service.start()

    def earned(self) -> list[str]:
        """Actions of which ``heal statistics`` says that they have earned auto."""
        done = self.heal.service.run("heal", "statistics", "--json")
        return [str(each["action"]) for each in json.loads(done.stdout)["earned_auto"]]


@pytest.fixture
def tills(lab: Lab, tmp_path: Path) -> Iterator[Tills]:
    hosts = [host for host in lab.hosts if host.role == "pos"][:2]
    for host in hosts:
        host.reset()
        host.write(f"/etc/systemd/system/{UNIT}", _POS)
        host.run(f"systemctl daemon-reload && systemctl enable --now {UNIT}", user="root")
    often = {host.name: {"heal_service_max_restarts": 99} for host in hosts}
    service = lay_out(tmp_path / "site", hosts, often, policy=_POLICY)
    with service.site() as site:
        service.start()
        try:
            heal = HealSite(service, site, hosts)
            heal.standing_change()
            yield Tills(heal)
        finally:
            service.kill()
    for host in hosts:
        host.reset()


def test_promoted_by_its_runs_and_demoted_by_one_that_failed(tills: Tills) -> None:
    heal, (first, second) = tills.heal, tills.heal.hosts
    for runs, host in enumerate((first, second)):
        begun = tills.dies(host)
        assert tills.earned() == [], f"{runs} runs are not enough"
        heal.cli("heal", "approve", tills.asked(host).key[:12])
        assert tills.repaired(host, begun).granted == "head"
    assert tills.earned() == ["service"]

    tills.mode("auto")
    alone = tills.repaired(first, tills.dies(first))
    assert alone.granted == "", "nobody was asked"
    assert [each.stage for each in heal.alerts()] == [Stage.HEALED] * 3

    # What it does does not help this time: a person has it, and is asked from now on.
    second.run("touch /srv/broken", user="root")
    tills.dies(second)
    failed = heal.comes_to(Stage.ESCALATED)
    repair = heal.site.ledger.alerts.repair(failed.repair)
    assert repair is not None, heal.story()
    assert [each.end for each in repair.ends] == [End.FAILED]
    tills.mode("auto")  # as it was; the record is counted anew
    begun = tills.dies(first)
    asked = tills.asked(first)
    assert asked.decision is not None
    (why,) = [each.en for each in asked.decision.reasons if each.guard == "mode"]
    assert why.startswith("service has not earned mode auto: 3 of 4 runs verified, 2 runs and 95 %")
    heal.cli("heal", "approve", asked.key[:12])
    assert tills.repaired(first, begun).granted == "head"

    # Observe is the other way down: it says what it would have done.
    tills.mode("observe")
    second.run(f"rm /srv/broken; systemctl restart {UNIT}", user="root")
    tills.dies(second)
    observed = heal.comes_to(Stage.OBSERVED)
    assert observed.repair == ""
    assert heal.site.ledger.verify().problems == ()
