# SPDX-License-Identifier: GPL-3.0-or-later
"""Seven ways to tamper with the record of a site, each named by ``storewarden ledger verify``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storewarden.cli.guard import guarded
from storewarden.ports.journal import seal
from tests.contract.ledger_site import fill, site_in
from tests.contract.ledger_tampering import (
    behind_its_back,
    forged_entry,
    read_journal,
    rechained,
    write_journal,
)

_LAST = 13  # entries that ``fill`` writes


def _change(raw: Any) -> None:
    raw.execute(
        "UPDATE journal SET body = CAST(replace(CAST(body AS TEXT), 'li', 'ma') AS BLOB)"
        " WHERE kind = 'change opened'"
    )


def _delete(raw: Any) -> None:
    raw.execute("DELETE FROM journal WHERE kind = 'change started'")


def _cut_off_the_tail(raw: Any) -> None:
    raw.execute("DELETE FROM journal WHERE sequence > 11")


def _insert(raw: Any) -> None:
    chain = read_journal(raw)
    forged = forged_entry(9, chain[7][1])
    behind = [(replace(s, sequence=s.sequence + 1), h) for s, h in chain[8:]]
    write_journal(raw, [*chain[:8], (forged, seal(forged)), *behind], head=True)


def _re_order(raw: Any) -> None:
    chain = read_journal(raw)
    a, b = chain[8], chain[10]
    chain[8] = (replace(b[0], sequence=9), b[1])
    chain[10] = (replace(a[0], sequence=11), a[1])
    write_journal(raw, chain, head=False)


def _edit_a_state_table(raw: Any) -> None:
    raw.execute(
        'UPDATE change SET body = replace(body, \'"requester":"li"\', \'"requester":"ma"\')'
    )


def _rewrite_the_whole_chain(raw: Any) -> None:
    """An audit that never was there in this form: every hash fits, only the anchor does not."""
    bodies = [sealed for sealed, _ in read_journal(raw)]
    bodies = [s for s in bodies if s.kind != "anchor written"]  # nor does it tell of one
    bodies[0] = replace(bodies[0], at="2026-02-01T08:00:00.000000Z")
    write_journal(raw, rechained(bodies), head=True)
    raw.execute("UPDATE change SET sequence = sequence - 1")
    raw.execute("UPDATE delivery SET latest = latest - 1")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a filled ledger, as the command line finds it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("STOREWARDEN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    with site_in(tmp_path / "state") as site:
        fill(site)
        assert site.ledger.head().sequence == _LAST
    return tmp_path


def _verify(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, list[str]]:
    code = guarded(["ledger", "verify", *more])
    return code, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (_change, "entry 8: altered: its hash does not fit its content"),
        (_delete, "entry 10: deleted"),
        (_cut_off_the_tail, "entries 12-13: cut off"),
        (_insert, "entry 9: inserted: the entries behind it were renumbered"),
        (_re_order, "entry 9: re-ordered: it was written as entry 11"),
        (
            _edit_a_state_table,
            "change row (number GMBG-20260301-001): altered: not what the journal records (body)",
        ),
        (
            _rewrite_the_whole_chain,
            "entry 11: altered: its hash is not the one remembered elsewhere",
        ),
    ],
)
def test_it_is_named(
    home: Path, capsys: pytest.CaptureFixture[str], tamper: Callable[[Any], None], line: str
) -> None:
    assert _verify(capsys)[0] == 0
    with behind_its_back(home / "state/storewarden/ledger.sqlite") as raw:
        tamper(raw)
    code, said = _verify(capsys)
    assert code == 1
    assert line in said
    assert said[-1].startswith("PROBLEMS: ")


def test_a_rewritten_chain_is_found_by_a_hash_from_a_ticket(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when the anchor file was removed; its absence is a problem of its own."""
    anchors = home / "state/storewarden/ledger.sqlite.anchors"
    with site_in(home / "state") as site:
        (anchor,) = site.ledger.anchors()
    told = f"{anchor.sequence}:{anchor.hash}"
    anchors.unlink()
    code, said = _verify(capsys)
    assert code == 1
    assert said[0].startswith(f"anchor file {anchors}: cut off or altered: the anchor of entry 11")
    with behind_its_back(home / "state/storewarden/ledger.sqlite") as raw:
        _rewrite_the_whole_chain(raw)
    assert _verify(capsys)[0] == 0  # nothing inside can show it
    code, said = _verify(capsys, "--anchor", told)
    assert code == 1
    assert said[0] == "entry 11: altered: its hash is not the one remembered elsewhere"


def test_a_hash_that_is_none_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["ledger", "verify", "--anchor", "12:abc"]) == 2
    assert "is no anchor (write ENTRY:HASH, 64 hex digits)" in capsys.readouterr().err
