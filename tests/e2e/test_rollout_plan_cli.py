# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden rollout plan` as a process, on the example chain with its own rollout file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.audit_cli import Done, Place

pytestmark = pytest.mark.slow  # each call starts ansible-inventory

FILE = "rollouts/openssl.yml"
MONDAY = "2026-05-11T14:00"


@pytest.fixture(scope="module")
def place(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("rollout") / "site"
    shutil.copytree(project_root / "inventories/example", folder)
    text = (folder / "storewarden.yml").read_text()
    (folder / "storewarden.yml").write_text(f"{text}state_dir: {folder / 'state'}\n")
    return Place(folder)


def planned(place: Place, *argv: str, file: str = FILE) -> Done:
    return place.run("rollout", "plan", file, "--lang", "en", "--at", MONDAY, *argv)


def test_the_guide_shows_what_is_printed(place: Place, project_root: Path) -> None:
    done = planned(place, "--store", "000101")
    assert (done.code, done.err) == (0, "")
    page = (project_root / "docs/operators/rollout.md").read_text()
    lines = [line for line in done.out.splitlines() if line]
    unlike = [line for line in lines if line not in page]
    assert len(unlike) == 2, unlike  # the title's moment, and "planned from", which --at adds
    assert not (place.folder / "state").exists()


def test_a_missed_deadline_is_1_and_the_lane_is_offered(place: Place) -> None:
    done = planned(place, "--risk", "high", "--json")
    assert done.code == 1
    document = json.loads(done.out)
    missed = [each["deadline"] for each in document["deadlines"] if not each["kept"]]
    assert missed == ["done", "notice"]
    assert document["emergency_lane"]["missed"] == []
    quick = planned(place, "--risk", "high", "--emergency", "--json")
    assert quick.code == 0
    assert json.loads(quick.out)["membership"] == document["membership"]


def test_every_mistake_of_a_file_is_one_line(place: Place) -> None:
    place.write("bad.yml", "payload: packages\nwave: [1 store]\ngates: [proob]\nsoak: 1x\n")
    done = planned(place, file="bad.yml")
    assert (done.code, done.out) == (2, "")
    assert done.lines == [
        "storewarden: bad.yml:2: wave: unknown key (did you mean waves?)",
        "storewarden: bad.yml:3: gates.1.proob: no gate of the kind 'proob'"
        " (known: approval, http, logs, probe, prometheus, volume)",
        "storewarden: bad.yml:4: soak: must be a length of time (is 1x; as 30m, 24h, 1h30m or 7d)",
    ]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--store", "00101"), "00101: no wave has this store (did you mean 000101?)"),
        (("--soak", "soon"), "--soak: 'soon' is not a length of time"),
        (("--at", "tomorrow"), "--at: 'tomorrow' is not a time"),
        (("--change", "GMBG-20260101-001"), "there is no ledger"),
    ],
)
def test_what_is_not_there_is_2_and_one_line(
    place: Place, argv: tuple[str, ...], says: str
) -> None:
    done = planned(place, *argv)
    assert (done.code, len(done.lines)) == (2, 1)
    assert says in done.err
