# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup plan` as a process, on the example chain."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.audit_cli import Place

pytestmark = pytest.mark.slow  # each call starts ansible-inventory

_SETTINGS = """
backup:
  policies: backup-policies.yml
  locations:
    store: {medium: disk, credentials: store}
    hub: {medium: disk, credentials: hub, point: [31.23, 121.47]}
    away: {medium: object, credentials: away, point: [39.90, 116.40]}
  lines: {mbit: 2}
"""
_POLICIES = """
policies:
  - id: tills
    tier: pos-database
    method: sqlite
    select: {roles: [pos]}
    size: {full: 200MB}
    copies: [{location: store}, {location: hub}, {location: away}]
"""


@pytest.fixture(scope="module")
def place(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("chain") / "site"
    shutil.copytree(project_root / "inventories/example", folder)
    text = (folder / "storewarden.yml").read_text()
    (folder / "storewarden.yml").write_text(f"{text}state_dir: {folder / 'state'}\n{_SETTINGS}")
    (folder / "backup-policies.yml").write_text(_POLICIES)
    return Place(folder)


def test_a_night_is_planned_and_what_nobody_backs_up_is_named(place: Place) -> None:
    done = place.run("backup", "plan", "--night", "2026-06-10", "--lang", "en")
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["HOST", "POLICY", "SET", "BEGINS", "ENDS", "SIZE", "WHY"]
    till = next(line for line in lines if line.startswith("pos01.000101"))
    assert "tills" in till
    assert "full every day" in till
    assert "200.0 MB" in till
    assert any(line.startswith("night of 2026-06-10:") for line in lines)
    assert any(line.startswith("no policy binds: ") for line in lines)
    assert not (place.folder / "state").exists()


def test_programs_get_every_slot_in_utc(place: Place) -> None:
    done = place.run("backup", "plan", "--night", "2026-06-10", "--json")
    told = json.loads(done.out)
    assert told["night"] == "2026-06-10"
    begins = [each["begins"] for each in told["sets"]]
    assert begins == sorted(begins)
    assert all(each["bytes"] == 200 << 20 for each in told["sets"])
    assert told["late"] == []


def test_of_one_host_everything_that_is_wrong_with_it_is_told(place: Place) -> None:
    till = place.run("backup", "plan", "--night", "2026-06-10", "--host", "pos01.000101")
    assert till.code == 0
    router = place.run(
        "backup", "plan", "--night", "2026-06-10", "--host", "router01.000101", "--lang", "en"
    )
    assert (router.code, router.out) == (1, "no policy binds: router01.000101\n")
    assert place.run("backup", "plan", "--host", "nobody").code == 2


def test_chinese(place: Place) -> None:
    done = place.run("backup", "plan", "--night", "2026-06-10", "--lang", "zh")
    assert "全量" in done.out
    assert "没有任何策略" in done.out


def test_a_mistake_is_one_line(place: Place) -> None:
    done = place.run("backup", "plan", "--night", "tomorrow")
    assert done.code == 2
    assert "tomorrow is no day" in done.err
    assert len(done.err.splitlines()) == 1
