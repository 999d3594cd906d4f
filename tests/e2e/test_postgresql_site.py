# SPDX-License-Identifier: GPL-3.0-or-later
"""A site whose ledger lies on a PostgreSQL server that asks for a password."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.contract.ledger_postgres import postgres
from tests.e2e.audit_cli import LOCAL
from tests.e2e.change_service import HOSTS, PEOPLE
from tests.e2e.serve_site import Service, until
from tests.servers.desk import Desk, section

pytestmark = pytest.mark.slow

_PASSWORD = "pg-9f3c-not-for-logs"
_NEW = (
    "change", "new", "--summary", "新价格服务", "--kind", "standard", "--risk", "low",
    "--reason", "wrong prices", "--host", "store_000101", "--plan", "install",
    "--rollback", "install 1.4", "--rollback-when", "no sale", "--rollback-by", "op.one",
    "--operation", "service-recovery",
)  # fmt: skip


@dataclass
class Chain(Service):
    """A site on the server at ``address``."""

    address: str = ""

    def lay_out(self, **sections: object) -> None:
        """People, hosts, the password in a file, and settings that name it."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "people.yml").write_text(PEOPLE)
        (self.folder / "people.yml").chmod(0o644)
        (self.folder / "hosts.yml").write_text(HOSTS)
        secret = self.folder / "ledger-password"
        secret.write_text(f"{_PASSWORD}\n")
        secret.chmod(0o600)
        self.settings(
            ledger=self.address,
            secrets={"ledger_password": "file:ledger-password"},
            inventory=["hosts.yml"],
            people={"file": "people.yml"},
            **sections,
        )

    def as_person(self, person: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command with that person's token."""
        file = self.folder / f"{person}.token"
        if not file.exists():
            made = self.run("person", "token", person, "--output", str(file))
            assert made.returncode == 0, made.stderr
        return self.run(*argv, "--token-file", str(file))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres(_PASSWORD) as url:
        yield url


@pytest.fixture
def chain(tmp_path: Path, server: str) -> Iterator[Chain]:
    made = Chain(tmp_path, address=server)
    made.lay_out()
    yield made
    made.kill()


def test_a_change_and_an_audit_on_a_server(chain: Chain, tmp_path: Path) -> None:
    """Opened, approved by another person, mirrored; an audit beside the controller; proven."""
    desk = Desk(tmp_path / "desk.jsonl")
    desk.start()
    try:
        chain.lay_out(tickets=section(desk.port))
        assert chain.run("outbox", "list").stderr.startswith("storewarden: postgresql")
        chain.start("--json")
        opened = chain.as_person("op.one", *_NEW)
        assert opened.returncode == 0, opened.stderr
        number = re.match(r"GMBG-\d{8}-\d{3}", opened.stdout)[0]  # type: ignore[index]
        assert chain.as_person("op.one", "change", "approve", number).returncode == 3
        assert chain.as_person("head", "change", "approve", number).returncode == 0
        assert until(lambda: len(desk.notes().get(number, [])) >= 3)

        here = yaml.safe_dump({"all": {"hosts": {"here": yaml.safe_load(f"{{{LOCAL}}}")}}})
        (tmp_path / "here.yml").write_text(here)
        audited = chain.run("audit", "-i", "here.yml", "--controls", "A01", "--fail-under", "0")
        assert audited.returncode in (0, 1), audited.stderr
        report = chain.run("report", "--format", "json")
        assert json.loads(report.stdout)
        verified = chain.run("ledger", "verify")
        assert (verified.returncode, verified.stdout[:3]) == (0, "OK:")

        checks = json.loads(chain.run("doctor", "--json").stdout)["checks"]
        (ledger,) = [check for check in checks if check["check"] == "ledger"]
        assert (ledger["ok"], ledger["code"]) == (True, "ledger_opens")
        assert chain.end(signal.SIGTERM) == 0
    finally:
        chain.kill()
        desk.kill()
    everything = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not [content for content in everything if _PASSWORD.encode() in content]
    assert _PASSWORD not in chain.log()
    assert not (tmp_path / "state" / "engine.db").exists()


def test_two_machines_have_one_controller(chain: Chain, tmp_path: Path, server: str) -> None:
    """State directories of their own, one ledger: the second is refused until the first ends."""
    second = Chain(tmp_path / "other", address=server)
    second.lay_out()
    try:
        chain.start()
        refused = second.run("serve", "--listen", "127.0.0.1:0")
        assert refused.returncode == 3
        (line,) = refused.stderr.splitlines()
        assert "another controller, perhaps on another machine, works with this ledger" in line
        assert "***" not in line
        assert _PASSWORD not in line
        chain.kill()
        assert until(lambda: _begins(second))
    finally:
        second.kill()


def _begins(service: Service) -> bool:
    """The server notices at once when a process on the same machine dies."""
    try:
        service.start()
    except RuntimeError:
        return False
    return True


def test_backup_and_restore_are_the_servers_own(chain: Chain) -> None:
    with chain.site() as site:
        site.ledger.append("note", {}, run="r", step="s")
    for verb in (("backup", "x.sqlite"), ("restore", "x.sqlite")):
        done = chain.run("ledger", *verb)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "with the server's own tools" in line
    exported = chain.run("ledger", "export", "out.jsonl")
    assert exported.returncode == 0
    assert chain.run("ledger", "check-export", "out.jsonl").stdout.startswith("OK:")


def test_a_wrong_password_is_one_line_without_it(chain: Chain) -> None:
    (chain.folder / "ledger-password").write_text("wr0ng-secret\n")
    done = chain.run("ledger", "verify")
    assert done.returncode == 5, done.stderr
    (line,) = done.stderr.splitlines()
    assert "password authentication failed" in line
    assert "wr0ng-secret" not in line
    (chain.folder / "ledger-password").unlink()
    gone = chain.run("ledger", "verify")
    assert gone.returncode == 2
    assert "ledger-password" in gone.stderr


_HOLDER = """
import sys
from pathlib import Path
from storewarden.config import load_config
from storewarden.wiring import open_site
folder = Path(sys.argv[1])
site = open_site(load_config(None, {"HOME": str(folder)}, folder))
print(site._claims.take("audit-1"), flush=True)
sys.stdin.read()
"""


def test_an_audit_on_another_machine_is_not_taken_for_a_dead_one(
    chain: Chain, tmp_path: Path, server: str
) -> None:
    """Its claim lies on the server, and ends with its process."""
    second = Chain(tmp_path / "other", address=server)
    second.lay_out()
    argv = [sys.executable, "-c", _HOLDER, str(chain.folder)]
    holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with second.site() as site:
            assert site._claims.take("audit-1") is False
            assert site._claims.take("audit-2") is True
            holder.kill()
            holder.wait(300)
            assert until(lambda: site._claims.take("audit-1"))
    finally:
        holder.kill()
