# SPDX-License-Identifier: GPL-3.0-or-later
"""Where runs, sets, copies, drills and deletions are kept: a part of the ledger. Every write is one
transaction with the journal, and what stands in it is what the journal's entries add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from storewarden.domain.backup.catalog import (
    BackupSet,
    Catalog,
    DeletionRequest,
    DrillRecord,
    Run,
    Target,
    Verb,
)
from storewarden.domain.backup.catalog_events import CatalogEvent
from storewarden.ports.ledger import JournalEntry

type DecideDeletion = Callable[[DeletionRequest], Sequence[CatalogEvent]]
"""Pure and quick; it runs under the ledger's lock and may raise a leaf of ``domain.errors``."""


class BackupCatalog(Protocol):
    """The catalog. Methods raise LedgerConflict and AdapterError like the ledger."""

    def record(self, events: Sequence[CatalogEvent]) -> None:
        """Write down what happened, all or nothing. What is known already (a run that has begun or
        ended, a set that is there, the same look at a copy) is left out, so a report may come
        twice. Raises LedgerConflict for what cannot have happened (a copy of no set)."""
        ...

    def begin(self, runs: Sequence[Run]) -> tuple[Run, ...]:
        """Write down that these are ordered, in one step; gives back those that are new and whose
        target has no other open run of the same verb and location. The rest is somebody else's."""
        ...

    def of(self, targets: Sequence[Target] | None = None) -> Catalog:
        """What is known of these targets, None for all: sets that are not gone, the last ended run
        of each verb and kind, the open ones, all drills of the last two years. ``locations`` is
        empty: those are the site's settings."""
        ...

    def catalogs(
        self, *, since: datetime | None = None, targets: Sequence[Target] | None = None
    ) -> dict[Target, Catalog]:
        """The same for each target that the catalog has ever heard of, or for those of ``targets``
        (for many, ask some hundreds at a time: a chain's nights do not fit into memory). With
        ``since`` only sets received from then on, and what they build upon: a chain keeps sets for
        years."""
        ...

    def changed(self, since: int | None) -> tuple[int, frozenset[Target]]:
        """The number of the newest entry, and the targets of whose runs, sets, copies and drills
        an entry after ``since`` tells; None asks for the number alone. Whoever reads a target
        after this has missed nothing up to that number."""
        ...

    def hosts(self) -> tuple[str, ...]:
        """Hosts that sets are known of which are not gone, by name."""
        ...

    def open_runs(self) -> tuple[Run, ...]:
        """Runs that have begun and not ended, oldest first."""
        ...

    def run(self, run: str) -> Run | None:
        """One run by its id."""
        ...

    def runs(
        self,
        *,
        host: str = "",
        policy: str = "",
        verb: Verb | None = None,
        since: datetime | None = None,
        limit: int = 0,
    ) -> tuple[Run, ...]:
        """Runs, newest first."""
        ...

    def set(self, set_id: str) -> BackupSet | None:
        """One set by its id, also one that is gone."""
        ...

    def sets(
        self, *, host: str = "", policy: str = "", gone: bool = False, limit: int = 0
    ) -> tuple[BackupSet, ...]:
        """Sets, newest first; those whose copies are all gone only when asked for."""
        ...

    def drills(
        self, *, host: str = "", policy: str = "", since: datetime | None = None, limit: int = 0
    ) -> tuple[DrillRecord, ...]:
        """Drills, newest first."""
        ...

    def propose(self, sets: Sequence[str], digest: str, by: str) -> DeletionRequest:
        """Open a request to delete ("DEL-20260601-083000"); the open one of the same digest is
        given back instead."""
        ...

    def deletion(self, number: str) -> DeletionRequest | None:
        """One request by its number."""
        ...

    def deletions(self, *, open_only: bool = False, limit: int = 0) -> tuple[DeletionRequest, ...]:
        """Requests, newest first; open are PROPOSED and APPROVED."""
        ...

    def amend_deletion(self, number: str, decide: DecideDeletion) -> DeletionRequest:
        """Record what ``decide`` makes of it as it is now. Raises ConfigInvalid when there is
        none."""
        ...

    def history(self, subject: str) -> tuple[JournalEntry, ...]:
        """The journal entries of a run, a set, a drill or a deletion, in order."""
        ...
