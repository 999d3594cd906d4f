# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden drill`, `restore` and `backup prove-321` as processes, on the example chain."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import open_ledger
from storewarden.domain.backup.catalog import BackupSet, DrillRecord, Target
from storewarden.domain.backup.catalog_events import CopySeen, Drilled, SetFound
from storewarden.domain.backup.policy import Level, SetKind
from tests.e2e.audit_cli import Place

pytestmark = pytest.mark.slow  # each call starts a process

HOUR = timedelta(hours=1)
TILL = Target(host="pos01.000101", policy="tills")
OTHER = Target(host="pos02.000101", policy="tills")
SETTINGS = """
backup:
  policies: backup-policies.yml
  secrets: {repository: "file:password"}
  locations:
    store: {medium: disk, credentials: store, point: [31.23, 121.47]}
    hub: {kind: path, folder: /srv/hub, medium: nas, credentials: store, point: [31.30, 121.50]}
    away: {kind: path, folder: /srv/away, medium: tape, credentials: away, point: [39.90, 116.40]}
"""
POLICIES = """
policies:
  - id: tills
    tier: pos-database
    method: sqlite
    source: {path: /var/lib/pos/pos.db}
    select: {roles: [pos]}
    copies: [{location: store}, {location: hub}, {location: away}]
"""


def _drill(ident: str, target: Target, passed: bool, **more: object) -> DrillRecord:
    fields: dict[str, object] = {
        "id": ident,
        "target": target,
        "set": f"{target.name}/1",
        "location": "away",
        "began": SystemClock().now() - HOUR,
        "passed": passed,
        **more,
    }
    return DrillRecord(**fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def place(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("chain") / "site"
    shutil.copytree(project_root / "inventories/example", folder)
    text = (folder / "storewarden.yml").read_text()
    ledger = folder / "state" / "ledger.sqlite"
    settings = f"{text}state_dir: {folder / 'state'}\nledger: {ledger}\n{SETTINGS}"
    (folder / "storewarden.yml").write_text(settings)
    (folder / "backup-policies.yml").write_text(POLICIES)
    clock = SystemClock()
    with open_ledger(ledger, clock=clock) as opened:
        at = clock.now() - 3 * HOUR
        for target in (TILL, OTHER):
            ident = f"{target.name}/1"
            found = BackupSet(
                id=ident, target=target, kind=SetKind.FULL, taken=at, received=at, size=1 << 20
            )
            seen = [
                CopySeen(set=ident, location=each, at=at, level=Level.READ)
                for each in ("store", "hub", "away")
            ]
            opened.backups.record([SetFound(set=found), *seen])
        good = _drill(
            "d1",
            TILL,
            passed=True,
            level=Level.PROVEN,
            rto=timedelta(seconds=130),
            rpo=HOUR,
            phases={"fetch": 20.0, "restore": 60.0},
        )
        bad = _drill("d2", OTHER, passed=False, reason="pack <4f1c> is damaged")
        opened.backups.record([Drilled(drill=good), Drilled(drill=bad)])
    return Place(folder)


def test_drills_are_listed_and_one_that_failed_is_not_hidden(place: Place) -> None:
    done = place.run("drill", "list", "--lang", "en")
    assert done.code == 1, done.err
    assert "FAILED" in done.out and "pack <4f1c> is damaged" in done.out
    assert "2 m 10 s / 2 h" in done.out
    shown = place.run("drill", "show", "d1", "--lang", "zh")
    assert shown.code == 0, shown.err
    assert "通过" in shown.out and "取回 20 s" in shown.out.replace("20.0 s", "20 s")
    assert place.run("drill", "show", "d9").code == 2


@pytest.mark.full
def test_the_quarter_for_an_auditor(place: Place) -> None:
    page = place.folder / "drills.html"
    done = place.run("drill", "report", "--html", str(page), "--lang", "en")
    assert done.code == 1, done.err
    text = page.read_text()
    assert "pack &lt;4f1c&gt; is damaged" in text and "<script" not in text
    told = json.loads(place.run("drill", "report", "--json").out)
    (tills,) = told["policies"]
    assert (tills["rehearsed"], tills["proven"], tills["kept"]) == (2, 1, False)
    assert place.run("drill", "report", "--quarter", "2026Q5").code == 2


def test_a_restore_only_says_what_it_would_do(place: Place) -> None:
    done = place.run("restore", TILL.host, "--lang", "en")
    assert done.code == 0, done.err
    assert f"set {TILL.name}/1 of {TILL.name}, from away" in done.out
    assert "takes 2 m 10 s, the slowest of 1 measured" in done.out
    assert "3 h since is lost" in done.out
    assert "nothing was done" in done.err
    assert place.run("restore", f"{TILL.name}/1", "--into", "production").code == 2
    assert place.run("restore", "nobody").code == 2
    assert place.run("restore", "drop", "nothing").code == 2
    assert place.run("restore", "list").code == 0


@pytest.mark.full
def test_the_proof_names_the_term_that_fails(place: Place) -> None:
    done = place.run("backup", "prove-321", TILL.host, "--lang", "en")
    assert done.code == 1, done.err
    assert "2 of 3 copies that fall separately" in done.out
    assert "the credentials that empty hub empty it, too" in done.out
    assert "3-2-1 DOES NOT HOLD" in done.out.splitlines()[-1]
    told = json.loads(place.run("backup", "prove-321", TILL.host, "--json").out)
    assert told[0]["holds"] is False
    assert place.run("backup", "prove-321", "nobody").code == 2
