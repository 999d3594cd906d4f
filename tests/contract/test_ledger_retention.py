# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence is kept three years, and then until somebody was allowed to delete it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ledger import tombstones
from storewarden.cli.guard import guarded
from storewarden.domain.baseline.finding import AuditState, HostAudit, Verdict
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.record import Kind
from storewarden.domain.errors import ConfigInvalid, LedgerConflict, Refused
from storewarden.ports.ledger import Problem
from storewarden.testing.conformance_changes import happening
from storewarden.testing.conformance_ledger import START, audited
from storewarden.testing.ledger import ManualClock
from storewarden.wiring import records
from storewarden.wiring.site import Site
from tests.contract.ledger_site import (
    attach,
    audit,
    end,
    open_change,
    site_in,
    start,
)
from tests.contract.ledger_tampering import behind_its_back

_YEARS = timedelta(days=3 * 366 + 30)
_DAY = timedelta(days=1)


def _old(folder: Path) -> tuple[Site, str, str]:
    """A site whose first days are over three years ago; an old document and a present one."""
    clock = ManualClock(START)
    site = site_in(folder, clock)
    for count in range(4):
        audit(site, f"a{count}", START + count * _DAY, A01=Verdict.PASS, A02=Verdict.PASS)
    audit(site, "a4", START + 4 * _DAY, A01=Verdict.FAIL, A02=Verdict.PASS)
    ended = open_change(site, "old")
    start(site, ended)
    old = attach(site, ended, b"of an ended change")
    end(site, ended)
    running = open_change(site, "running")
    start(site, running)
    present = attach(site, running, b"of one at work")
    clock.advance(_YEARS)
    audit(site, "new", clock.now(), A01=Verdict.FAIL, A02=Verdict.PASS)
    return site, old, present


def _allowed(site: Site) -> str:
    """A change under which records may be deleted."""
    number = open_change(site, "delete", operation="record-deletion")
    start(site, number)
    return number


def test_what_could_go_is_what_nothing_rests_on(tmp_path: Path) -> None:
    """The baseline and the last transition explain the present state; they stay."""
    site, _, _ = _old(tmp_path)
    with site:
        found = records.expirable(site)
        assert (found.results, found.audits, found.documents) == (3, 3, 1)
        assert found.size > 100
        assert records.expirable(site, START - _DAY).results == 0


def test_nothing_goes_before_its_time(tmp_path: Path) -> None:
    site, _, _ = _old(tmp_path)
    with site, pytest.raises(ConfigInvalid, match="evidence is kept until"):
        records.expirable(site, site.clock.now() - timedelta(days=1000))


def test_nothing_goes_without_an_approved_change(tmp_path: Path) -> None:
    site, old, _ = _old(tmp_path)
    with site:
        before = site.ledger.head()
        with pytest.raises(ConfigInvalid, match="no such change"):
            records.expire(site, "GMBG-20260301-999")
        other = open_change(site, "other")
        start(site, other)
        with pytest.raises(Refused, match="operation ''"):
            records.expire(site, other)
        waiting = open_change(site, "waiting", operation="record-deletion")
        with pytest.raises(Refused, match="it is requested"):
            records.expire(site, waiting)
        hasty = open_change(site, "hasty", operation="record-deletion", kind=Kind.EMERGENCY)
        go = happening(EventKind.STARTED, at=site.clock.now(), authorised=False)
        site.changes.amend(hasty, "go", go)
        with pytest.raises(Refused, match="its kind emergency"):
            records.expire(site, hasty)
        assert records.expirable(site).results == 3
        assert site.evidence.get(old)
        kinds = {entry.kind for entry in site.ledger.journal(after=before.sequence)}
        assert "records deleted" not in kinds


def test_what_went_leaves_its_hash(tmp_path: Path) -> None:
    """Verify goes on to pass, and names the tombstones."""
    site, old, present = _old(tmp_path)
    with site:
        untouched = site.ledger.drift(since="2020-01-01")
        number = _allowed(site)
        gone = records.expire(site, number)
        assert (gone.results, gone.documents) == (3, 1)
        tombstone = site.ledger.of_run("deletions")[-1]
        assert tombstone.body["change"] == number
        assert tombstone.body["documents"] == [old]
        assert len(str(tombstone.body["results"])) > 3 * 64
        verified = site.verify_ledger()
        assert verified.problems == ()
        what = f"tombstone: evidence of 3 results and 1 document was deleted under {number}"
        where = f"entry {tombstone.sequence}"
        assert verified.notes == (Problem(where=where, what=what),)
        with pytest.raises(LedgerConflict, match="is gone"):
            site.evidence.get(old)
        assert site.evidence.get(present)
        assert site.ledger.drift(since="2020-01-01") == untouched
        (host,) = _audit(site, "a1")
        assert host.state is AuditState.UNKNOWN
        assert "deleted after the retention time" in host.message
        assert [host.state for host in _audit(site, "a0")] == [AuditState.AUDITED]
        assert records.expire(site, number).results == 0
        assert records.expirable(site).results == 0


def _audit(site: Site, ident: str) -> tuple[HostAudit, ...]:
    found = site.ledger.audit(ident)
    assert found is not None
    return found.hosts


def test_audits_go_on_over_deleted_evidence(tmp_path: Path) -> None:
    """The next look compares and dates as before."""
    site, _, _ = _old(tmp_path)
    with site:
        records.expire(site, _allowed(site))
        later = site.clock.now() + _DAY
        site.ledger.begin_audit("next", later, ["pos1"], ["A01"], "content")
        (drift,) = site.ledger.record_host("next", audited("pos1", A01=Verdict.PASS), later)
        assert drift.seen == site.clock.now()
        assert site.ledger.verify().problems == ()


def test_the_bytes_are_gone_from_the_file(tmp_path: Path) -> None:
    site, _, _ = _old(tmp_path)
    with site:
        with site.ledger.transactions.reading() as connection:
            query = "SELECT evidence FROM host_result WHERE audit = 'a1'"
            evidence = bytes(connection.exec_driver_sql(query).scalar_one())
        place = site.config.ledger
        there = [place, place.with_name(f"{place.name}-wal")]
        assert any(evidence in file.read_bytes() for file in there)
        records.expire(site, _allowed(site))
        assert not any(evidence in file.read_bytes() for file in there)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "UPDATE host_result SET evidence = zeroblob(0) WHERE audit = 'a4'",
            "its evidence is gone, and no approved deletion says so",
        ),
        (
            "UPDATE host_result SET evidence = CAST('x' AS BLOB) WHERE audit = 'a1'",
            "altered: not what the journal records (evidence)",
        ),
        ("UPDATE change SET body = replace(body, 'record-deletion', 'x')", "(body)"),
    ],
)
def test_other_deletions_are_found(tmp_path: Path, statement: str, what: str) -> None:
    site, _, _ = _old(tmp_path)
    with site:
        records.expire(site, _allowed(site))
    with behind_its_back(site.config.ledger) as raw:
        raw.execute(statement)
    with site_in(tmp_path, ManualClock(site.clock.now())) as again:
        assert any(what in problem.what for problem in again.verify_ledger().problems)


def test_a_deletion_that_nobody_allowed_is_found(tmp_path: Path) -> None:
    """Also when its entry is perfect in itself: the change did not allow it then."""
    site, _, _ = _old(tmp_path)
    with site:
        number = open_change(site, "other")
        start(site, number)
        forged = tombstones.Deletion(
            change=number, by="nobody", before=START + 9 * _DAY, results={5: "0" * 64}
        )
        site.ledger.note(tombstones.deletion_note(forged, "forged", site.clock.now()))
        (problem,) = site.verify_ledger().problems
    assert problem.what == f"records were deleted under {number}, which did not allow it then"


def test_a_document_that_is_needed_again_stays(tmp_path: Path) -> None:
    """Attached to a newer change as well, it is not past its time."""
    site, old, _ = _old(tmp_path)
    with site:
        newer = open_change(site, "newer")
        start(site, newer)
        attach(site, newer, b"of an ended change")
        assert records.expirable(site).documents == 0
        records.expire(site, _allowed(site))
        assert site.evidence.get(old)
        assert site.verify_ledger().problems == ()


def test_a_document_that_is_attached_again_is_missed_again(tmp_path: Path) -> None:
    """The tombstone of its first life says nothing about its second."""
    site, old, _ = _old(tmp_path)
    with site:
        number = _allowed(site)
        records.expire(site, number)
        newer = open_change(site, "newer")
        start(site, newer)
        assert attach(site, newer, b"of an ended change") == old
        records.expire(site, number)
        assert site.evidence.get(old)
        assert site.verify_ledger().problems == ()
        site.evidence.remove(old)  # behind its back
        (problem,) = site.verify_ledger().problems
    assert problem.what == "the document is gone"
    assert problem.where.startswith(f"document {old} of ")


def test_the_command_line_proposes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the clock of this machine: the evidence of 2020 is old."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("STOREWARDEN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    with site_in(tmp_path) as site:
        for count in range(3):
            at = START.replace(year=2020) + count * _DAY
            audit(site, f"a{count}", at, A01=Verdict.PASS)
        number = _allowed(site)
    assert guarded(["ledger", "expire"]) == 0
    said = capsys.readouterr().out
    assert "past its retention: 2 results (" in said
    assert "--change NUMBER" in said
    assert guarded(["ledger", "expire", "--before", "gestern"]) == 2
    assert guarded(["ledger", "expire", "--change", "GMBG-20260301-009"]) == 2
    assert guarded(["ledger", "expire", "--change", number]) == 0
    assert "deleted: 2 results (" in capsys.readouterr().out
    assert guarded(["ledger", "verify"]) == 0
    assert "tombstone: evidence of 2 results" in capsys.readouterr().out
