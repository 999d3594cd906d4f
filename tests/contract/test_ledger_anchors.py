# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors outside of the ledger: written once, missed when they are gone."""

from __future__ import annotations

import stat
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ledger.anchor_file import JsonAnchorFile
from storewarden.domain.errors import AdapterError, LedgerConflict
from storewarden.ports.journal import canonical, stamp
from storewarden.ports.ledger import Anchor
from storewarden.testing.conformance_ledger import START
from tests.contract.ledger_site import fill, lay_anchor, site_in
from tests.contract.ledger_tampering import (
    behind_its_back,
    read_journal,
    rechained,
    write_journal,
)


def _anchor(sequence: int) -> Anchor:
    return Anchor(sequence=sequence, hash=f"{sequence:064x}", at=START, where="file")


def test_lines_are_added_and_read_again(tmp_path: Path) -> None:
    file = JsonAnchorFile(tmp_path / "anchors")
    assert file.read() == ()
    file.write(_anchor(1))
    file.write(_anchor(5))
    assert file.read() == (_anchor(1), _anchor(5))
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert JsonAnchorFile(file.path).read() == file.read()


_WHOLE = canonical({"sequence": 7, "hash": "7" * 64, "at": stamp(START), "where": "file"})


@pytest.mark.parametrize("length", [1, 5, 8, 40, len(_WHOLE) - 1])
@pytest.mark.parametrize("filling", [b"", b"\0" * 30])
def test_a_torn_line_is_no_anchor_and_does_no_harm(
    tmp_path: Path, length: int, filling: bytes
) -> None:
    """Whoever wrote it never heard that it was written. Nothing is cut off, since the file may
    be one to which one can only append; nor does a second tear hurt."""
    file = JsonAnchorFile(tmp_path / "anchors")
    for round_ in range(3):
        file.write(_anchor(10 * round_ + 1))
        before = file.path.read_bytes() + _WHOLE[:length] + filling
        file.path.write_bytes(before)
        assert file.read()[-1] == _anchor(10 * round_ + 1)
        file.write(_anchor(10 * round_ + 2))
        assert file.path.read_bytes().startswith(before)
        if round_ == 1:
            with file.path.open("ab") as stream:  # the new line was torn, too
                stream.write(_WHOLE[:9] + b"\n" + _WHOLE[:length])
    assert [anchor.sequence for anchor in file.read()] == [1, 2, 11, 12, 21, 22]
    assert [each.where for each in file.torn()] == [
        f"{file.path}:{line}" for line in (2, 5, 7, 8, 10)
    ]


def test_a_file_that_can_only_grow_takes_lines_behind_a_torn_one(tmp_path: Path) -> None:
    """As after ``chattr +a``, which is what the file is best protected with."""
    file = JsonAnchorFile(tmp_path / "anchors")
    file.path.write_bytes(_WHOLE[:50])
    if subprocess.run(["chattr", "+a", file.path], capture_output=True, check=False).returncode:
        pytest.skip("this file system, or this user, knows no append-only files")
    try:
        file.write(_anchor(9))
        assert file.read() == (_anchor(9),)
    finally:
        subprocess.run(["chattr", "-a", file.path], check=True)


def test_who_tears_a_line_that_was_acknowledged_is_found_out(tmp_path: Path) -> None:
    """It reads like a torn one, but the journal notes what stood there."""
    with site_in(tmp_path) as site:
        fill(site)
        lay_anchor(site)
        path = site.config.anchor_file
        first, second = path.read_bytes().splitlines()
        path.write_bytes(first[:-20] + b"\n" + second + b"\n")
        found = site.verify_ledger()
    assert [each.what for each in found.problems] == [
        "cut off or altered: the anchor of entry 11 is missing"
    ]
    assert f"{path}:1" in [note.where for note in found.notes]


def test_an_altered_line_is_named(tmp_path: Path) -> None:
    file = JsonAnchorFile(tmp_path / "anchors")
    file.write(_anchor(1))
    file.write(_anchor(2))
    file.path.write_text(file.path.read_text().replace('"sequence":2', '"sequence":"2"'))
    with pytest.raises(LedgerConflict, match=r"anchors:2: is no anchor"):
        file.read()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="an anchor cannot be written") as refusal:
        JsonAnchorFile(tmp_path / "nowhere" / "anchors").write(_anchor(1))
    assert refusal.value.retryable


def test_an_anchor_is_noted_once_per_place(tmp_path: Path) -> None:
    with site_in(tmp_path) as site:
        fill(site)
        (first,) = site.ledger.anchors()
        before = site.ledger.head()
        site.ledger.anchored(replace(first, at=START + timedelta(hours=1)))
        assert site.ledger.head() == before
        site.ledger.anchored(replace(first, where="ticket:itsm 17"))
        assert [anchor.where for anchor in site.ledger.anchors()] == ["file", "ticket:itsm 17"]
        assert site.verify_ledger().problems == ()


def test_an_anchor_file_that_was_cut_is_named(tmp_path: Path) -> None:
    with site_in(tmp_path) as site:
        fill(site)
        lay_anchor(site)
        file = site.config.anchor_file
        first, second = file.read_text().splitlines(keepends=True)
        file.write_text(first)
        (problem,) = site.verify_ledger().problems
        assert problem.where == f"anchor file {file}"
        assert problem.what == "cut off or altered: the anchor of entry 13 is missing"
        file.write_text(second)
        assert "anchor of entry 11" in site.verify_ledger().problems[0].what
        file.write_text(first + second.replace("a", "b").replace("0", "1"))
        assert site.verify_ledger().problems
        file.write_text(first + "rubbish\n")
        (problem,) = site.verify_ledger().problems
        assert (problem.where, problem.what.split(":")[0]) == (f"{file}:2", "is no anchor")
        file.write_text(first + second)
        assert site.verify_ledger().problems == ()


def test_whoever_rewrites_the_chain_must_rewrite_the_notes_of_anchors_too(tmp_path: Path) -> None:
    """Without any hash from outside: the journal itself contradicts."""
    with site_in(tmp_path) as site:
        fill(site)
        (noted,) = site.ledger.anchors()
    with behind_its_back(site.config.ledger) as raw:
        bodies = [sealed for sealed, _ in read_journal(raw)]
        bodies[0] = replace(bodies[0], at="2026-02-01T08:00:00.000000Z")
        write_journal(raw, rechained(bodies), head=True)
    site.config.anchor_file.unlink()
    with site_in(tmp_path) as site:
        found = {f"{each.where}: {each.what}" for each in site.ledger.verify().problems}
    what = f"altered: entry {noted.sequence + 1} notes another hash of it as anchored"
    assert found == {f"entry {noted.sequence}: {what}"}
