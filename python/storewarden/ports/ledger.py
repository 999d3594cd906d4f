# SPDX-License-Identifier: GPL-3.0-or-later
"""The record that everything else writes to.

The journal is append-only and hash-chained; the tables beside it hold the
current state and can be explained from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import Audit, HostAudit


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line of the journal; ``body`` is JSON data, ``hash`` hex sha256 over the stored bytes."""

    sequence: int
    at: datetime
    kind: str
    run: str
    step: str
    body: Mapping[str, object]
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something ``verify`` found: ``where`` is "entry 17" or a table row."""

    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome of replaying the journal; fine when ``problems`` is empty.

    ``notes`` are things an auditor has to know that are no problems: approved deletions
    (tombstones), restored backups.
    """

    entries: int
    head: str
    problems: tuple[Problem, ...] = field(default_factory=tuple)
    notes: tuple[Problem, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest entry: its number (0 = none yet) and its hash, which stands for all before."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A hash of the journal laid down outside of it.

    ``where`` says at which place: "file", or a channel like "ticket:itsm GMBG-20260601-001".
    """

    sequence: int
    hash: str
    at: datetime
    where: str


class AnchorFile(Protocol):
    """Anchors on a disk, one line each, only ever appended to."""

    def write(self, anchor: Anchor) -> None:
        """Add a line; on the disk when it returns. Raises AdapterError when it cannot."""
        ...

    def read(self) -> tuple[Anchor, ...]:
        """All lines in order. Raises LedgerConflict naming a line that is no anchor."""
        ...


class Ledger(Protocol):
    """Journal and audit records. Methods raise LedgerConflict (altered, locked, other version)
    and AdapterError (disk full, not writable, a value that is no JSON) with one clear line."""

    def append(self, kind: str, body: Mapping[str, object], *, run: str, step: str) -> JournalEntry:
        """Add one entry; the same (run, step) again returns the first and adds nothing.

        Raises LedgerConflict when that step is there with another kind or body, and for
        kinds that state rows depend on ("change ...", "audit begun"): they have own methods.
        """
        ...

    def entry(self, run: str, step: str) -> JournalEntry | None:
        """The entry of one step; None when it was never written."""
        ...

    def journal(self, *, after: int = 0) -> Iterator[JournalEntry]:
        """Entries with a sequence above ``after``, in order."""
        ...

    def verify(self, *, known: Mapping[int, str] | None = None) -> Verification:
        """Replay the journal against itself and against the state tables.

        ``known`` maps sequences to hashes remembered outside of the ledger (anchors); only
        they show a chain that was rewritten as a whole or cut off together with its head.
        """
        ...

    def head(self) -> Head:
        """The newest entry, as it is to be anchored."""
        ...

    def anchored(self, anchor: Anchor) -> JournalEntry:
        """Note in the journal that ``anchor`` was laid down ("anchor written"); once per place
        and sequence. Lay it down first, then note it: what is noted is missed when it is gone.
        """
        ...

    def anchors(self) -> tuple[Anchor, ...]:
        """All anchors the journal notes, oldest first."""
        ...

    def begin_audit(
        self,
        audit_id: str,
        at: datetime,
        hosts: Sequence[str],
        controls: Sequence[str],
        content: str,
        *,
        scope: str = "",
    ) -> None:
        """Open an audit; ``hosts`` are all registered ones that it is going to look at.

        ``scope`` names the inventory. Beginning the same audit twice changes nothing.
        """
        ...

    def record_host(self, audit_id: str, host: HostAudit, at: datetime) -> tuple[Drift, ...]:
        """Store one host's findings as soon as it is known; the transitions it caused.

        Recording the same result again changes nothing and returns the same transitions.
        Raises LedgerConflict when the audit has ended, when the host is none of its hosts, or
        when another result of it is there: the first stands.
        """
        ...

    def end_audit(self, audit_id: str, at: datetime, outcome: str) -> None:
        """Close an audit; ``outcome`` is completed or interrupted."""
        ...

    def audit(self, audit_id: str = "last") -> Audit | None:
        """A recorded audit with all findings; "last" is the latest that has ended.

        A host without a result is in it as ``unknown``. None when there is no such audit.
        """
        ...

    def unfinished(self) -> tuple[str, ...]:
        """Audits that were begun and have not ended, oldest first: under way, or killed."""
        ...

    def drift(self, *, since: str, until: str = "") -> tuple[Drift, ...]:
        """Transitions after the audit ``since`` ("last" = the one before the latest; or an audit id
        or an ISO date), oldest first. Raises ConfigInvalid for anything else.

        ``until`` is an audit id; what audits begun after it found is left out.
        """
        ...

    def last_host_count(self, scope: str) -> int | None:
        """How many hosts the last audit of this inventory ``scope`` saw; None the first time."""
        ...

    def remember_host_count(self, scope: str, count: int, at: datetime) -> None:
        """Store the count for the next comparison."""
        ...

    def port_samples(self, host: str) -> tuple[Mapping[str, object], ...]:
        """Recorded packet counters of the host's named ports: ``{at, counters, boot?}``,
        oldest first.

        ``at`` is ISO text in UTC, ``counters`` maps a name to packets, ``boot`` names the boot
        since when they count; the last one of each day (UTC) for 40 days, taken from the
        readings in the values of recorded findings.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
