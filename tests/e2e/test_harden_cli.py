# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden harden` on real hosts, on a real change, through a real service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storewarden.wiring import AuditOptions
from tests.e2e.audit_cli import Done, Place, until
from tests.e2e.change_service import PEOPLE, Service, lay_out, serving
from tests.lab.fleet import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.slow]

CONTROLS = ("--controls", "B03,B04,C01")
FIXED = ("ssh", "sysctl")


@pytest.fixture
def hosts(lab: Lab) -> Iterator[list[LabHost]]:
    """Two tills, reset before and after."""
    tills = [host for host in lab.hosts if host.role == "pos"][:2]
    for host in tills:
        host.reset()
    yield tills
    for host in tills:
        host.reset()


@pytest.fixture
def service(lab: Lab, tmp_path: Path) -> Iterator[Service]:
    """A site whose inventory is the lab."""
    lay_out(tmp_path)
    (tmp_path / "storewarden.yml").write_text(
        f"state_dir: {tmp_path / 'state'}\ninventory: [{lab.inventory_path}]\n"
        "people: {file: people.yml}\naudit: {fail_under: 0}\n"
    )
    (tmp_path / "people.yml").write_text(PEOPLE)
    with serving(tmp_path) as running:
        yield running


def cli(service: Service, *argv: str, person: str = "op.one") -> Done:
    """The command line with a person's token."""
    done = Place(service.folder).run(*argv, "--token-file", str(service.token_file(person)))
    assert "Traceback" not in done.err
    return done


def approved(service: Service, hosts: list[LabHost]) -> str:
    """A change over the hosts that may be worked on at this hour; its number."""
    body = {
        "summary": "Harden the tills", "kind": "standard", "risk": "low", "reason": "audit",
        "hosts": [host.name for host in hosts], "operation": "configuration", "plan": "harden",
        "rollback": {"trigger": "no login", "steps": "storewarden harden undo", "owner": "op.one"},
    }  # fmt: skip
    number = str(service.post("op.one", "/changes", body).json()["change"]["number"])
    path = f"/changes/{number}"
    until = (datetime.now(UTC) + timedelta(hours=6)).isoformat()
    asked = {"reason": "the test runs at any hour", "expires": until}
    assert service.post("op.one", f"{path}/override", asked).status_code == 200
    for person in ("lead", "sec"):
        assert service.post(person, f"{path}/override/approve", {}).status_code == 200
    assert service.post("head", f"{path}/approve", {}).status_code == 200
    return number


def test_two_tills_are_hardened_on_a_change_and_taken_back(
    service: Service, hosts: list[LabHost]
) -> None:
    number = approved(service, hosts)
    started = cli(service, "harden", "start", "--change", number, *CONTROLS, "--json")
    assert started.code == 0, started.err
    report = json.loads(started.out)
    assert report["counts"] == {"well": 2, "missed": 0, "untouched": 0, "open": 0}
    assert report["score"]["after"] == "100.0"
    assert float(report["score"]["before"]) < 50
    for host in report["hosts"]:
        groups = {each["group"]: each["outcome"] for each in host["groups"]}
        assert groups == dict.fromkeys(FIXED, "fixed")
    steps = [json.loads(line)["step"] for line in started.lines if line.startswith("{")]
    assert steps.count("group") == 4
    assert "storewarden: every host is as required" in started.lines
    for host in hosts:
        said = host.run("sshd -T | grep -i maxauthtries", user="root").stdout
        assert said.split() == ["maxauthtries", "5"]
    change = service.site.changes.change(number)
    assert change is not None
    assert (change.state.value, len(change.evidence)) == ("in progress", 1)
    page = service.site.evidence.get(change.evidence[0].digest).decode()
    assert hosts[0].name in page
    assert "B03" in page

    status = Place(service.folder).run("harden", "status", "--change", number, "--lang", "zh")
    assert status.code == 0, status.err
    assert status.out.count("已修复") == 4

    undone = cli(service, "harden", "undo", "--change", number)
    assert undone.code == 0, undone.err
    assert "equals the one before the change" in undone.out
    for host in hosts:
        said = host.run("sshd -T | grep -i maxauthtries", user="root").stdout
        assert said.split() == ["maxauthtries", "6"]
    change = service.site.changes.change(number)
    assert change is not None
    assert change.outcome is not None
    assert (change.state.value, change.outcome.value) == ("closed", "rolled back")
    assert service.site.verify_ledger().problems == ()


LEFT_ALONE = """\
- hosts: {host}
  gather_facts: false
  become: true
  module_defaults:
    storewarden.ops.restore_point: {{id: {number}-ssh-0000000a, owner: {number}}}
  tasks:
    - storewarden.ops.restore_point:
        state: captured
        items: [{{kind: file, path: /etc/motd}}]
    - storewarden.ops.restore_point: {{state: armed, deadline: 1}}
"""


def test_an_audit_reads_what_a_host_took_back_by_itself(
    service: Service, hosts: list[LabHost]
) -> None:
    number, host = approved(service, hosts), hosts[0]
    play = service.folder / "left.yml"
    play.write_text(LEFT_ALONE.format(host=host.name, number=number))
    tool = str(Path(sys.executable).with_name("ansible-playbook"))
    inventory = str(host.lab.inventory_path)
    done = subprocess.run(
        [tool, "-i", inventory, str(play)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    folder = f"/var/lib/storewarden/restore/{number}-ssh-0000000a"
    assert until(
        lambda: host.run(f"cat {folder}/record.json || true", user="root").stdout, seconds=60
    )
    for _again in range(2):
        audit = AuditOptions(limit=host.name, controls=("B03",))
        service.site.audit(audit)
    told = [e for e in service.site.ledger.journal() if e.kind == "host restored itself"]
    assert [(e.body["host"], e.body["owner"], e.body["cause"]) for e in told] == [
        (host.name, number, "deadline")
    ]
    (note,) = [e for e in service.site.changes.history(number) if e.kind == "change noted"]
    assert f"{host.name} took back {number}-ssh-0000000a by itself" in str(note.body["text"])
