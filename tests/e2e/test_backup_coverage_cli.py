# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup coverage|list|show|hold|release` as processes, on the example chain."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import open_ledger
from storewarden.domain.backup.catalog import BackupSet, Target
from storewarden.domain.backup.catalog_events import CopySeen, SetFound
from storewarden.domain.backup.policy import Level, SetKind
from tests.e2e.audit_cli import Place
from tests.e2e.test_backup_plan_cli import _POLICIES, _SETTINGS

pytestmark = pytest.mark.slow  # each call starts ansible-inventory

TILL = "pos01.000101"
SET = f"{TILL}/tills/20260601T083000Z-full"


@pytest.fixture(scope="module")
def place(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("chain") / "site"
    shutil.copytree(project_root / "inventories/example", folder)
    text = (folder / "storewarden.yml").read_text()
    ledger = folder / "state" / "ledger.sqlite"
    settings = f"{text}state_dir: {folder / 'state'}\nledger: {ledger}\n{_SETTINGS}"
    (folder / "storewarden.yml").write_text(settings)
    (folder / "backup-policies.yml").write_text(_POLICIES)
    clock = SystemClock()
    with open_ledger(ledger, clock=clock) as opened:
        now = clock.now() - timedelta(hours=2)
        target = Target(host=TILL, policy="tills")
        found = BackupSet(
            id=SET, target=target, kind=SetKind.FULL, taken=now, received=now, size=200_000_000
        )
        places = ("store", "hub", "away")
        seen = [CopySeen(set=SET, location=each, at=now, level=Level.READ) for each in places]
        opened.backups.record([SetFound(set=found), *seen])
    return Place(folder)


def test_what_is_missing_is_named_and_what_is_there_is_counted(place: Place) -> None:
    page = place.folder / "coverage.html"
    done = place.run("backup", "coverage", "--lang", "en", "--html", str(page))
    assert done.code == 1
    first, *lines = done.out.splitlines()
    assert "1 ok" in first and "never" in first
    assert not any(line.startswith(TILL) for line in lines)
    assert any("it was never backed up" in line for line in lines)
    assert any(line.startswith("Hosts that no policy binds: ") for line in lines)
    assert "Backup coverage" in page.read_text()
    chinese = place.run("backup", "coverage", "--lang", "zh", "--only-bad")
    assert "从未备份" in chinese.out and "个目标" not in chinese.out


@pytest.mark.full
def test_programs_get_the_same_and_one_host_is_whole(place: Place) -> None:
    told = place.run("backup", "coverage", "--json")
    data = json.loads(told.out)
    assert told.code == 1 and data["coverage"]["ok"] == 1
    assert len(data["rows"]) == data["targets"] == data["gaps"] + 1
    mine = place.run("backup", "coverage", "--host", TILL, "--lang", "en")
    assert mine.code == 0, mine.out
    assert "fresh, verified, copied" in mine.out
    wrong = place.run("backup", "coverage", "--host", "nobody")
    assert (wrong.code, wrong.err) == (2, "storewarden: --host: there is no host nobody\n")


@pytest.mark.full
def test_a_set_is_listed_shown_held_and_released(place: Place) -> None:
    listed = place.run("backup", "list", "--host", TILL, "--lang", "en")
    assert SET in listed.out and "190.7 MB" in listed.out
    assert "away, hub, store" in listed.out
    blank = place.run("backup", "hold", SET, "--reason", " ")
    assert blank.code == 2 and "must say why" in blank.err
    assert place.run("backup", "hold", SET, "--reason", "court 17").code == 0
    again = place.run("backup", "hold", SET, "--reason", "court 18", "--lang", "en")
    assert again.code == 0 and "is held already" in again.err
    shown = json.loads(place.run("backup", "show", SET, "--json").out)
    assert shown["hold"] is True and len(shown["copies"]) == 3
    holds = [each for each in shown["history"] if each["what"] == "backup hold changed"]
    assert [each["reason"] for each in holds] == ["court 17"] and holds[0]["by"]
    assert place.run("backup", "release", SET, "--reason", "settled").code == 0
    page = place.run("backup", "show", SET, "--lang", "zh")
    assert page.code == 0 and "court 17" in page.out and "法务保留" not in page.out
    gone = place.run("backup", "show", "x/y/z")
    assert gone.code == 2 and "the catalog has no such set" in gone.err
