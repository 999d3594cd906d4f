# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that heals lab hosts: a controller, a sender of alerts, a rule and a standing change."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from storewarden.domain.change.commands import Approve
from storewarden.domain.change.record import Kind, Risk, RollbackPlan, Standing
from storewarden.domain.healing.record import Occurrence, Stage
from storewarden.flows.change_desk import ChangeRequest
from storewarden.wiring import Site
from tests.e2e.change_service import PEOPLE, token_for
from tests.e2e.serve_site import Service, until
from tests.lab.fleet import LabHost
from tests.lab.shape import connection

UNIT = "pos.service"
SECRET = "a-sender-of-alerts"
_RULES = [
    {
        "name": "till service down",
        "match": ['alertname="PosDown"'],
        "action": "service",
        "target": {"name": "{host}"},
        "options": {"unit": "{unit}"},
        "impact": "high",
    }
]


@dataclass(slots=True)
class HealSite:
    """The folder of a site with its controller; ``site`` is open beside it, for one thread."""

    service: Service
    site: Site
    hosts: Sequence[LabHost]

    def standing_change(self, action: str = "service", hosts: Sequence[str] = ()) -> str:
        """An approved standing change for an action over all hosts (or over ``hosts``, as a person
        names them); its number."""
        people = {name: self.site.people.person(name) for name in ("op.one", "head")}
        assert all(people.values())
        desk = self.site.change_desk(people["op.one"])  # type: ignore[arg-type]
        request = ChangeRequest(
            summary=f"heal {action}",
            kind=Kind.STANDARD,
            risk=Risk.LOW,
            reason="a till must sell",
            hosts=tuple(hosts) or tuple(host.name for host in self.hosts),
            plan="storewarden.ops.heal",
            rollback=RollbackPlan(trigger="not well", steps="none", owner="op.one"),
            operation="service-recovery",
            standing=Standing(
                action=f"heal {action}", until=datetime.now(UTC) + timedelta(days=30)
            ),
        )
        number = desk.open(f"standing-{action}", request).number
        head = self.site.change_desk(people["head"])  # type: ignore[arg-type]
        head.act(number, "yes", Approve())
        return number

    def send(
        self,
        *alerts: Mapping[str, Any],
        secret: str = SECRET,
        post: Callable[..., httpx.Response] = httpx.post,
    ) -> httpx.Response:
        """What an Alertmanager would post, with these alerts."""
        body = {
            "version": "4",
            "status": "firing",
            "receiver": "storewarden",
            "groupKey": "{}",
            "truncatedAlerts": 0,
            "alerts": list(alerts),
        }
        headers = {"Authorization": f"Bearer {secret}"}
        url = f"{self.service.url}/hooks/shop"
        return post(url, json=body, headers=headers, timeout=60.0)

    def alerts(self) -> tuple[Occurrence, ...]:
        """What the ledger knows, newest first."""
        return self.site.ledger.alerts.occurrences()

    def comes_to(self, *stages: Stage) -> Occurrence:
        """Wait until the newest alert is in one of these stages."""
        reached = until(lambda: bool(self.alerts()) and self.alerts()[0].stage in stages)
        assert reached, self.story()
        return self.alerts()[0]

    def cli(self, *words: str) -> Any:
        """A command with the operator's token."""
        token = str(self.service.folder / "head.token")
        done = self.service.run(*words, "--token-file", token, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def story(self) -> str:
        """For a message."""
        told = [f"{each.stage.value} {each.decision}" for each in self.alerts()]
        repairs = [str(each) for each in self.site.ledger.alerts.repairs()]
        return "\n".join(["", *told, *repairs, self.service.log()[-3000:]])


def alert(host: LabHost, begun: datetime, *, over: bool = False) -> dict[str, Any]:
    """One alert about a till's service, as Alertmanager words it."""
    return {
        "status": "resolved" if over else "firing",
        "labels": {"alertname": "PosDown", "host": host.name, "unit": UNIT},
        "annotations": {"summary": "the till {{ 7 * 7 }} does not sell"},
        "startsAt": begun.isoformat(),
        "endsAt": datetime.now(UTC).isoformat() if over else "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
        "fingerprint": f"f-{host.name}",
    }


def lay_out(
    folder: Path,
    hosts: Sequence[LabHost],
    variables: Mapping[str, Mapping[str, object]] | None = None,
    **healing: object,
) -> Service:
    """The site's folder; nothing runs yet. ``variables`` are further ones of hosts, and hosts that
    the inventory has besides."""
    folder.mkdir(parents=True, exist_ok=True)
    inventory = _inventory(hosts)
    for name, more in (variables or {}).items():
        inventory["all"]["hosts"].setdefault(name, {}).update(more)
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    (folder / "people.yml").write_text(PEOPLE)
    (folder / "rules.yml").write_text(yaml.safe_dump({"rules": _RULES}))
    for name, text in (("hook", SECRET),):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    service = Service(folder)
    auth = {"type": "bearer", "secrets": [f"file:{folder / 'hook'}"]}
    service.settings(
        inventory=["hosts.yml"],
        people={"file": "people.yml"},
        # Whatever the hour of the test is, no calendar is against it.
        windows={"forbidden_hours": "closed"},
        healing={
            "sources": {"shop": {"kind": "alertmanager", "auth": auth}},
            "rules": "rules.yml",
            "actions": {"service": {"mode": "approve"}},
            "policy": {"hold_down": 0, "poll": 1},
            **healing,
        },
    )
    with service.site() as site:
        token = folder / "head.token"
        token.touch(mode=0o600)
        token.write_text(token_for(site, "head") + "\n")
    return service


def _inventory(hosts: Sequence[LabHost]) -> dict[str, Any]:
    found = {
        host.name: {
            "ansible_host": host.address,
            "sw_store": f"{number:06d}",
            "sw_region": "east",
            "sw_role": "till",
            "sw_ci": f"CI-{number}",
            "sw_tier": "ordinary",
            "sw_failure_groups": [],
            "sw_tz": "Asia/Shanghai",
            "sw_hours": "closed",
        }
        for number, host in enumerate(hosts, 1)
    }
    reach = connection(hosts[0].lab.places) if hosts else {}
    return {"all": {"vars": reach, "hosts": found}}
