# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases below a folder of the test: what stays, what goes, what is left by a killed run.

Restore points are real ones, made by the same code as on hosts. The service manager is a script.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.release import standing
from ansible_collections.storewarden.ops.plugins.module_utils.release.arriving import (
    Arrival,
    judged,
    looked,
)
from ansible_collections.storewarden.ops.plugins.module_utils.release.keeping import removable
from ansible_collections.storewarden.ops.plugins.module_utils.release.places import (
    Places,
    checked_version,
)
from ansible_collections.storewarden.ops.plugins.module_utils.release.seeing import Watched, look
from ansible_collections.storewarden.ops.plugins.module_utils.release.standby import noted
from ansible_collections.storewarden.ops.plugins.module_utils.release.standing import Wanted
from ansible_collections.storewarden.ops.plugins.module_utils.release.switching import Order, Switch
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import Store
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Request, Verbs
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.checking import sha256_of
from ansible_collections.storewarden.ops.plugins.module_utils.staging.alive import Alive
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from tests.unit.plugins.tar_bench import Member, written

OWNER = "GMBG-20260301-001"
SYSTEMCTL = """#!/bin/sh
echo "$*" >> {log}
case "$1" in
  cat) [ "$3" = till.service ] ;;
  is-active) [ -e {running} ] && echo active || cat {stopped} ;;
  is-enabled) cat {enabled} ;;
  show) echo ActiveState=active; echo "InvocationID=$(cat {running} 2>/dev/null)" ;;
  restart) [ -e {broken} ] && exit 1; : > {running} ;;
  *) exit 0 ;;
esac
"""


class Till:
    """An application's folder with everything around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places = Places(str(folder / "opt" / "till"))
        self.log, self.running, self.broken = folder / "log", folder / "running", folder / "broken"
        self.stopped, self.enabled = folder / "stopped", folder / "enabled"
        self.stopped.write_text("inactive\n")
        self.enabled.write_text("enabled\n")
        tools = folder / "bin"
        tools.mkdir()
        script = SYSTEMCTL.format(**{name: str(path) for name, path in vars(self).items()})
        (tools / "systemctl").write_text(script)
        (tools / "systemctl").chmod(0o755)
        self.host = Host(path=f"{tools}:/usr/bin:/bin")
        self.packs = str(folder / "packs")

    def wanted(self, version: str, digest: str, unit: str = "till.service") -> Wanted:
        return Wanted(version, digest, unit, "restart")

    def release(self, version: str, keep: int = 3, standby: bool | None = None) -> dict[str, Any]:
        archive = written(self.folder / f"{version}.tar.gz", [Member("VERSION", version.encode())])
        wanted = self.wanted(version, sha256_of(archive))
        order = Order(wanted, archive, getpass.getuser(), 0, keep, standby)
        return Switch(self.places, self.host, Store(self.host, self.packs), lambda: None).make(
            order
        )

    def versions(self) -> list[str]:
        """What lies in the folder of releases, without what is hidden."""
        return sorted(
            one.name for one in Path(self.places.releases).iterdir() if one.name[0] != "."
        )

    def hidden(self) -> list[str]:
        return sorted(
            one.name for one in Path(self.places.releases).iterdir() if one.name[0] == "."
        )

    def point(self, id: str) -> Verbs:
        """A captured restore point of the link."""
        verbs = Verbs(Host(), self.packs)
        items = [{"kind": "tree", "path": self.places.current}]
        verbs.captured(Request(id=id, owner=OWNER, epoch=1, items=items))
        return verbs

    def arrival(self, version: str, **more: Any) -> Arrival:
        archive = written(self.folder / "stage/archive", [Member("VERSION", version.encode())])
        return Arrival(
            version=version, sha256=sha256_of(archive), root=self.places.root,
            stage=str(self.folder / "stage"), user=getpass.getuser(), unit="till.service", **more,
        )  # fmt: skip


@pytest.fixture
def till(tmp_path: Path) -> Till:
    (tmp_path / "stage").mkdir()
    return Till(tmp_path)


def test_the_link_turns_and_the_unit_is_told(till: Till) -> None:
    first = till.release("1.0")
    assert (first["before"], first["unpacked"], first["switched"]) == ("", True, True)
    second = till.release("1.1")
    assert (second["before"], second["unit"]) == ("1.0", "restarted")
    assert Path(till.places.current, "VERSION").read_text() == "1.1"
    assert Path(till.places.root).joinpath("current").readlink() == Path("releases/1.1")
    back = till.release("1.0")
    assert (back["unpacked"], back["switched"]) == (False, True)
    assert [line for line in till.log.read_text().splitlines() if "restart" in line] == [
        "restart -- till.service"
    ] * 3
    # Killed after the switch and run again: what runs may still be the old release.
    again = till.release("1.0")
    assert (again["switched"], again["unit"]) == (False, "restarted")


def test_a_unit_that_does_not_come_up(till: Till) -> None:
    till.release("1.0")
    till.broken.touch()
    with pytest.raises(Unfit, match="did not restart"):
        till.release("1.1")


def test_only_the_newest_stay(till: Till) -> None:
    for version in ("1.0", "1.1", "1.2", "1.3"):
        gone = till.release(version, keep=3)["removed"]
    assert gone == ["1.0"]
    assert till.versions() == ["1.1", "1.2", "1.3"]
    assert till.hidden() == [".1.1.json", ".1.2.json", ".1.3.json"]
    Path(till.places.releases, "by-hand").mkdir()
    till.release("1.1", keep=1)
    assert till.versions() == ["1.1", "1.3", "by-hand"]  # in use, newest, not ours


def test_what_a_restore_point_speaks_of_stays(till: Till) -> None:
    till.release("1.0", keep=1)
    words = till.point("first")
    till.release("1.1", keep=1)
    till.release("1.2", keep=1)
    assert till.versions() == ["1.0", "1.2"]
    words.undone(Request(id="first", owner=OWNER, epoch=1))
    assert till.places.in_use() == "1.0"
    # It was undone: it needs nothing any more.
    till.release("1.3", keep=1)
    assert till.versions() == ["1.3"]


def test_a_point_that_cannot_be_read_keeps_everything(till: Till) -> None:
    till.release("1.0", keep=1)
    till.point("first")
    Path(till.packs, "first", "items", "000.json").write_text("{}")
    assert till.release("1.1", keep=1)["removed"] == []
    assert till.versions() == ["1.0", "1.1"]


_VERSIONS = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(_VERSIONS, st.integers(0, 9), st.sets(st.sampled_from("abcdefgh")))
def test_the_rule_of_keeping(newest_first: list[str], keep: int, needed: set[str]) -> None:
    gone = removable(newest_first, keep, needed)
    assert not set(gone) & needed
    assert not set(gone) & set(newest_first[: max(keep, 1)])
    assert set(gone) | needed | set(newest_first[: max(keep, 1)]) >= set(newest_first)


def test_what_a_killed_run_left_is_removed(till: Till) -> None:
    till.release("1.0")
    half = Path(till.places.fresh("1.1"))
    half.mkdir()
    (half / "VERSION").write_text("half")
    till.release("1.1")
    assert Path(till.places.current, "VERSION").read_text() == "1.1"
    assert till.hidden() == [".1.0.json", ".1.1.json"]


def test_an_archive_that_is_another_one(till: Till) -> None:
    till.release("1.0")
    archive = written(till.folder / "other.tar.gz", [Member("VERSION", b"other")])
    switch = Switch(till.places, till.host, Store(till.host, till.packs), lambda: None)
    with pytest.raises(Unfit, match="another archive"):
        switch.make(Order(till.wanted("1.0", sha256_of(archive)), archive, getpass.getuser(), 0, 3))
    with pytest.raises(BadSignature, match="SHA-256"):
        switch.make(Order(till.wanted("1.1", "0" * 64), archive, getpass.getuser(), 0, 3))
    assert till.versions() == ["1.0"]
    assert till.places.in_use() == "1.0"


def test_what_is_at_its_target_is_left_alone(till: Till) -> None:
    till.release("1.0")
    answer = looked(till.arrival("1.0"), till.host, dry=False)
    assert (answer["preflight"]["nothing"], answer["bring"], answer["judge"]) == (
        True,
        False,
        False,
    )
    till.running.unlink()
    till.stopped.write_text("failed\n")
    failed = looked(till.arrival("1.0"), till.host, dry=False)["preflight"]
    assert failed["nothing"] is False
    assert failed["changes"] == [
        {"what": "till.service", "before": "inactive", "after": "restarted"}
    ]
    Path(till.places.current, "VERSION").write_text("changed by hand")
    refused = looked(till.arrival("1.0"), till.host, dry=False)["preflight"]
    assert "not as it was unpacked" in refused["reason"]["en"]


def stands(till: Till, version: str, **more: Any) -> tuple[str, bool | None]:
    """What preflight says will become of the unit, and what it noted."""
    found = looked(till.arrival(version, **more), till.host, dry=False)["preflight"]
    last = found["changes"][-1]["after"] if found["changes"] else "nothing"
    return last, noted(str(till.folder / "stage"))


def test_a_unit_on_standby_stays_stopped(till: Till) -> None:
    # A first release: only one that is not to be started by itself is on standby.
    assert stands(till, "1.0") == ("restarted", False)
    till.enabled.write_text("static\n")
    assert stands(till, "1.0") == ("restarted", False)
    for word in ("disabled", "masked"):
        till.enabled.write_text(f"{word}\n")
        assert stands(till, "1.0") == ("left stopped", True)
    till.enabled.write_text("enabled\n")
    till.release("1.0")
    # Later on it could have run: somebody has stopped it.
    till.running.unlink()
    assert stands(till, "1.1") == ("left stopped", True)
    assert stands(till, "1.0") == ("nothing", True)
    assert stands(till, "1.1", standby="start") == ("restarted", False)
    till.stopped.write_text("failed\n")
    assert stands(till, "1.1") == ("restarted", False)


def test_what_preflight_noted_of_the_unit_decides(till: Till) -> None:
    till.release("1.0")
    till.running.unlink()
    assert till.release("1.1", standby=True)["unit"] == "left stopped"
    assert not till.running.exists()
    # A visit that was cut off in its middle has left it stopped; it ran before.
    assert till.release("1.1", standby=False)["unit"] == "restarted"
    # A standby that took over meanwhile runs the old release.
    assert till.release("1.2", standby=True)["unit"] == "restarted"


def test_items_put_the_link_before_the_folder_it_points_to(till: Till) -> None:
    till.release("1.0")
    found = judged(till.arrival("1.1"), till.host, dry=False)["preflight"]
    assert [one.get("path", one.get("name")) for one in found["items"]] == [
        till.places.current,
        till.places.release("1.1"),
        till.places.marker("1.1"),
        "till.service",
    ]
    assert found["items"][0]["kind"] == "tree"
    there = standing.items(
        till.places, till.wanted("1.0", ""), standing.Standing("1.0", True, True)
    )
    assert [one["kind"] for one in there] == ["tree", "unit"]


def test_what_stands_in_the_way_is_named(till: Till) -> None:
    current = Path(till.places.current)
    current.mkdir(parents=True)
    refused = looked(till.arrival("1.0"), till.host, dry=False)["preflight"]
    assert "is no link" in refused["reason"]["en"]
    current.rmdir()
    current.symlink_to("/etc")
    assert (
        "outside of"
        in looked(till.arrival("1.0"), till.host, dry=False)["preflight"]["reason"]["en"]
    )
    current.unlink()
    stranger = till.arrival("1.0")._replace(user="nobody-of-that-name")
    assert "no user" in looked(stranger, till.host, dry=False)["preflight"]["reason"]["en"]
    huge = till.arrival("1.0", size=1 << 60)
    Path(huge.place).unlink()
    assert "do not fit" in looked(huge, till.host, dry=False)["preflight"]["reason"]["en"]


@pytest.mark.parametrize("root", ["/", "/opt", "opt/till", "/opt/../", "/opt/a b", "/opt/%s"])
def test_roots_that_cannot_be_meant(root: str) -> None:
    with pytest.raises(Unfit, match="root"):
        Places(root)


@pytest.mark.parametrize("version", ["", ".", "..", ".new", "a/b", "a b", "-x", "1\n"])
def test_versions_that_cannot_be_meant(version: str) -> None:
    with pytest.raises(Unfit, match="version"):
        checked_version(version)


def test_probes_tell_what_is_wrong(till: Till) -> None:
    till.release("1.0")

    def bad(version: str, standby: bool = False) -> list[str]:
        watched = Watched("till.service", standby, settle=0.0)
        found = look(till.places, till.host, version, watched).probes
        return [one["name"] for one in found if not one["ok"]]

    assert bad("1.0") == []
    assert bad("1.1") == ["link", "files"]
    Path(till.places.current, "VERSION").unlink()
    assert bad("1.0") == ["files"]


def test_a_unit_that_is_started_again_is_not_steady(till: Till) -> None:
    till.release("1.0")
    (till.folder / "bin/systemctl").write_text(
        "#!/bin/sh\necho ActiveState=active; date +InvocationID=%N\n"
    )
    watched = Watched("till.service", standby=True, settle=5.0)
    found = look(till.places, till.host, "1.0", watched)
    assert found.standby is False
    assert (found.probes[-1]["name"], found.probes[-1]["ok"]) == ("till.service", False)
    assert "started again" in found.probes[-1]["detail"]["en"]


def test_a_standby_is_good_as_long_as_it_is_stopped(till: Till) -> None:
    till.release("1.0")
    till.running.unlink()
    down = "#!/bin/sh\necho ActiveState={0}; echo InvocationID=\n"

    def seen(state: str, standby: bool = True) -> tuple[bool, bool]:
        (till.folder / "bin/systemctl").write_text(down.format(state))
        found = look(till.places, till.host, "1.0", Watched("till.service", standby, 0.0))
        return found.standby, found.probes[-1]["ok"]

    assert seen("inactive") == (True, True)
    assert seen("failed") == (False, False)
    assert seen("active") == (False, True)
    assert seen("inactive", standby=False) == (False, False)


def test_more_time_is_asked_for_again_and_again() -> None:
    clock = [0.0]
    asked: list[float] = []

    class Words:
        def extended(self, ask: Request) -> None:
            asked.append(clock[0])
            assert ask.apply == {"pid": 1}

    ask = Request(id="x", owner="o", deadline=40.0, apply={"pid": 1})
    alive = Alive(Words(), ask, lambda: clock[0])
    for moment in (0.0, 1.0, 9.9, 10.0, 19.0, 21.0):
        clock[0] = moment
        alive.beat()
    assert asked == [0.0, 10.0, 21.0]
