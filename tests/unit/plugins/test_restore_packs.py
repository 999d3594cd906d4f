# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs: killed at any moment they are whole or not there; undo killed at any moment goes on.

SIGKILL strikes before each single write: a child process counts its own writes through Python's
audit events and kills itself at the one that is due.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.restore import turns
from ansible_collections.storewarden.ops.plugins.module_utils.restore.entries import beside
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import (
    BadItem,
    PackDamaged,
    Refused,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.pack import Cause, Pack
from ansible_collections.storewarden.ops.plugins.module_utils.restore.records import undo_records
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import Store
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Request, Verbs
from tests.unit.plugins.restore_bench import RestoreBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[RestoreBench]:
    """In memory where there is such a place: hundreds of packs are flushed to the disk here."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else str(tmp_path)
    with tempfile.TemporaryDirectory(dir=place) as own:
        yield RestoreBench(Path(own))


_WRITES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod",
           "os.chown", "os.utime", "os.setxattr", "shutil.rmtree")  # fmt: skip


def _killed(number: int, work: Callable[[], object]) -> bool:
    """Do it in a child that is killed before its write of that number; whether it came to that."""
    child = os.fork()
    if child == 0:
        left = [number]

        def count(event: str, about: tuple[Any, ...]) -> None:
            opened = event == "open" and isinstance(about[2], int) and about[2] & 0o103
            if event in _WRITES or opened:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _all_below(place: Path) -> list[tuple[str, int, bytes]]:
    found = []
    for one in sorted(place.rglob("*")):
        content = one.read_bytes() if one.is_file() and not one.is_symlink() else b""
        found.append((str(one), one.lstat().st_mode, content))
    return found


@pytest.mark.slow
def test_an_undo_killed_before_any_of_its_writes_goes_on_to_its_end(bench: RestoreBench) -> None:
    bench.write("/etc/x/conf", "before")
    bench.write("/etc/x/gone", "was here")
    bench.write("/proc/sys/net/forward", "0\n")
    bench.write("/etc/passwd", "root:x:0:0::/:/bin/sh\nann:x:1:1::/:/bin/sh\n")
    bench.write("/etc/.pwd.lock", "").chmod(0o600)
    state = _all_below(bench.root)
    pack = bench.captured(
        {"kind": "tree", "path": "/etc/x"},
        {"kind": "file", "path": "/srv/new/it"},
        {"kind": "sysctl", "name": "net.forward"},
        {"kind": "account", "user": "ann"},
    )
    number, killed = 0, True
    while killed:
        number += 1
        bench.write("/etc/x/conf", "after").chmod(0o600)
        bench.write("/etc/x/more/deep", "new")
        bench.at("/etc/x/gone").unlink()
        bench.write("/srv/new/it", "new")
        bench.write("/proc/sys/net/forward", "1\n")
        bench.write("/etc/passwd", "root:x:0:0::/:/bin/sh\n")
        pack.write_state(phase="armed")
        killed = _killed(number, lambda: bench.undone(pack))
        record = bench.undone(pack)
        assert (record["outcome"], record["residue"]) == ("restored", []), number
        assert _all_below(bench.root) == state, number
        assert pack.damage() == []
        numbers = [one["number"] for one in [*record["earlier"], record]]
        assert numbers == sorted(set(numbers))
    assert number > 40


@pytest.mark.slow
def test_a_capture_killed_before_any_of_its_writes_leaves_a_whole_pack_or_none(
    bench: RestoreBench,
) -> None:
    for name in ("a", "b"):
        bench.write(f"/etc/x/{name}", name)
    item = {"kind": "tree", "path": "/etc/x"}
    number, killed = 0, True
    while killed:
        number += 1
        name = f"rp-{number}"
        killed = _killed(number, lambda name=name: bench.captured(item, name=name))  # type: ignore[misc]
        pack = bench.store.pack(name)
        assert not pack.exists() or (pack.damage(), pack.state()["phase"]) == ([], "captured")
        if pack.exists():
            bench.store.remove(pack)
    bench.captured(item)
    assert [one.name for one in Path(bench.store.folder).iterdir()] == ["rp"]
    assert number > 40


def test_removing_a_pack_is_all_or_nothing(bench: RestoreBench) -> None:
    number, killed = 0, True
    while killed:
        number += 1
        pack = bench.captured({"kind": "file", "path": "/etc/x"}, name=f"rp-{number}")
        killed = _killed(number, lambda pack=pack: bench.store.remove(pack))  # type: ignore[misc]
        assert not pack.exists() or pack.damage() == []
        with bench.store.locked(1.0):
            bench.store.tidy()
        assert [one.id for one in bench.store.packs()] == ([pack.id] if pack.exists() else [])
        shutil.rmtree(pack.folder, ignore_errors=True)


def test_every_undo_is_told_to_the_next_contact(bench: RestoreBench) -> None:
    bench.write("/etc/x", "before")
    pack = bench.captured({"kind": "file", "path": "/etc/x"})
    pack.write_state(phase="armed", deadline=bench.clock.granted(60), owner="me", epoch=7)
    bench.write("/etc/x", "after")
    bench.seconds += 61.5
    bench.undone(pack, Cause.DEADLINE)
    bench.write("/etc/x", "again")
    bench.undone(pack, Cause.LATE)
    bench.undone(pack, Cause.REQUEST)
    Path(bench.store.folder, "torn").mkdir()
    Path(bench.store.folder, "torn", "record.json").write_text('{"id": "to')
    first, late = undo_records(bench.store.folder)
    assert (first["id"], first["number"], first["owner"], first["epoch"]) == ("rp", 1, "me", 7)
    assert (first["cause"], first["outcome"], first["overdue"]) == ("deadline", "restored", 1.5)
    assert first["touched"] == ["file /etc/x"]
    assert (late["number"], late["cause"], late["overdue"]) == (2, "late", None)
    everything = undo_records(bench.store.folder, requested=True)
    assert [one["cause"] for one in everything] == ["deadline", "late", "request"]
    assert undo_records(bench.store.folder + "/nowhere") == []


def test_one_broken_item_does_not_keep_the_others_from_being_restored(bench: RestoreBench) -> None:
    bench.write("/etc/x", "before")
    items = [{"kind": "account", "user": "ann"}, {"kind": "file", "path": "/etc/x"}]
    pack = bench.captured(*items)
    # What it kept makes no sense to the kind, though its digest is right.
    pack.write_item(0, {"item": {"kind": "account", "user": "ann"}, "state": {}, "extra": None})
    bench.write("/etc/x", "after")
    record = bench.undone(pack)
    assert record["outcome"] == "residue"
    assert [one["item"] for one in record["residue"]] == ["user ann"]
    assert bench.at("/etc/x").read_text() == "before"


def test_a_state_with_one_letter_changed_is_a_damaged_one(bench: RestoreBench) -> None:
    pack = bench.captured({"kind": "file", "path": "/etc/x"})
    place = Path(pack.at("state.json"))
    place.write_text(place.read_text().replace('"epoch":1', '"epoch":9'))
    with pytest.raises(PackDamaged):
        pack.state()
    # Whose it was is known all the same.
    assert (pack.last_state()["owner"], pack.last_state()["epoch"]) == ("me", 1)


def test_an_undo_asked_for_is_refused_when_a_newer_pack_lies_on_top(bench: RestoreBench) -> None:
    older = bench.captured({"kind": "file", "path": "/etc/x"}, name="older")
    newer = bench.captured({"kind": "file", "path": "/etc/x"}, name="newer", sequence=2)
    newer.write_state(phase="confirmed")
    with pytest.raises(Refused, match="below newer"):
        turns.undo_now(bench.store, older, bench.clock, "a test")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a b", "x" * 101, ".x.part", "-x"])
def test_an_id_that_is_no_name(bench: RestoreBench, name: str) -> None:
    verbs = Verbs(bench.host, bench.store.folder, bench.clock)
    ask = Request(id=name, owner="me", items=[{"kind": "file", "path": "/etc/x"}])
    for verb in (verbs.captured, verbs.armed, verbs.confirmed, verbs.undone):
        with pytest.raises(BadItem, match=r"id: .*use letters"):
            verb(ask)


@pytest.mark.parametrize("folder", ["packs", "/var/lib/my packs", "/a;b", "/"])
def test_a_folder_that_cannot_stand_in_a_unit_file(bench: RestoreBench, folder: str) -> None:
    with pytest.raises(BadItem, match="folder:"):
        Store(bench.host, folder)


def test_progress_that_was_cut_off_in_a_line_is_read_as_far_as_it_goes(
    bench: RestoreBench,
) -> None:
    pack: Pack = bench.captured({"kind": "file", "path": "/etc/x"})
    pack.note(item="file /etc/x", changed=True)
    with Path(pack.at("progress.jsonl")).open("a") as target:
        target.write('{"done": "fi')
    assert pack.notes() == [{"item": "file /etc/x", "changed": True}]
    record = bench.undone(pack)
    assert record["touched"] == ["file /etc/x"]
    assert record["continued"] == 1


def test_what_a_killed_undo_left_half_made_is_gone_afterwards(bench: RestoreBench) -> None:
    bench.write("/etc/x", "before")
    pack = bench.captured({"kind": "file", "path": "/etc/x"})
    bench.write("/etc/x", "after")
    Path(beside(str(bench.at("/etc/x")))).write_text("bef")
    bench.undone(pack)
    assert [one.name for one in bench.at("/etc").iterdir()] == ["x"]
    Path(beside(str(bench.at("/etc/x")))).write_text("bef")
    bench.undone(pack)
    assert [one.name for one in bench.at("/etc").iterdir()] == ["x"]


def _old_python() -> str | None:
    homes = sorted(Path.home().glob(".pyenv/versions/3.9*/bin/python3.9"))
    for one in filter(None, [shutil.which("python3.9"), *map(str, homes)]):
        if subprocess.run([one, "-c", ""], check=False, capture_output=True).returncode == 0:
            return one
    return None


@pytest.mark.slow
@pytest.mark.parametrize("python", [sys.executable, _old_python()])
def test_the_program_of_a_pack_runs_by_itself(bench: RestoreBench, python: str | None) -> None:
    if python is None:
        pytest.skip("no Python 3.9 here")
    bench.write("/nowhere/at/all", "on this machine there is no such file\n")
    pack = bench.captured({"kind": "file", "path": "/nowhere/at/all"})
    done = subprocess.run(
        [python, "-I", "-B", pack.program, "check"],
        capture_output=True, text=True, check=True, cwd="/", env={},
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert (said["damage"], said["different"]) == ([], ["file /nowhere/at/all"])
    asked = subprocess.run([python, "-I", pack.program], capture_output=True, check=False)
    assert asked.returncode == 2
