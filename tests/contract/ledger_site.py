# SPDX-License-Identifier: GPL-3.0-or-later
"""A site with a ledger that holds audits, changes, documents and anchors."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from storewarden.config.load import default_config
from storewarden.domain.baseline.finding import Verdict
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.record import Kind
from storewarden.ports.ledger import Anchor
from storewarden.testing.conformance_changes import DAY, PREFIX, happening, note, opening
from storewarden.testing.conformance_ledger import START, audited
from storewarden.testing.ledger import ManualClock
from storewarden.wiring.records import anchor_file
from storewarden.wiring.site import Site

DOCUMENT = "审计报告".encode() * 100


def site_in(folder: Path, clock: ManualClock | None = None) -> Site:
    """A site whose state is ``folder``, without any other file."""
    config = default_config({"HOME": str(folder), "XDG_STATE_HOME": str(folder)}, folder)
    return Site(config, clock=clock or ManualClock(START))


def audit(site: Site, ident: str, at: datetime, **verdicts: Verdict) -> None:
    """One audit of one host."""
    site.ledger.begin_audit(ident, at, ["pos1"], sorted(verdicts), "content")
    host = replace(audited("pos1", **verdicts), message=ident)  # no two evidences alike
    site.ledger.record_host(ident, host, at)
    site.ledger.end_audit(ident, at, "completed")


def open_change(site: Site, key: str, *, operation: str = "", kind: Kind = Kind.STANDARD) -> str:
    """A change; its number."""
    compose = opening("pos1", operation=operation, kind=kind)
    return site.changes.open_change(key, PREFIX, DAY, compose).change.number


def start(site: Site, number: str) -> None:
    """Approve and start it."""
    go = happening(EventKind.AUTHORISED, EventKind.STARTED, at=site.clock.now())
    site.changes.amend(number, "go", go)


def end(site: Site, number: str) -> None:
    """Finish and close it."""
    at = site.clock.now()
    closing = {"outcome": "successful", "reason": ""}
    site.changes.amend(number, "done", happening(EventKind.FINISHED, at=at))
    site.changes.amend(number, "end", happening(EventKind.CLOSED, at=at, **closing))


def attach(site: Site, number: str, content: bytes = DOCUMENT) -> str:
    """A document as evidence; its digest."""
    digest = site.evidence.put(content)
    about = {
        "evidence": "audit",
        "name": "report.html",
        "media_type": "text/html",
        "size": len(content),
        "digest": digest,
        "note": "",
    }
    site.changes.amend(number, f"doc {digest[:8]}", happening(EventKind.EVIDENCE, **about))
    return digest


def lay_anchor(site: Site) -> Anchor:
    """An anchor of the newest entry, in the file and noted."""
    head = site.ledger.head()
    anchor = Anchor(sequence=head.sequence, hash=head.hash, at=site.clock.now(), where="file")
    anchor_file(site.config).write(anchor)
    site.ledger.anchored(anchor)
    return anchor


def fill(site: Site) -> str:
    """Two audits with drift, a change with a document, an anchor, a note; the number."""
    audit(site, "a1", START, A01=Verdict.PASS, A02=Verdict.PASS)
    audit(site, "a2", START + timedelta(days=1), A01=Verdict.FAIL, A02=Verdict.PASS)
    site.outbox.subscribe("ticket:itsm")
    number = open_change(site, "k1")
    start(site, number)
    attach(site, number)
    lay_anchor(site)
    site.changes.amend(number, "n1", note("one more"))
    return number
