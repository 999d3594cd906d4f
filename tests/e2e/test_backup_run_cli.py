# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup run|copy|verify|status` as processes, on a lab host."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.audit_cli import Done, Place
from tests.lab.fleet import LabHost
from tests.lab.shape import connection

pytestmark = [pytest.mark.slow, pytest.mark.full]

PASSWORD = "a-secret-of-the-till-4711"
_POLICIES = """
policies:
  - id: till-files
    tier: ordinary
    method: files
    select: {hosts: [%s]}
    source: {paths: [/srv/till]}
    copies: [{location: store}, {location: second}, {location: third}]
"""
_SETTINGS = {
    "policies": "policies.yml",
    "locations": {
        "store": {"medium": "ssd", "credentials": "store"},
        "second": {
            "kind": "path", "medium": "usb", "credentials": "store", "folder": "/mnt/second",
        },
        "third": {
            "kind": "path", "medium": "nas", "credentials": "hub", "folder": "/mnt/third",
        },
    },
    "secrets": {"repository": "file:secrets/{host}"},
}  # fmt: skip


@pytest.fixture
def place(lab_host: LabHost, tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    variables = {
        "ansible_host": lab_host.address, "sw_store": "000001", "sw_region": "east",
        "sw_role": "pos", "sw_ci": "CI-1", "sw_tier": "ordinary", "sw_failure_groups": [],
        "sw_tz": "Asia/Shanghai", "sw_hours": "09:00-22:00",
    }  # fmt: skip
    inventory = {
        "all": {"vars": connection(lab_host.lab.places), "hosts": {lab_host.name: variables}}
    }
    found.write("hosts.yml", yaml.safe_dump(inventory))
    found.write("policies.yml", _POLICIES % lab_host.name)
    secret = found.write(f"secrets/{lab_host.name}", PASSWORD + "\n")
    secret.chmod(0o600)
    found.settings(yaml.safe_dump({"inventory": ["hosts.yml"], "backup": _SETTINGS}))
    for folder in ("second", "third"):
        lab_host.run(f"mkdir -p /mnt/{folder} && mount -t tmpfs tmpfs /mnt/{folder}", user="root")
    lab_host.run(
        "mkdir -p /srv/till && echo sold > /srv/till/journal && "
        "head -c 3000000 /dev/urandom > /srv/till/pictures",
        user="root",
    )
    yield found
    lab_host.run("umount /mnt/second /mnt/third; true", user="root", check=False)


def told(done: Done) -> list[dict[str, Any]]:
    assert done.out, done.err
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def test_a_set_is_taken_copied_read_and_no_secret_is_told(place: Place, lab_host: LabHost) -> None:
    taken = place.run("backup", "run", lab_host.name, "--json")
    assert taken.code == 0, taken.out + taken.err
    one = told(taken)[0]
    assert (one["end"], one["verb"], one["location"]) == ("done", "take", "store")
    assert one["set"].startswith(f"{lab_host.name}/till-files/")

    copied = place.run("backup", "copy", lab_host.name, "--json")
    assert {each["location"]: each["end"] for each in told(copied)} == {
        "second": "done", "third": "done",
    }, copied.err  # fmt: skip
    again = place.run("backup", "copy", lab_host.name, "--lang", "en")
    assert (again.code, again.lines) == (0, ["storewarden: there is nothing to do"])

    read = place.run("backup", "verify", one["set"], "--level", "2", "--json")
    assert {each["location"] for each in told(read)} == {"store", "second", "third"}
    assert {each["end"] for each in told(read)} == {"done"}, read.out

    shown = place.run("backup", "status", "--lang", "zh")
    assert "备份" in shown.out
    assert told(place.run("backup", "status", "--open", "--json")) == []
    outputs = "".join(each.out + each.err for each in (taken, copied, read, shown))
    assert PASSWORD not in outputs
    grep = subprocess.run(
        ["grep", "-rlF", PASSWORD, str(place.folder / "state")], capture_output=True, check=False
    )
    assert grep.stdout == b""  # ledger, runs, logs
    left = lab_host.run(
        f"grep -rlF {PASSWORD} /var/lib/storewarden /run/storewarden; true",
        user="root",
        check=False,
    )
    assert left.stdout.strip() == ""


def test_a_copy_that_is_damaged_is_found(place: Place, lab_host: LabHost) -> None:
    place.run("backup", "run", lab_host.name)
    place.run("backup", "copy", lab_host.name, "--to", "second")
    lab_host.run(
        "f=$(find /mnt/second -path '*data/*' -type f -size +1k | sort | head -1); "
        "printf X | dd of=$f bs=1 seek=100 conv=notrunc",
        user="root",
    )
    read = place.run("backup", "verify", lab_host.name, "--at", "second", "--json")
    assert read.code == 4, read.out + read.err
    assert told(read)[0]["damaged"]
    coverage = place.run("backup", "show", told(place.run("backup", "list", "--json"))[0]["id"])
    assert "second" in coverage.out


def test_a_controller_that_is_killed_loses_nothing(place: Place, lab_host: LabHost) -> None:
    begun = place.run("backup", "run", lab_host.name, "--no-wait", "--json")
    assert begun.code == 0, begun.err
    run = told(begun)[0]["run"]
    time.sleep(1)
    adopted = place.run("backup", "run", lab_host.name, "--json")
    assert adopted.code == 0, adopted.err
    runs = {each["run"]: each["end"] for each in told(place.run("backup", "status", "--json"))}
    assert runs[run] == "done"


def test_a_line_that_is_cut_costs_only_time(place: Place, lab_host: LabHost) -> None:
    begun = place.run("backup", "run", lab_host.name, "--no-wait", "--json")
    run = told(begun)[0]["run"]
    lab_host.cut()
    try:
        away = place.run("backup", "copy", lab_host.name, "--no-wait", "--json")
        assert away.code in (0, 4), away.err
        opened = told(place.run("backup", "status", "--open", "--json"))
        assert run in {each["run"] for each in opened}
    finally:
        lab_host.mend()
    lab_host.wait()
    place.run("backup", "copy", lab_host.name)
    runs = {each["run"]: each["end"] for each in told(place.run("backup", "status", "--json"))}
    assert runs[run] == "done"


def test_mistakes_are_one_line(place: Place) -> None:
    for words, said in (
        (("backup", "run"), "say which hosts"),
        (("backup", "run", "nobody"), "no such policy binds it"),
        (("backup", "verify", "a/b/c"), "there is no such set"),
        (("backup", "stop", "r1"), "there is no such run"),
    ):
        done = place.run(*words)
        assert (done.code, len(done.lines)) == (2, 1), done.err
        assert said in done.err
