# SPDX-License-Identifier: GPL-3.0-or-later
"""A store's server with PostgreSQL and MariaDB, prepared by the roles under plain ansible-playbook,
as a site whose backups go to a second medium."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.audit_cli import Done, Place
from tests.e2e.change_service import PEOPLE, Service, serving
from tests.lab.fleet import LabHost

SECRET = "Ladder-Tractor-Umbrella-42"
POSTGRESQL, MARIADB = "shop-postgresql", "shop-mariadb"
_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 600.0
_POLICIES = """
policies:
  - id: shop-postgresql
    tier: ordinary
    method: pgbackrest
    select: {hosts: [%(host)s]}
    source: {cluster: 15/main, databases: [shop]}
    copies: &copies [{location: store}, {location: second}, {location: third}]
  - id: shop-mariadb
    tier: ordinary
    method: mariadb
    select: {hosts: [%(host)s]}
    source: {heartbeat: {table: shop.beat, column: at}}
    copies: *copies
"""
_SETTINGS: dict[str, Any] = {
    "policies": "policies.yml",
    "locations": {
        "store": {"medium": "ssd", "credentials": "store"},
        "second": {
            "kind": "path", "medium": "usb", "credentials": "store", "folder": "/mnt/second",
        },
        "third": {"kind": "path", "medium": "nas", "credentials": "hub", "folder": "/mnt/third"},
    },
    "secrets": {"repository": "file:secret"},
}  # fmt: skip
_SHOP = """
set -e
mkdir -p /mnt/second && mount -t tmpfs tmpfs /mnt/second
runuser -u postgres -- psql -Xqc 'CREATE DATABASE shop'
runuser -u postgres -- psql -Xqd shop -c 'CREATE TABLE sale (id int PRIMARY KEY, note text)' \
  -c "INSERT INTO sale SELECT i, 'sold ' || i FROM generate_series(1, 5000) i"
mariadb -e "CREATE DATABASE shop; USE shop; CREATE TABLE shop.sale (id int PRIMARY KEY, note text);
  CREATE TABLE shop.beat (at datetime NOT NULL); INSERT INTO shop.beat VALUES (utc_timestamp());
  INSERT INTO shop.sale SELECT seq, concat('sold ', seq) FROM seq_1_to_5000"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases:
    """The host and the site that backs it up."""

    host: LabHost
    place: Place
    service: Service

    def sh(self, script: str) -> str:
        """Shell on the host, as root."""
        return self.host.run(script, user="root").stdout.strip()

    def pg(self, sql: str) -> str:
        """PostgreSQL's answer; the database is ``shop``."""
        return self.sh(f"runuser -u postgres -- psql -XAtqd shop -c {json.dumps(sql)} </dev/null")

    def my(self, sql: str) -> str:
        """MariaDB's answer; the database is ``shop``."""
        return self.sh(f"mariadb -BN shop -e {json.dumps(sql)}")

    def cli(self, *argv: str, token: str = "") -> Done:
        """``storewarden`` with ``argv``, on account of the person ``token``."""
        more = ("--token-file", str(self.service.token_file(token))) if token else ()
        done = self.place.run(*argv, *more)
        assert "Traceback" not in done.err, done.err
        assert SECRET not in done.out + done.err
        return done

    def told(self, *argv: str, code: int = 0) -> Any:
        """Its JSON."""
        done = self.cli(*argv, "--json")
        assert done.code == code, (argv, done.out, done.err)
        return json.loads(done.out)

    def take(self, policy: str, kind: str) -> str:
        """A set of exactly this kind; its name in the catalog."""
        words = ("backup", "run", self.host.name, "--policy", policy, "--kind", kind)
        (one,) = self.told(*words)
        assert one["end"] == "done", one
        shown = self.told("backup", "show", one["set"])
        assert shown["kind"] == kind, shown
        return str(one["set"])

    def change(self) -> str:
        """An approved change over the host that may be worked on at this hour."""
        body = {
            "summary": "Restore the shop", "kind": "standard", "risk": "low", "reason": "lost",
            "hosts": [self.host.name], "operation": "configuration", "plan": "restore",
            "rollback": {"trigger": "no sale", "steps": "restore", "owner": "op.one"},
        }  # fmt: skip
        number = str(self.service.post("op.one", "/changes", body).json()["change"]["number"])
        path = f"/changes/{number}"
        ends = (datetime.now(UTC) + timedelta(hours=12)).isoformat()
        asked = {"reason": "the test runs at any hour", "expires": ends}
        assert self.service.post("op.one", f"{path}/override", asked).status_code == 200
        for person in ("lead", "sec"):
            assert self.service.post(person, f"{path}/override/approve", {}).status_code == 200
        assert self.service.post("head", f"{path}/approve", {}).status_code == 200
        return number


def role_play(host: LabHost, folder: Path) -> str:
    """The roles, as somebody without storewarden would apply them; what ansible-playbook said."""
    play = folder / "prepare.yml"
    roles = ("backup_agent", "backup_postgresql", "backup_mariadb")
    play.write_text(json.dumps([{
        "hosts": host.name, "become": True, "gather_facts": False,
        "roles": [f"storewarden.ops.{role}" for role in roles],
        "vars": {
            "backup_agent_methods": ["pgbackrest", "mariadb"],
            "backup_postgresql_policy": POSTGRESQL, "backup_postgresql_pass": SECRET,
            "backup_postgresql_restart": True, "backup_mariadb_policy": MARIADB,
            "backup_mariadb_password": SECRET,
        },
    }]))  # fmt: skip
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), str(play), "-i",
         str(host.lab.inventory_path)],
        env={**os.environ, "ANSIBLE_CONFIG": str(_ROOT / "ansible.cfg"),
             "ANSIBLE_HOME": str(folder / "home")},
        cwd=_ROOT, check=False, timeout=_PATIENCE, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert SECRET not in done.stdout
    return done.stdout


@contextmanager
def databases(host: LabHost, folder: Path) -> Iterator[Databases]:
    """The site, with a shop in both databases and the second medium mounted."""
    host.run(_SHOP, user="root")
    settings = {
        "state_dir": str(folder / "state"),
        "inventory": [str(host.lab.inventory_path)],
        "people": {"file": "people.yml"},
        "backup": _SETTINGS,
    }
    (folder / "storewarden.yml").write_text(json.dumps(settings))
    (folder / "people.yml").write_text(PEOPLE)
    (folder / "policies.yml").write_text(_POLICIES % {"host": host.name})
    (folder / "secret").write_text(SECRET + "\n")
    (folder / "secret").chmod(0o600)
    with serving(folder) as service:
        yield Databases(host=host, place=Place(folder), service=service)
    host.run("umount /mnt/second; true", user="root", check=False)
