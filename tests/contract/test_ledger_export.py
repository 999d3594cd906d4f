# SPDX-License-Identifier: GPL-3.0-or-later
"""An exported journal proves itself on a machine that has neither site nor ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storewarden.cli.guard import guarded
from storewarden.ports.journal import GENESIS, Sealed, seal
from storewarden.ports.ledger import Problem
from storewarden.testing.conformance_ledger import START
from storewarden.testing.ledger import ManualClock
from storewarden.wiring import records
from tests.contract.ledger_site import fill, lay_anchor, site_in


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    """The export of a filled site with 13 entries."""
    with site_in(tmp_path / "site") as site:
        fill(site)
        return list(records.exported(site))


def _checked(
    tmp_path: Path, lines: list[str], known: dict[int, str] | None = None
) -> list[Problem]:
    file = tmp_path / "export.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))
    return list(records.check_export(file, known or {}, None).problems)


def test_an_auditor_can_compute_the_chain_by_hand(lines: list[str]) -> None:
    """Every stored field is there, the body as the text that was hashed."""
    previous = GENESIS
    for line in lines[:-1]:
        data = json.loads(line)
        stored = data.pop("hash")
        assert data["previous"] == previous
        assert seal(Sealed(**{**data, "body": data["body"].encode()})) == stored
        previous = stored
    head = json.loads(lines[-1])["head"]
    assert (head["sequence"], head["hash"], head["entries"]) == (13, previous, 13)


def _without_hash(line: str) -> str:
    data = json.loads(line)
    del data["hash"]
    return json.dumps(data)


def _with_body(line: str) -> str:
    return json.dumps({**json.loads(line), "body": '{"by":"ma"}'})


@pytest.mark.parametrize(
    ("tamper", "where", "what"),
    [
        (lambda ls: [*ls[:7], _with_body(ls[7]), *ls[8:]], "entry 8", "altered"),
        (lambda ls: [*ls[:7], *ls[8:]], "entry 8", "deleted"),
        (lambda ls: ls[:9], "export", "cut off"),
        (lambda ls: [*ls[:9], ls[-1]], "entries 10-13", "cut off"),
        (lambda ls: [*ls[:4], ls[5], ls[4], *ls[6:]], "line 6", "re-ordered"),
        (lambda ls: [*ls, ls[3]], "line 15", "inserted"),
        (lambda ls: [*ls[:3], "", *ls[3:]], "line 4", "altered"),
        (lambda ls: [*ls[:3], _without_hash(ls[3]), *ls[4:]], "line 4", "altered"),
        (lambda ls: [*ls[:-1], '{"head": {}}'], "export", "altered"),
        (lambda ls: [*ls[:-1], '{"head": 7}'], "export", "altered"),
        (lambda ls: ["[" * 3000, *ls], "line 1", "altered"),
    ],
)
def test_what_was_done_to_an_export_is_named(
    tmp_path: Path,
    lines: list[str],
    tamper: Callable[[list[str]], list[str]],
    where: str,
    what: str,
) -> None:
    assert _checked(tmp_path, lines) == []
    first = _checked(tmp_path, tamper(lines))[0]
    assert (first.where, first.what.split(":")[0]) == (where, what)


def _fields(line: str) -> list[str]:
    data = json.loads(line)
    return sorted(data.get("head", data))


def _with(line: str, field: str) -> str:
    """The line with another value of one field; the same type."""
    data = json.loads(line)
    place = data.get("head", data)
    place[field] = place[field] + 1 if isinstance(place[field], int) else f"{place[field]} "
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def test_every_field_of_every_line_is_covered(tmp_path: Path, lines: list[str]) -> None:
    """But for the time at which the export was made."""
    silent = [
        (number, field)
        for number, line in enumerate(lines)
        for field in _fields(line)
        if not _checked(tmp_path, [*lines[:number], _with(line, field), *lines[number + 1 :]])
    ]
    assert silent == [(len(lines) - 1, "at")]


def test_every_line_taken_out_doubled_or_moved_is_named(tmp_path: Path, lines: list[str]) -> None:
    for number in range(len(lines)):
        rest = [*lines[:number], *lines[number + 1 :]]
        assert _checked(tmp_path, rest), f"line {number + 1} taken out"
        assert _checked(tmp_path, [*lines[:number], lines[number], *lines[number:]])
        for place in {0, len(rest) // 2, len(rest)} - {number}:
            moved = [*rest[:place], lines[number], *rest[place:]]
            assert _checked(tmp_path, moved), f"line {number + 1} moved to {place + 1}"


def test_a_key_that_stands_twice_is_named(tmp_path: Path, lines: list[str]) -> None:
    """Readers of JSON take the last one, people the first."""
    double = lines[4].replace('{"at":', '{"at":"2020-01-01T00:00:00.000000Z","at":', 1)
    (found,) = _checked(tmp_path, [*lines[:4], double, *lines[5:]])[:1]
    assert (found.where, found.what.split(":")[0]) == ("line 5", "altered")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_character_of_an_export_changes_unseen(
    tmp_path: Path, lines: list[str], data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number]
    place = data.draw(st.integers(0, len(line) - 1))
    new = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(line[place].__ne__))
    if number == len(lines) - 1 and '"at":"' in line[:place] and '","entries"' in line[place:]:
        return  # the time of the export
    altered = line[:place] + new + line[place + 1 :]
    assert _checked(tmp_path, [*lines[:number], altered, *lines[number + 1 :]])


def test_a_rewritten_export_is_found_by_its_anchors(tmp_path: Path) -> None:
    """Another history, perfect in itself: the same number of entries, other hashes."""
    with site_in(tmp_path / "one") as site:
        fill(site)
        anchor = lay_anchor(site)
        lines = list(records.exported(site))
    with site_in(tmp_path / "two", ManualClock(START + timedelta(days=1))) as other:
        fill(other)
        lay_anchor(other)
        forged = list(records.exported(other))
    known = {anchor.sequence: anchor.hash}
    assert _checked(tmp_path, lines, known) == []
    assert _checked(tmp_path, forged) == []
    (found,) = _checked(tmp_path, forged, known)
    assert found.where == f"entry {anchor.sequence}"


@pytest.mark.slow
def test_it_is_checked_where_there_is_no_site(tmp_path: Path) -> None:
    """Another machine: an empty home, no configuration, no ledger, the wheel alone."""
    with site_in(tmp_path / "site") as site:
        fill(site)
        anchors = site.config.anchor_file
        file = tmp_path / "export.jsonl"
        file.write_text("".join(f"{line}\n" for line in records.exported(site)))
    home = tmp_path / "empty"
    home.mkdir()
    argv = [Path(sys.executable).with_name("storewarden"), "ledger", "check-export", str(file)]
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [*argv, "--anchors", str(anchors)],
        capture_output=True, text=True, cwd=home, env=environment, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK: 13 entries, head ")
    assert list(home.iterdir()) == []


def test_the_command_line_exports_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("STOREWARDEN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    with site_in(tmp_path) as site:
        fill(site)
    assert guarded(["ledger", "export", "out.jsonl"]) == 0
    assert "13 entries exported to out.jsonl" in capsys.readouterr().err
    assert guarded(["ledger", "export", "out.jsonl"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert guarded(["ledger", "export"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 14
    assert guarded(["ledger", "check-export", "out.jsonl"]) == 0
    assert guarded(["ledger", "check-export", "out.jsonl", "--anchor", f"5:{'0' * 64}"]) == 1
    said = capsys.readouterr().out
    assert "entry 5: altered: its hash is not the one remembered elsewhere" in said
    assert guarded(["ledger", "check-export", "nothing.jsonl"]) == 2
