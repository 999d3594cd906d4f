# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of the ledger: proven when made, proven again before they take a ledger's place."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.evidence import EvidenceFolder
from storewarden.adapters.ledger import copies, open_ledger
from storewarden.cli.guard import guarded
from storewarden.domain.errors import ConfigInvalid, LedgerConflict, Refused
from storewarden.testing.conformance_changes import note
from storewarden.wiring import records
from tests.contract.ledger_places import emptied
from tests.contract.ledger_postgres import postgres
from tests.contract.ledger_site import DOCUMENT, attach, fill, lay_anchor, open_change, site_in
from tests.contract.ledger_tampering import behind_its_back


def _made(folder: Path) -> tuple[Path, str]:
    """A backup of a filled site; the change in it."""
    file = folder / "backup.sqlite"
    with site_in(folder) as site:
        number = fill(site)
        records.backup(site, file)
    return file, number


def test_a_backup_is_one_file_that_proves_itself(tmp_path: Path) -> None:
    file = tmp_path / "backup.sqlite"
    with site_in(tmp_path) as site:
        fill(site)
        head = site.ledger.head()
        made = records.backup(site, file)
        noted = list(site.ledger.journal())[-1]
    assert (made.entries, made.head) == (head.sequence, head.hash)
    manifest = json.loads((tmp_path / "backup.sqlite.manifest.json").read_text())
    assert (manifest["sha256"], manifest["head"]) == (copies.sha256_of(file), head.hash)
    assert (noted.kind, noted.body["sha256"]) == ("ledger backed up", made.sha256)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    beside = {path.name for path in tmp_path.iterdir() if path.name.startswith("backup")}
    assert beside == {
        "backup.sqlite",
        "backup.sqlite.documents",
        "backup.sqlite.manifest.json",
    }
    with open_ledger(shutil.copy(file, tmp_path / "opened.sqlite"), clock=SystemClock()) as copy:
        assert copy.verify().entries == head.sequence


def test_a_backup_is_never_written_over(tmp_path: Path) -> None:
    file, _ = _made(tmp_path)
    with site_in(tmp_path) as site, pytest.raises(ConfigInvalid, match="is there already"):
        records.backup(site, file)


def test_a_tampered_ledger_is_not_backed_up_as_if_it_were_fine(tmp_path: Path) -> None:
    with site_in(tmp_path) as site:
        fill(site)
        with behind_its_back(site.config.ledger) as raw:
            raw.execute("UPDATE change SET risk = 'high'")
        with pytest.raises(LedgerConflict, match=r"does not verify: change row .*risk"):
            records.backup(site, tmp_path / "backup.sqlite")
    assert not list(tmp_path.glob("*backup*"))


def test_a_backup_while_others_write_is_a_moment_of_the_ledger(tmp_path: Path) -> None:
    stop = threading.Event()
    with site_in(tmp_path) as site:
        number = fill(site)

        def write() -> None:
            count = 0
            while not stop.is_set():
                site.changes.amend(number, f"w{count}", note("x"))
                count += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            made = [records.backup(site, tmp_path / f"b{n}.sqlite") for n in range(5)]
        finally:
            stop.set()
            writer.join()
        known = {each.entries: each.head for each in made}
        assert site.ledger.verify(known=known).problems == ()
    assert [each.entries for each in made] == sorted(each.entries for each in made)


def test_postgresql_is_left_to_its_own_tools(tmp_path: Path) -> None:
    with (
        postgres() as url,
        open_ledger(emptied(url), clock=SystemClock()) as ledger,
        pytest.raises(ConfigInvalid, match=r"server's own tools.*pg_dump"),
    ):
        copies.backup(ledger, tmp_path / "backup.sqlite", SystemClock())


def test_a_lost_ledger_comes_back_with_its_documents(tmp_path: Path) -> None:
    file, number = _made(tmp_path)
    with site_in(tmp_path / "new") as site:
        made = records.restored(site, file)
        assert (made.given_up, made.kept) == (0, None)
        change = site.changes.change(number)
        assert change is not None
        assert site.evidence.get(change.evidence[0].digest) == DOCUMENT
        last = list(site.ledger.journal())[-1]
        assert (last.kind, last.body["backup"]) == ("ledger restored", copies.sha256_of(file))
        verified = site.ledger.verify()
        assert verified.problems == ()
        assert [each.where for each in verified.notes] == [f"entry {last.sequence}"]
        assert verified.notes[0].what.startswith("a backup was restored before it")
    assert stat.S_IMODE(site.config.ledger.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_who_restores_leaves_the_ledger_to_the_service(tmp_path: Path) -> None:
    file, _number = _made(tmp_path)
    with site_in(tmp_path / "new") as site:
        site.config.state_dir.mkdir(mode=0o700, parents=True)
        os.chown(site.config.state_dir, 1234, 4321)
        records.restored(site, file)
        found = Path(site.config.ledger).stat()
    assert (found.st_uid, found.st_gid) == (1234, 4321)
    assert not list(site.config.ledger.parent.glob(".restoring-*"))


def test_a_ledger_is_not_replaced_by_accident(tmp_path: Path) -> None:
    file, _ = _made(tmp_path)
    with site_in(tmp_path) as site:
        before = site.config.ledger.read_bytes()
        with pytest.raises(Refused, match="there is a ledger already"):
            records.restored(site, file)
        with pytest.raises(Refused, match="lacks 1 entry of the ledger"):  # the backup's own note
            records.restored(site, file, replace=True)
        with pytest.raises(ConfigInvalid, match="no such backup"):
            records.restored(site, tmp_path / "other.sqlite", replace=True)
    with site_in(tmp_path) as site:
        assert site.ledger.verify().problems == ()
    assert len(site.config.ledger.read_bytes()) == len(before)


def test_what_is_given_up_is_counted_kept_and_told(tmp_path: Path) -> None:
    """Anchors of what was given up are no problem afterwards; the old file holds all of it."""
    file, number = _made(tmp_path)
    with site_in(tmp_path) as site:
        for count in range(4):
            site.changes.amend(number, f"later {count}", note("x"))
        lay_anchor(site)
        old = site.ledger.head()
    with site_in(tmp_path) as site:
        with pytest.raises(Refused, match="ends at entry 13 and lacks 6 entries of the ledger"):
            records.restored(site, file, replace=True)
        made = records.restored(site, file, replace=True, accept_loss=True)
        assert (made.given_up, made.backup.sequence) == (6, 13)
        change = site.changes.change(number)
        assert change is not None
        assert len(site.changes.history(number)) == 5
        site.changes.amend(number, "after", note("goes on"))
        verified = site.verify_ledger()
        assert verified.problems == ()
        assert "6 newer entries given up" in verified.notes[0].what
    assert made.kept is not None
    with open_ledger(made.kept, clock=SystemClock()) as kept:
        assert kept.verify(known={old.sequence: old.hash}).problems == ()


def test_a_line_that_voids_anchors_counts_only_with_a_restore(tmp_path: Path) -> None:
    """Whoever cuts the tail off cannot explain it away in the anchor file."""
    with site_in(tmp_path) as site:
        number = fill(site)
        lay_anchor(site)
        file = records.anchor_file(site.config)
        first, second = file.read()
        file.mark_restored(first)
        assert file.holding([]) == (first, second)
        assert site.verify_ledger().problems == ()
        assert number


def test_anchors_of_a_lost_ledger_tell_what_the_backup_lacks(tmp_path: Path) -> None:
    file, number = _made(tmp_path)
    with site_in(tmp_path) as site:
        site.changes.amend(number, "later", note("x"))
        lay_anchor(site)
    site.config.ledger.unlink()
    with site_in(tmp_path) as site:
        with pytest.raises(Refused, match="lacks 2 entries of the ledger"):
            records.restored(site, file)
        assert records.restored(site, file, accept_loss=True).given_up == 2
        assert site.verify_ledger().problems == ()


def test_an_altered_backup_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    file, _ = _made(tmp_path)
    tampered = tmp_path / "tampered.sqlite"
    shutil.copy(file, tampered)
    with behind_its_back(tampered) as raw:
        raw.execute("UPDATE change SET risk = 'high'")
    with site_in(tmp_path) as site:
        with pytest.raises(LedgerConflict, match=r"does not verify: change row .*risk"):
            records.restored(site, tampered, replace=True, accept_loss=True)
        shutil.copy(tampered, file)
        with pytest.raises(LedgerConflict, match="not those of its manifest"):
            records.restored(site, file, replace=True, accept_loss=True)
        assert site.ledger.verify().problems == ()
    assert not list(tmp_path.rglob("*.replaced-*"))


def test_a_backup_that_contradicts_an_anchor_is_refused(tmp_path: Path) -> None:
    file, _ = _made(tmp_path / "one")
    line = {"sequence": 5, "hash": "0" * 64, "at": "2026-03-01T08:00:00Z", "where": "file"}
    with site_in(tmp_path / "two") as site:
        fill(site)
        site.config.anchor_file.write_text(json.dumps(line) + "\n")
    with (
        site_in(tmp_path / "two") as site,
        pytest.raises(LedgerConflict, match="entry 5: altered: its hash is not the one"),
    ):
        records.restored(site, file, replace=True, accept_loss=True)


_HOLDER = """
import sys
from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import open_ledger
ledger = open_ledger(sys.argv[1], clock=SystemClock())
ledger.head()
print("open", flush=True)
sys.stdin.readline()
ledger.append("note", {}, run="r", step="kept")
"""


@pytest.mark.slow
def test_a_ledger_in_use_is_not_replaced_under_somebodys_hands(tmp_path: Path) -> None:
    file, _ = _made(tmp_path)
    with site_in(tmp_path) as site:
        argv = [sys.executable, "-c", _HOLDER, str(site.config.ledger)]
        holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(LedgerConflict, match="another process has the ledger open"):
            records.restored(site, file, replace=True, accept_loss=True)
        holder.communicate("go on\n")
        assert holder.returncode == 0
        assert site.ledger.entry("r", "kept") is not None
    with site_in(tmp_path) as site:
        assert records.restored(site, file, replace=True, accept_loss=True).given_up == 2


def test_a_damaged_ledger_is_replaced_only_when_its_loss_is_accepted(tmp_path: Path) -> None:
    file, _ = _made(tmp_path)
    with site_in(tmp_path) as site:
        site.config.ledger.write_bytes(b"not a database, " * 500)
        with pytest.raises(Refused, match="cannot be read, so what the backup lacks is not known"):
            records.restored(site, file, replace=True)
        made = records.restored(site, file, replace=True, accept_loss=True)
        assert made.given_up is None
        assert made.kept is not None
        assert made.kept.read_bytes().startswith(b"not a database")
        verified = site.verify_ledger()
        assert verified.problems == ()
        assert "is not known" in verified.notes[0].what


def test_a_backup_without_a_document_is_not_made_silently(tmp_path: Path) -> None:
    with site_in(tmp_path) as site:
        number = fill(site)
        digest = attach(site, number, b"lost")
        records.evidence_folder(site.config).remove(digest)
        with pytest.raises(LedgerConflict, match="the document is gone"):
            records.backup(site, tmp_path / "backup.sqlite")
        where = f"document {digest} of {number}"
        assert [each.where for each in site.verify_ledger().problems] == [where]


def test_the_command_line_tells_what_was_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("STOREWARDEN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert guarded(["ledger", "backup", "b.sqlite"]) == 2
    assert "there is no ledger" in capsys.readouterr().err
    with site_in(tmp_path) as site:
        fill(site)
        head = site.ledger.head()
    assert guarded(["ledger", "backup", "b.sqlite"]) == 0
    assert f"b.sqlite: 13 entries, head {head.hash}" in capsys.readouterr().out
    assert guarded(["ledger", "restore", "b.sqlite"]) == 3
    assert "(--replace keeps it under another name)" in capsys.readouterr().err
    assert guarded(["ledger", "restore", "b.sqlite", "--replace"]) == 3
    assert "(--accept-loss gives them up)" in capsys.readouterr().err
    assert guarded(["ledger", "restore", "b.sqlite", "--replace", "--accept-loss"]) == 0
    said = capsys.readouterr().out
    assert f"restored up to entry 13, hash {head.hash}" in said
    assert "entries given up: 1" in said
    assert guarded(["ledger", "verify"]) == 0
    assert "note: entry 14: a backup was restored before it" in capsys.readouterr().out


def test_documents_are_kept_by_their_digest(tmp_path: Path) -> None:
    store = EvidenceFolder(tmp_path / "evidence")
    digest = store.put(DOCUMENT)
    assert store.put(DOCUMENT) == digest
    assert store.get(digest) == DOCUMENT
    assert store.digests() == (digest,)
    path = next((tmp_path / "evidence").glob("*/*"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    path.write_bytes(DOCUMENT + b" ")
    with pytest.raises(LedgerConflict, match="was altered"):
        store.get(digest)
    assert store.put(DOCUMENT) == digest
    assert store.get(digest) == DOCUMENT
    assert store.remove(digest)
    assert not store.remove(digest)
    with pytest.raises(LedgerConflict, match="is gone"):
        store.get(digest)
    with pytest.raises(LedgerConflict, match="is no digest"):
        store.get("../../etc/passwd")


def test_numbers_of_changes_that_were_given_up_do_not_come_again(tmp_path: Path) -> None:
    """Their tickets are still there: another change of that number would be taken for them."""
    with site_in(tmp_path) as site:
        fill(site)
        records.backup(site, tmp_path / "old.sqlite")
        lost = [open_change(site, f"lost {n}") for n in range(3)]
    with site_in(tmp_path) as site:
        made = records.restored(site, tmp_path / "old.sqlite", replace=True, accept_loss=True)
        assert made.given_up
    with site_in(tmp_path) as site:
        new = [open_change(site, f"new {n}") for n in range(2)]
        assert set(new).isdisjoint(lost)
        assert site.verify_ledger().problems == ()
        behind = site.config.ledger
    with behind_its_back(behind) as raw:
        raw.execute("UPDATE change_series SET last = last - 1")
    with site_in(tmp_path) as site:
        (problem,) = site.verify_ledger().problems
    assert problem.where.startswith("change_series row")
