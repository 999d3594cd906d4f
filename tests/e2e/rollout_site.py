# SPDX-License-Identifier: GPL-3.0-or-later
"""A site whose stores are lab hosts, each a store of its own with a small service, and a real
controller in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from storewarden.domain.change.commands import Approve, ApproveOverride, AskOverride
from storewarden.domain.change.record import Kind, Risk, RollbackPlan
from storewarden.domain.rollout.record import Rollout
from storewarden.flows.change_desk import ChangeDesk, ChangeRequest
from storewarden.wiring import Site
from tests.e2e.change_service import PEOPLE, token_for
from tests.e2e.serve_site import Service
from tests.lab.fleet import Lab, LabHost

PORT = 8099
CONF = "/etc/pos-demo/till.conf"
UNIT = "pos-demo.service"
_SERVER = f"""\
import http.server, pathlib
class Till(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = pathlib.Path({CONF!r}).read_text()
        self.send_response(200 if "prices = on" in text else 500)
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", {PORT}), Till).serve_forever()
"""
_SERVICE = """\
[Unit]
Description=A till for tests
[Service]
ExecStart=/usr/bin/python3 /opt/pos-demo.py
ExecReload=/bin/true
"""
_LAY_OUT = f"""\
mkdir -p /etc/pos-demo
cat > /opt/pos-demo.py <<'END'
{_SERVER}END
cat > /etc/systemd/system/{UNIT} <<'END'
{_SERVICE}END
printf 'version = 1\\nprices = on\\n' > {CONF}
systemctl daemon-reload
systemctl start {UNIT}
"""


@dataclass(slots=True)
class RolloutSite:
    """The folder of a site, its controller, and the hosts that are its stores."""

    service: Service
    hosts: Sequence[LabHost]
    site: Site
    _count: int = field(default=0)

    @property
    def folder(self) -> Path:
        """Where ``storewarden.yml`` lies."""
        return self.service.folder

    def change(self) -> str:
        """A change over all hosts, approved, that may begin at this hour; its number."""
        self._count += 1
        key, desk = f"rollout-{self._count}", self._desk("op.one")
        request = ChangeRequest(
            summary="Till settings",
            kind=Kind.STANDARD,
            risk=Risk.LOW,
            reason="prices",
            hosts=tuple(host.name for host in self.hosts),
            plan="storewarden rollout start",
            rollback=RollbackPlan(trigger="no prices", steps="by itself", owner="op.one"),
            operation="configuration",
        )
        number = desk.open(key, request).number
        expires = datetime.now(UTC) + timedelta(hours=6)
        desk.act(number, key, AskOverride(reason="a test runs at any hour", expires=expires))
        for person in ("lead", "sec"):
            self._desk(person).act(number, key, ApproveOverride())
        self._desk("head").act(number, key, Approve())
        return number

    def file(self, settings: str, *, within: int = 60) -> Path:
        """A rollout file that puts ``settings`` on every till, whose service has to answer
        ``within`` seconds. No dead man fires while a slow machine is still at it."""
        body = {
            "payload": "config",
            "options": {
                "files": [{"dest": CONF, "content": settings}],
                "restart": [UNIT],
                "probes": [
                    {"name": "till", "kind": "http", "url": f"http://127.0.0.1:{PORT}/"},
                ],
                "within": within,
            },
            "waves": ["1 store", "rest at once"],
            "soak": {"wall": "3s", "trading": "0"},
            "gates": ["probe"],
            "salt": "lab",
            "budgets": {"region": "100%", "single_consent": True},
            "deadline": "10m",
        }
        path = self.folder / "rollout.yml"
        path.write_text(yaml.safe_dump(body))
        return path

    def start(self, change: str, file: Path) -> str:
        """`storewarden rollout start`; the rollout's number."""
        done = self.cli("rollout", "start", str(file), "--change", change, "--json")
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["rollout"])

    def cli(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """The command line of op.one."""
        token = self.folder / "op.one.token"
        if not token.exists():
            token.touch(mode=0o600)
            token.write_text(token_for(self.site, "op.one") + "\n")
        return self.service.run(*argv, "--token-file", str(token))

    def rollout(self, number: str) -> Rollout:
        """As it stands in the ledger."""
        found = self.site.ledger.rollouts.rollout(number)
        assert found is not None
        return found

    def settings(self) -> dict[str, str]:
        """What every till says of itself now."""
        return {
            host.name: host.run(f"curl -s http://127.0.0.1:{PORT}/ || cat {CONF}").stdout
            for host in self.hosts
        }

    def _desk(self, person: str) -> ChangeDesk:
        found = self.site.people.person(person)
        assert found is not None
        return self.site.change_desk(found)


@contextmanager
def rollout_site(lab: Lab, hosts: Sequence[LabHost], folder: Path) -> Iterator[RolloutSite]:
    """The site with its controller running; the hosts have their service."""
    for host in hosts:
        host.run(_LAY_OUT, user="root")
    service = Service(folder)
    stores = {
        host.name: {
            "sw_store": f"{number:06d}",
            "sw_role": "till",
            "sw_failure_groups": [],
            "sw_hours": "closed",
        }
        for number, host in enumerate(hosts, 1)
    }
    (folder / "stores.yml").write_text(yaml.safe_dump({"all": {"hosts": stores}}))
    (folder / "people.yml").write_text(PEOPLE)
    service.settings(
        inventory=[str(lab.inventory_path), "stores.yml"], people={"file": "people.yml"}
    )
    site = service.site()
    try:
        service.start()
        yield RolloutSite(service=service, hosts=hosts, site=site)
    finally:
        service.kill()
        site.close()
