# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that an archive holds can reach outside of its folder, however it was made.

Each hostile archive is one that an ordinary unpacker would follow. Beside the cases there is a
property: whatever links and names somebody makes up, either the archive is refused, or everything
it unpacks to, links followed by the system itself, lies below the folder.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.staging import download
from ansible_collections.storewarden.ops.plugins.module_utils.staging.listing import read
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unpacking import (
    Wish,
    differences,
    unpack,
)
from tests.amount import examples
from tests.unit.plugins.tar_bench import Member, folder, link, packed, written

_ME = Wish(uid=os.getuid(), gid=os.getgid())
GOOD = [
    folder("."),
    Member("./bin/run", b"#!/bin/sh\n", mode=0o755),
    folder("lib", 0o2777),
    Member("lib/a", b"a" * 3000, mode=0o4666),
    Member("lib/b", kind=tarfile.LNKTYPE, target="lib/a"),
    link("lib/latest", "../bin/run"),
    link("now", "lib"),
    link("nowhere", "lib/not-yet"),
    Member("private", b"x", mode=0o600),
]


@pytest.mark.parametrize("how", ["", "gz", "bz2", "xz"])
def test_a_good_archive(tmp_path: Path, how: str) -> None:
    archive = written(tmp_path / "a", GOOD, how)
    listing = read(archive)
    assert listing.size == len(b"#!/bin/sh\n") + 3000 + 1
    target = tmp_path / "t"
    target.mkdir()
    beats: list[int] = []
    manifest = unpack(archive, str(target), _ME, lambda: beats.append(1))
    assert len(beats) >= len(GOOD)
    assert (target / "lib/latest").read_bytes() == b"#!/bin/sh\n"
    assert (target / "lib/a").samefile(target / "lib/b")
    modes = {
        name: (target / name).lstat().st_mode & 0o7777
        for name in ("bin", "bin/run", "lib", "lib/a", "private")
    }
    assert modes == {"bin": 0o755, "bin/run": 0o755, "lib": 0o755, "lib/a": 0o644, "private": 0o600}
    assert differences(str(target), manifest) == []
    (target / "lib/a").write_bytes(b"b" * 3000)
    (target / "now").unlink()
    (target / "private").chmod(0o666)
    (target / "more").write_text("came later")
    assert differences(str(target), manifest) == ["lib/a", "lib/b", "now", "private"]


def test_leading_parts_are_left_out(tmp_path: Path) -> None:
    members = [
        folder("till-4.2"),
        Member("till-4.2/bin/run", b"x"),
        Member("till-4.2/again", kind=tarfile.LNKTYPE, target="till-4.2/bin/run"),
    ]
    target = tmp_path / "t"
    target.mkdir()
    unpack(written(tmp_path / "a", members), str(target), _ME._replace(strip=1), lambda: None)
    assert sorted(one.name for one in target.iterdir()) == ["again", "bin"]


HOSTILE = {
    "absolute": ([Member("/etc/passwd", b"x")], "leads out"),
    "up": ([Member("a/../../etc/passwd", b"x")], "leads out"),
    "up inside": ([Member("a/../b", b"x")], "leads out"),
    "absolute link": ([Member("a", b"x"), link("l", "/etc")], "link that leads out"),
    "link up": ([Member("a", b"x"), link("d/l", "../../x")], "link that leads out"),
    # "d/s/.." is the folder above what s points to, and not d
    "link through a link": (
        [Member("p/q/r/f", b"x"), link("p/q/r/up", "../../.."), link("l", "p/q/r/up/..")],
        "link that leads out",
    ),
    "link round": ([Member("a", b"x"), link("l", "m"), link("m", "l")], "link that leads out"),
    "file below a link": ([link("l", "d"), Member("d/f", b"x"), Member("l/g", b"y")], "below a"),
    "link over a folder": ([Member("d/f", b"x"), link("d", "/etc")], "twice"),
    "file over a link": ([link("l", "a"), Member("l", b"x")], "twice"),
    "twice": ([Member("a", b"x"), Member("./a", b"y")], "twice"),
    "below a file": ([Member("a", b"x"), Member("a/b", b"y")], "below a"),
    "device": ([Member("d", kind=tarfile.CHRTYPE)], "device"),
    "disk": ([Member("d", kind=tarfile.BLKTYPE)], "device"),
    "pipe": ([Member("d", kind=tarfile.FIFOTYPE)], "pipe"),
    "second name outside": (
        [Member("a", b"x"), Member("h", kind=tarfile.LNKTYPE, target="/etc/passwd")],
        "leads out",
    ),
    "second name of a link": (
        [link("l", "a"), Member("a", b"x"), Member("h", kind=tarfile.LNKTYPE, target="l")],
        "second name",
    ),
    "line end in a name": ([Member("a\nb", b"x")], "no proper name"),
    "escape in a name": ([Member("\x1b[2Ja", b"x")], "no proper name"),
    "backslash": ([Member("..\\a", b"x")], "no proper name"),
    "long name": ([Member("a" * 1001, b"x")], "no proper name"),
    "nothing": ([folder("a")], "no file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(tmp_path: Path, name: str) -> None:
    members, expected = HOSTILE[name]
    archive = written(tmp_path / "a", members)
    with pytest.raises(Unfit) as raised:
        read(archive)
    reason = raised.value.reason()
    assert expected in reason["en"], reason
    assert not reason["zh"].isascii()
    assert reason["en"].isprintable()
    target = tmp_path / "t"
    target.mkdir()
    with pytest.raises(Unfit):
        unpack(archive, str(target), _ME, lambda: None)
    assert not any(path.is_symlink() for path in target.rglob("*"))


@pytest.mark.parametrize("how", ["", "gz", "bz2", "xz"])
def test_cut_off_anywhere(tmp_path: Path, how: str) -> None:
    members = [Member("a", os.urandom(1500)), Member("b", b"y" * 1024), Member("c", b"z")]
    whole = packed(members, how)
    # Behind the two empty blocks that end an archive a plain one has padding only.
    useful = len(whole) - 4 if how else 512 + 1536 + 512 + 1024 + 512 + 512
    places = {*range(0, useful, 97), *range(0, useful, 512)}
    for length in sorted(places):
        path = tmp_path / "cut"
        path.write_bytes(whole[:length])
        with pytest.raises(Unfit):
            read(str(path))


def test_what_is_no_archive(tmp_path: Path) -> None:
    for content in (
        b"",
        b"hello",
        b"\x1f\x8bnot gzip",
        os.urandom(4096),
        gzip.compress(b"x" * 5000),
    ):
        path = tmp_path / "no"
        path.write_bytes(content)
        with pytest.raises(Unfit, match="damaged or cut off"):
            read(str(path))


def test_a_damaged_header_in_the_middle_is_no_end(tmp_path: Path) -> None:
    data = bytearray(packed([Member("a", b"x"), Member("b", b"y")], ""))
    data[1024 + 10] ^= 1
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(Unfit, match="damaged"):
        read(str(path))


def test_more_than_there_is_room_for(tmp_path: Path) -> None:
    archive = written(tmp_path / "a", [Member("a", bytes(3_000_000)), Member("b", b"x")])
    assert read(archive, most=3_000_001).size == 3_000_001
    with pytest.raises(Unfit, match="more than 3 MB"):
        read(archive, most=3_000_000)


def test_a_header_that_claims_to_be_huge(tmp_path: Path) -> None:
    """tarfile would take all of it into memory."""
    about = tarfile.TarInfo("x")
    about.type, about.size = tarfile.XHDTYPE, 1 << 30
    path = tmp_path / "a"
    path.write_bytes(about.tobuf() + bytes(1 << 16))
    with pytest.raises(Unfit, match="header of"):
        read(str(path))


_PARTS = st.sampled_from(["a", "b", "c", "..", "."])
_NAMES = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_MEMBERS = st.one_of(
    st.builds(lambda name: Member(name, b"x"), _NAMES),
    st.builds(folder, _NAMES),
    st.builds(link, _NAMES, _NAMES),
    st.builds(lambda name, to: Member(name, kind=tarfile.LNKTYPE, target=to), _NAMES, _NAMES),
)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(_MEMBERS, min_size=1, max_size=7))
def test_whatever_somebody_makes_up_stays_inside(members: list[Member]) -> None:
    with tempfile.TemporaryDirectory() as place:
        archive = written(Path(place) / "a", members, "")
        try:
            read(archive)
        except Unfit:
            return
        target = Path(place).resolve() / "deep" / "t"
        target.mkdir(parents=True)
        unpack(archive, str(target), _ME, lambda: None)
        for found in target.rglob("*"):
            assert os.path.realpath(found).startswith(str(target)), found
        assert sorted(one.name for one in Path(place).iterdir()) == ["a", "deep"]
        assert [one.name for one in target.parent.iterdir()] == ["t"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///etc/passwd", "http or https"),
        ("ftp://host.example/a", "http or https"),
        ("http:///a", "http or https"),
        ("https://user:word@host.example/a", "password"),
    ],
)
def test_addresses_that_cannot_be_meant(url: str, expected: str) -> None:
    with pytest.raises(Unfit, match=expected) as raised:
        download.checked_url(url)
    assert "word@" not in str(raised.value)
