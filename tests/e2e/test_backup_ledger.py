# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's own record under a backup policy, by the commands that serve all other data."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import open_ledger
from storewarden.domain.backup.catalog import BackupSet, Target
from storewarden.domain.backup.catalog_events import CopySeen, SetFound
from storewarden.domain.backup.policy import Level, SetKind
from tests.e2e.own_place import OwnPlace, laid_out, taken_down
from tests.e2e.serve_site import Service

pytestmark = [pytest.mark.slow, pytest.mark.full]  # every call starts several programs


@pytest.fixture
def place(tmp_path: Path) -> Iterator[OwnPlace]:
    found = laid_out(tmp_path)
    yield found
    taken_down(found)


def test_the_record_goes_the_way_of_all_data(place: OwnPlace) -> None:
    plan = place.run("backup", "plan", "--json")
    assert "controller" in plan.out, plan.out + plan.err
    before = place.run("backup", "coverage", "--json")
    assert "controller" in before.out and before.code == 1, before.out + before.err

    (taken,) = place.told("backup", "run", "controller")
    assert (taken["end"], taken["location"]) == ("done", "store"), taken
    assert taken["set"].startswith("controller/record/")
    copied = place.told("backup", "copy", "controller")
    assert {each["location"]: each["end"] for each in copied} == {
        "second": "done", "third": "done",
    }  # fmt: skip
    read = place.told("backup", "verify", "controller", "--level", "2")
    assert {each["location"] for each in read} == {"store", "second", "third"}
    assert all(each["end"] == "done" and not each["damaged"] for each in read), read

    (drilled,) = place.told("drill", "run", "controller")["drills"]
    assert drilled["passed"], drilled
    assert place.run("drill", "list").code == 0
    proof = place.run("backup", "prove-321", "controller", "--lang", "en")
    assert proof.code == 0 and "controller/record" in proof.out, proof.out + proof.err
    assert place.run("backup", "expire", "list").code == 0
    after = place.run("backup", "coverage", "--host", "controller", "--json")
    assert after.code == 0, after.out
    assert place.run("ledger", "verify").code == 0


def test_the_ledger_in_use_is_refused_with_the_way_by_hand(place: OwnPlace) -> None:
    (place.folder / "state").mkdir(exist_ok=True)
    target, clock = Target(host="controller", policy="record"), SystemClock()
    at = clock.now()
    found = BackupSet(
        id=f"{target.name}/1", target=target, kind=SetKind.FULL, taken=at, received=at, size=1
    )
    seen = CopySeen(set=found.id, location="store", at=at, level=Level.READ)
    with open_ledger(place.folder / "state/ledger.sqlite", clock=clock) as ledger:
        ledger.backups.record([SetFound(set=found), seen])
    for words in ((), ("--change", "GMBG-20261201-001")):
        refused = place.run("restore", "controller", "--into", "production", *words)
        assert refused.code == 3, refused.err
        assert "storewarden ledger restore" in refused.err
        assert len(refused.err.splitlines()) == 1


def test_a_spoilt_copy_fails_the_drill_and_another_place_helps(place: OwnPlace) -> None:
    place.told("backup", "run", "controller")
    place.told("backup", "copy", "controller")
    place.spoil("second")  # the first in turn
    told = place.told("drill", "run", "controller", code=1)["drills"]
    assert [(each["place"], each["passed"]) for each in told] == [
        ("second", False), ("store", True),
    ], told  # fmt: skip
    read = place.told("backup", "verify", "controller", "--at", "second", code=4)
    assert read[0]["damaged"], read


def test_it_is_taken_while_the_controller_serves(place: OwnPlace) -> None:
    service = Service(place.folder)
    service.start(environment={"PATH": place.environment()["PATH"]})
    try:
        (taken,) = place.told("backup", "run", "controller")
        assert taken["end"] == "done", taken
        (drilled,) = place.told("drill", "run", "controller")["drills"]
        assert drilled["passed"], drilled
    finally:
        assert service.end(signal.SIGTERM) == 0
