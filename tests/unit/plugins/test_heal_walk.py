# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking where others may swap, mount and dig at the same time; who has which file open."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.open_files import (
    elsewhere,
    in_use,
    local_mounts,
    open_now,
    opened_files,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.room import largest
from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import (
    Bounds,
    Walk,
    mount_at,
    mount_table,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


def walk(root: Path, bounds: Bounds | None = None) -> Walk:
    return Walk(str(root), mount_at(str(root), "/"), bounds or Bounds())


def seen(root: Path, bounds: Bounds | None = None) -> dict[str, list[str]]:
    """Names by folder."""
    return {here.path: sorted(here.names()) for here in walk(root, bounds).through("/")}


def test_a_folder_that_becomes_a_pipe_or_a_link_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("pipe", "link", "stays"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "sales").touch()
    found = []
    for here in walk(tmp_path).through("/"):
        found += [f"{here.path}/{name}" for name in here.names()]
        if here.path == "":
            # Between the look at its name and the opening of the folder.
            for name in ("pipe", "link"):
                (tmp_path / name / "file").unlink()
                (tmp_path / name).rmdir()
            os.mkfifo(tmp_path / "pipe")
            (tmp_path / "link").symlink_to(outside)
    assert found == ["/stays/file"]


def test_as_deep_as_somebody_digs_there_is_an_end(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _level in range(90):
        os.mkdir("x", dir_fd=here)
        below = os.open("x", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/file").touch()
    bounds = Bounds()
    found = seen(tmp_path, bounds)
    assert not bounds.whole
    assert found["/beside"] == ["file"]
    assert "bottom" not in [name for names in found.values() for name in names]
    # Evidence is collected all the same.
    assert not largest(Host(str(tmp_path)), "/").whole


def test_entries_and_time_have_an_end(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()
    few, late = Bounds(entries=10), Bounds(seconds=-1.0)
    assert len(seen(tmp_path, few)[""]) == 10
    assert not few.whole
    (tmp_path / "below").mkdir()
    assert list(seen(tmp_path, late)) == [""]
    assert not late.whole


def test_mount_points_are_not_touched() -> None:
    """The machine's own /proc and /dev are mounts of their own."""
    top = next(iter(Walk("", mount_at("", "/"), Bounds()).through("/")))
    assert list(top.names()) is not None
    apart = {place[1:] for _number, place in mount_table() if place.count("/") == 1} - {""}
    assert "proc" in apart
    assert not apart & set(top.below)
    # Nor is a folder that lies on another mount than the one that is meant.
    assert list(Walk("", mount_at("", "/"), Bounds()).through("/proc/self")) == []


def test_what_is_open_or_mapped_is_in_use(tmp_path: Path) -> None:
    for name in ("open", "mapped", "unused"):
        (tmp_path / name).write_bytes(b"x" * 4096)
    with (tmp_path / "open").open(), (tmp_path / "mapped").open("r+b") as file:
        kept = mmap.mmap(file.fileno(), 4096)
        file.close()
        used = open_now()
        found = {
            name: in_use(used, (tmp_path / name).stat().st_dev, (tmp_path / name).stat().st_ino)
            for name in ("open", "mapped", "unused")
        }
        kept.close()
    assert found == {"open": True, "mapped": True, "unused": False}


def _process(proc: Path, pid: int, space: str, mountinfo: str, **files: tuple[int, Path]) -> None:
    own = proc / str(pid)
    for folder in ("fd", "fdinfo", "ns"):
        (own / folder).mkdir(parents=True)
    (own / "ns/mnt").symlink_to(space)
    (own / "mountinfo").write_text(mountinfo)
    for number, (mount, target) in enumerate(files.values(), 3):
        (own / "fd" / str(number)).symlink_to(target)
        (own / "fdinfo" / str(number)).write_text(f"pos:\t0\nflags:\t0100000\nmnt_id:\t{mount}\n")


def test_files_of_servers_and_of_mounts_nobody_lists_are_not_asked(tmp_path: Path) -> None:
    """Whether one was asked shows in whether it was found: all three are there."""
    for name in ("local", "share", "let-go"):
        (tmp_path / name).touch()
    table = (
        "30 1 8:2 / / rw - ext4 /dev/sda2 rw\n"
        "40 30 0:50 / /srv/share rw - nfs4 10.0.0.9:/share rw\n"
        "41 30 0:51 / /srv/sshfs rw - fuse.sshfs till@a: rw\n"
    )
    files = {
        "one": (30, tmp_path / "local"),
        "two": (40, tmp_path / "share"),
        "three": (99, tmp_path / "let-go"),  # umount --lazy: the table has it no more
    }
    _process(tmp_path / "proc", 7, "mnt:[1]", table, **files)
    proc = str(tmp_path / "proc")
    assert local_mounts(proc) == {30: "8:2"}
    assert [one.inode for one in opened_files(proc)] == [(tmp_path / "local").stat().st_ino]


@pytest.mark.parametrize(
    ("kind", "is_elsewhere"),
    [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("ext4", False), ("overlay", False)],
)
def test_whose_filesystem_it_is(kind: str, is_elsewhere: bool) -> None:
    assert elsewhere(kind) is is_elsewhere
