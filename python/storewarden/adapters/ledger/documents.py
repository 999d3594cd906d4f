# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents that changes refer to, against the store that keeps them.

A change's record holds the digest of each document, so the store proves itself;
what is missing there was deleted under a change, or is a problem.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from storewarden.adapters.ledger import tombstones
from storewarden.adapters.ledger.change_rows import ENDED
from storewarden.adapters.ledger.sql import SqlLedger
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.plain import entry_kind
from storewarden.domain.change.record import Change
from storewarden.domain.errors import LedgerConflict
from storewarden.ports.evidence import EvidenceStore
from storewarden.ports.ledger import Problem

_ATTACHED = entry_kind(EventKind.EVIDENCE)


def deleted(ledger: SqlLedger) -> frozenset[str]:
    """The digests of documents that the journal says were deleted, and not attached again."""
    gone = {
        digest: entry.sequence
        for entry in ledger.of_run(tombstones.DELETIONS)
        for digest in tombstones.documents_deleted([entry.body])
    }
    for change in ledger.changes.changes() if gone else ():
        if any(evidence.digest in gone for evidence in change.evidence):
            for digest, sequence in _attached(ledger, change.number):
                if gone.get(digest, sequence) < sequence:
                    del gone[digest]
    return frozenset(gone)


def _attached(ledger: SqlLedger, number: str) -> list[tuple[str, int]]:
    """Digest and entry of every document that was attached to a change."""
    history = ledger.changes.history(number)
    return [(str(e.body["digest"]), e.sequence) for e in history if e.kind == _ATTACHED]


def referenced(changes: Iterable[Change]) -> dict[str, str]:
    """Digest -> the number of the oldest change that refers to it; ``changes`` newest first."""
    return {evidence.digest: change.number for change in changes for evidence in change.evidence}


def problems(ledger: SqlLedger, store: EvidenceStore) -> tuple[Problem, ...]:
    """Documents that are gone or altered without an approved deletion."""
    found = {}
    for digest, number in sorted(referenced(ledger.changes.changes()).items()):
        try:
            store.get(digest)
        except LedgerConflict as conflict:
            where = f"document {digest} of {number}"
            found[digest] = Problem(where=where, what=conflict.what)
    gone = deleted(ledger) if found else frozenset()  # afterwards: one may be deleted meanwhile
    return tuple(problem for digest, problem in found.items() if digest not in gone)


def expired(
    changes: Collection[Change], before: datetime, gone: Collection[str]
) -> tuple[str, ...]:
    """Documents of which every change had ended before that moment, and that are not gone yet."""
    old = referenced(change for change in changes if _over(change, before))
    return tuple(sorted(set(old) - needed(changes, before) - set(gone)))


def needed(changes: Iterable[Change], before: datetime) -> frozenset[str]:
    """Documents of changes that are open, or ended later."""
    return frozenset(referenced(change for change in changes if not _over(change, before)))


def _over(change: Change, before: datetime) -> bool:
    return change.state in ENDED and (change.updated_at or change.opened_at) < before
