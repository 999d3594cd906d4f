# SPDX-License-Identifier: GPL-3.0-or-later
"""What is gone on purpose: evidence deleted after its retention, entries given up by a restore.

Entries of the journal are never deleted. Of what lies beside it, evidence may go
under an approved change; the entry written then names the digest of everything
that went. So the hash stays where the bytes were, and ``verify`` can tell an
approved deletion from any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storewarden.adapters.ledger.journal import Note
from storewarden.domain.change.record import Change, Kind, State
from storewarden.domain.errors import LedgerConflict
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import Problem

DELETED = "records deleted"
RESTORED = "ledger restored"
DELETIONS = "deletions"
"""The run of ``DELETED`` entries."""

RESTORES = "restores"
"""The run of ``RESTORED`` entries; their step is the time of the restore."""

OPERATION = OperationClass.RECORD_DELETION.value
"""The operation of a change under which records may be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What one entry deletes: results by the sequence of their entry, documents by digest."""

    change: str
    by: str
    before: datetime
    results: Mapping[int, str]
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """A backup that took the place of a ledger.

    ``backup`` is the sha256 of its file; ``given_up`` is how many entries of the ledger that
    was there are not in it, None when that one could not be read; ``kept`` names the file
    that it was moved to; ``series`` are the last change numbers that were given out there and
    are not known here: tickets and people know them, so they are not given out again.
    """

    at: datetime
    by: str
    backup: str
    given_up: int | None = 0
    kept: str = ""
    series: Mapping[str, int] = field(default_factory=dict)


def allows_deletion(change: Change) -> bool:
    """Whether records may be deleted under this change, now. An emergency acts before anybody
    has approved it, and deleting records is never so urgent."""
    draft = change.draft
    approved = change.state is State.IN_PROGRESS and draft.kind is not Kind.EMERGENCY
    return approved and draft.operation == OPERATION


def deletion_note(deletion: Deletion, step: str, now: datetime) -> Note:
    """The entry that stays where records were."""
    body = {
        "change": deletion.change,
        "by": deletion.by,
        "before": stamp(deletion.before),
        "results": [[sequence, digest] for sequence, digest in deletion.results.items()],
        "documents": list(deletion.documents),
    }
    return Note(at=stamp(now), kind=DELETED, run=DELETIONS, step=step, body=body)


def deletion_of(body: Mapping[str, Any]) -> Deletion:
    """What an entry deletes. Raises KeyError, TypeError or ValueError when it cannot be read."""
    return Deletion(
        change=body["change"],
        by=body["by"],
        before=datetime.fromisoformat(body["before"]),
        results={int(sequence): str(digest) for sequence, digest in body["results"]},
        documents=tuple(body["documents"]),
    )


def restoration_note(restoration: Restoration) -> Note:
    """The entry a restored ledger goes on with."""
    body = {
        "by": restoration.by,
        "backup": restoration.backup,
        "given_up": restoration.given_up,
        "kept": restoration.kept,
        "series": dict(restoration.series),
    }
    at = stamp(restoration.at)
    return Note(at=at, kind=RESTORED, run=RESTORES, step=at, body=body)


class TombstoneReplay:
    """Takes raw journal rows in order; collects what they say is gone, and what auditors read."""

    def __init__(self, change_at: Callable[[str], Change | None]) -> None:
        """``change_at`` tells a change as it stands at the row that is being taken."""
        self.results: dict[int, str] = {}
        self.notes: list[Problem] = []
        self.problems: list[Problem] = []
        self._change_at = change_at

    def take(self, row: Mapping[Any, Any]) -> None:
        """One row, after the changes took it."""
        if row["kind"] not in (DELETED, RESTORED):
            return
        where = f"entry {row['sequence']}"
        try:
            body = json.loads(row["body"])
            if row["kind"] == DELETED:
                self._deleted(where, deletion_of(body))
            else:
                self._restored(where, body["backup"], body["given_up"])
        except (KeyError, TypeError, ValueError, AttributeError):
            what = f"altered: not the content of a {row['kind']!r} entry"
            self.problems.append(Problem(where=where, what=what))

    def _deleted(self, where: str, deletion: Deletion) -> None:
        change = self._change_at(deletion.change)
        if change is None or not allows_deletion(change):
            what = f"records were deleted under {deletion.change}, which did not allow it then"
            self.problems.append(Problem(where=where, what=what))
            return
        self.results |= deletion.results
        parts = (
            _count(len(deletion.results), "result"),
            _count(len(deletion.documents), "document"),
        )
        gone = " and ".join(part for part in parts if part) or "nothing"
        what = f"tombstone: evidence of {gone} was deleted under {deletion.change}"
        self.notes.append(Problem(where=where, what=what))

    def _restored(self, where: str, backup: str, given_up: int | None) -> None:
        if given_up is None:
            lost = "; how many newer entries were given up is not known"
        else:
            gone = _count(given_up, "newer entry", "newer entries")
            lost = f"; {gone} given up" if gone else ""
        what = f"a backup was restored before it (sha256 {backup}){lost}"
        self.notes.append(Problem(where=where, what=what))


def documents_deleted(bodies: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The digests of all documents that entries name as deleted.

    Raises LedgerConflict when an entry cannot be read.
    """
    try:
        return frozenset(digest for body in bodies for digest in deletion_of(body).documents)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LedgerConflict(
            f"a {DELETED!r} entry cannot be read",
            where="journal",
            hint="run storewarden ledger verify",
        ) from None


def _count(number: int, one: str, many: str = "") -> str:
    if not number:
        return ""
    return f"{number} {one if number == 1 else many or one + 's'}"
