# SPDX-License-Identifier: GPL-3.0-or-later
"""Tampering with a ledger's file, and what ``verify`` says about it."""

# ruff: noqa: S608 - the statements are made of our own table names

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.ledger import SqlLedger, open_ledger
from storewarden.domain.baseline.drift_ticket import ClosedBecause
from storewarden.domain.baseline.finding import AuditState, HostAudit, Verdict
from storewarden.domain.change.events import EventKind
from storewarden.ports.drift_tickets import TicketEnd
from storewarden.ports.journal import Sealed, seal
from storewarden.ports.ledger import Verification
from storewarden.testing.conformance_changes import DAY, PREFIX, happening, note, opening
from storewarden.testing.conformance_drift import drift_ticket, fleet
from storewarden.testing.conformance_ledger import START, audited
from storewarden.testing.ledger import ManualClock

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # hundreds of short-lived files

LAST = 35
"""Entries of ``history``."""


@contextmanager
def behind_its_back(file: Path) -> Iterator[Any]:
    """A plain connection with the journal's guards taken away, and put back afterwards."""
    raw = sqlite.connect(str(file))
    guards = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards:
        raw.execute(f"DROP TRIGGER {name}")
    yield raw
    for _, sql in guards:
        raw.execute(sql)
    raw.commit()
    raw.close()


def verify_tampered(
    original: Path, tamper: Callable[[Any], object], known: dict[int, str] | None = None
) -> Verification:
    """What verify says about a copy that was tampered with."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        file = Path(folder) / "ledger.sqlite"
        shutil.copyfile(original, file)
        with behind_its_back(file) as raw:
            tamper(raw)
        with open_ledger(file, clock=ManualClock(START)) as ledger:
            return ledger.verify(known=known)


def read_journal(raw: Any) -> list[tuple[Sealed, str]]:
    """All entries with their hashes."""
    names = ", ".join(Sealed.__slots__)
    rows = raw.execute(f"SELECT {names}, hash FROM journal ORDER BY sequence").fetchall()
    return [(Sealed(**dict(zip(Sealed.__slots__, row[:-1], strict=True))), row[-1]) for row in rows]


def write_journal(raw: Any, entries: list[tuple[Sealed, str]], *, head: bool) -> None:
    """Replace the whole journal, and on demand the head with it."""
    raw.execute("DELETE FROM journal")
    names = [*Sealed.__slots__, "hash"]
    marks = ", ".join("?" * len(names))
    for sealed, stored in entries:
        values = [*(getattr(sealed, name) for name in Sealed.__slots__), stored]
        raw.execute(f"INSERT INTO journal ({', '.join(names)}) VALUES ({marks})", values)
    if head:
        last = entries[-1]
        raw.execute("UPDATE journal_head SET sequence = ?, hash = ?", (last[0].sequence, last[1]))


def rechained(bodies: list[Sealed]) -> list[tuple[Sealed, str]]:
    """A chain of these that is perfect in itself."""
    chain: list[tuple[Sealed, str]] = []
    for number, entry in enumerate(bodies, 1):
        previous = chain[-1][1] if chain else "0" * 64
        sealed = replace(entry, sequence=number, previous=previous)
        chain.append((sealed, seal(sealed)))
    return chain


def forged_entry(number: int, previous: str) -> Sealed:
    """An entry nobody wrote."""
    body = b'{"text":"forged"}'
    at = "2026-03-01T08:00:00.000000Z"
    return Sealed(
        sequence=number, at=at, kind="note", run="x", step="x", body=body, previous=previous
    )


def history(file: Path) -> None:
    """Three audits of three hosts with drift, a lost host, counts, notes; then changes, drift
    tickets and a closed month."""
    hosts = ["pos1", "pos2", "srv1"]
    with open_ledger(file, clock=ManualClock(START)) as ledger:
        ledger.append("note", {"text": "开始"}, run="notes", step="1")
        for n in range(3):
            at = START + timedelta(days=n)
            ledger.remember_host_count("lab", 3 + n, at)
            ledger.begin_audit(f"a{n}", at, hosts, ["A01", "D04"], "content", scope="lab")
            counted = {"counters": {"ssh": 100 * n}}
            ledger.record_host(
                f"a{n}", audited("pos1", A01=(Verdict.PASS, 8 + n), D04=(Verdict.PASS, counted)), at
            )
            lost = HostAudit(host="pos2", state=AuditState.UNREACHABLE, message="timed out")
            found = audited("pos2", A01=(Verdict.FAIL if n else Verdict.PASS, [n > 0, "x"]))
            ledger.record_host(f"a{n}", lost if n == 1 else found, at)
            ledger.append("note", {"n": n}, run="notes", step=f"in {n}")
            ledger.record_host(f"a{n}", audited("srv1", A01=Verdict.ERROR), at)
            ledger.end_audit(f"a{n}", at, "completed")
        _changes(ledger)
        _drift(ledger)


def _changes(ledger: SqlLedger) -> None:
    """Two changes, one of them at work, mirrored by a ticket channel; entries 23-30."""
    book, box = ledger.changes, ledger.outbox
    first = book.open_change("k1", PREFIX, DAY, opening("pos1", "pos2")).change.number
    box.subscribe("ticket:itsm")
    yes = {"roles": ["lead"], "expires": "2026-03-08T08:00:00.000000Z", "comment": "行"}
    book.amend(first, "yes", happening(EventKind.APPROVED, **yes))
    book.amend(first, "go", happening(EventKind.AUTHORISED, EventKind.STARTED))
    box.subscribe("notify:ops")
    second = book.open_change("k2", PREFIX, DAY, opening("srv1")).change.number
    book.amend(second, "n", note("真的"))
    (delivery, _) = box.due("ticket:itsm", START)
    box.arrived(delivery, 26, {"ticket": "17"})


def _drift(ledger: SqlLedger) -> None:
    """Two drift tickets, one of them closed, and a month; entries 31-35."""
    book = ledger.drift_tickets
    first, second = drift_ticket("pos1", "A01"), drift_ticket("pos2", "A01", value=[True, "值"])
    book.settle([first, second], [])
    book.mirrored(first.number, "itsm", "18")
    book.settle([], [TicketEnd(key=second.key, because=ClosedBecause.PASSED, by="a2")])
    ledger.compliance.close_month(fleet("pos1", "pos2", bad=("pos2",)))
