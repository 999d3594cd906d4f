# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger in memory, for tests of whatever writes to one.

It keeps the same promises as the real one (the conformance suite says which)
and forgets everything with the object. The journal is really chained, so that
a test may look at hashes, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import RLock

from storewarden.domain.baseline.drift import Drift, compare
from storewarden.domain.baseline.finding import Audit, AuditState, Finding, HostAudit
from storewarden.domain.baseline.reading import reading_of
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict
from storewarden.ports.clock import Clock
from storewarden.ports.journal import GENESIS, Sealed, canonical, digest, moment, seal, stamp
from storewarden.ports.ledger import Anchor, Head, JournalEntry, Problem, Verification
from storewarden.testing.drift_tickets import MemoryComplianceMonths, MemoryDriftTickets
from storewarden.testing.records import MemoryChanges, MemoryOutbox, require_free
from storewarden.testing.rollouts import MemoryRollouts

_SAMPLES_KEPT = timedelta(days=40)


class ManualClock:
    """A clock that moves when told to."""

    def __init__(self, start: datetime) -> None:
        """It shows ``start`` until it is moved."""
        self._now = start

    def now(self) -> datetime:
        """The moment it shows."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move it, also backwards; the new moment."""
        self._now += by
        return self._now


@dataclass(slots=True, kw_only=True)
class _Audit:
    id: str
    at: datetime
    hosts: tuple[str, ...]
    controls: tuple[str, ...]
    content: str
    outcome: str = ""
    results: dict[str, HostAudit] = field(default_factory=dict)
    drifts: dict[str, tuple[Drift, ...]] = field(default_factory=dict)


class MemoryLedger:
    """The ledger without a database."""

    def __init__(self, clock: Clock) -> None:
        """An empty ledger."""
        self.lock = RLock()
        self._clock = clock
        self._entries: list[tuple[Sealed, str]] = []
        self._steps: dict[tuple[str, str], int] = {}
        self._runs: dict[str, list[int]] = {}
        self._audits: dict[str, _Audit] = {}
        self._known: dict[str, dict[str, Finding]] = {}
        self._seen: dict[tuple[str, str], datetime] = {}
        self._samples: dict[str, dict[str, Mapping[str, object]]] = {}
        self._counts: dict[str, int] = {}

    def append(self, kind: str, body: Mapping[str, object], *, run: str, step: str) -> JournalEntry:
        """Add one entry; the same (run, step) again returns the first and adds nothing."""
        require_free(kind)
        return self.write(kind, body, run, step)

    def write(self, kind: str, body: Mapping[str, object], run: str, step: str) -> JournalEntry:
        """Append, also kinds that ``append`` refuses."""
        return self._append(kind, body, run, step)[0]

    @cached_property
    def changes(self) -> MemoryChanges:
        """The changes in this ledger."""
        return MemoryChanges(self)

    @cached_property
    def outbox(self) -> MemoryOutbox:
        """What still has to reach other systems."""
        return MemoryOutbox(self, self.changes, self.drift_tickets, self.rollouts)

    @cached_property
    def rollouts(self) -> MemoryRollouts:
        """The rollouts in this ledger."""
        return MemoryRollouts(self, self.changes, self._clock)

    @cached_property
    def drift_tickets(self) -> MemoryDriftTickets:
        """The drift tickets in this ledger."""
        return MemoryDriftTickets(self, self._every_audit)

    @cached_property
    def compliance(self) -> MemoryComplianceMonths:
        """The months that were closed."""
        return MemoryComplianceMonths(self, self._every_audit, self._over)

    def entry(self, run: str, step: str) -> JournalEntry | None:
        """The entry of one step, if it is there."""
        place = self._steps.get((run, step))
        return None if place is None else _entry(*self._entries[place])

    def entries_of(self, run: str = "") -> list[JournalEntry]:
        """All entries, or those of one run, in order."""
        places = self._runs.get(run, []) if run else range(len(self._entries))
        return [_entry(*self._entries[place]) for place in places]

    def head(self) -> Head:
        """The newest entry, as it is to be anchored."""
        if not self._entries:
            return Head(sequence=0, hash=GENESIS)
        return Head(sequence=len(self._entries), hash=self._entries[-1][1])

    def anchored(self, anchor: Anchor) -> JournalEntry:
        """Note that ``anchor`` was laid down outside; once per place and sequence."""
        step = f"{anchor.where} {anchor.sequence}"
        noted = self.entry("anchors", step)
        if noted is not None and noted.body["hash"] == anchor.hash:
            return noted
        body = {
            "sequence": anchor.sequence,
            "hash": anchor.hash,
            "at": anchor.at,
            "where": anchor.where,
        }
        return self.write("anchor written", body, "anchors", step)

    def anchors(self) -> tuple[Anchor, ...]:
        """All anchors the journal notes, oldest first."""
        return tuple(
            Anchor(
                sequence=int(str(entry.body["sequence"])),
                hash=str(entry.body["hash"]),
                at=moment(str(entry.body["at"])),
                where=str(entry.body["where"]),
            )
            for entry in self.entries_of("anchors")
        )

    def journal(self, *, after: int = 0) -> Iterator[JournalEntry]:
        """Entries with a sequence above ``after``, in order."""
        yield from [_entry(*pair) for pair in self._entries if pair[0].sequence > after]

    def verify(self, *, known: Mapping[int, str] | None = None) -> Verification:
        """Walk the chain; nobody can tamper with the rest."""
        problems, previous = [], GENESIS
        for sealed, stored in self._entries:
            if sealed.previous != previous or seal(sealed) != stored:
                problems.append(Problem(where=f"entry {sealed.sequence}", what="altered"))
            previous = stored
        hashes = {sealed.sequence: stored for sealed, stored in self._entries}
        for number, remembered in (known or {}).items():
            if hashes.get(number) != remembered:
                problems.append(Problem(where=f"entry {number}", what="altered or cut off"))
        return Verification(entries=len(self._entries), head=previous, problems=tuple(problems))

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
        """Open an audit."""
        body = {
            "audit": audit_id,
            "at": stamp(at),
            "hosts": digest(canonical(tuple(hosts))),
            "controls": tuple(controls),
            "content": content,
            "scope": scope,
        }
        if self._append("audit begun", body, audit_id, "begin")[1]:
            self._audits[audit_id] = _Audit(
                id=audit_id,
                at=at.astimezone(UTC),
                hosts=tuple(hosts),
                controls=tuple(controls),
                content=content,
            )

    def record_host(self, audit_id: str, host: HostAudit, at: datetime) -> tuple[Drift, ...]:
        """Store one host's result; the transitions it caused."""
        host, audit = _plain(host), self._audit(audit_id)
        if host.host in audit.results:
            return _again(audit, host)
        _require_open(audit, host.host)
        known = self._known.setdefault(host.host, {})
        found = compare(known, host, audit=audit_id, at=at.astimezone(UTC))
        ordered = sorted(found.drifts, key=lambda drift: drift.control)
        drifts = tuple(replace(d, seen=self._seen.get((d.host, d.control))) for d in ordered)
        body = {"host": host.host, "state": host.state.value, "drift": len(drifts)}
        self._append("host recorded", body, audit_id, f"host:{host.host}")
        audit.results[host.host], audit.drifts[host.host] = host, drifts
        moved = {finding.control for finding in found.first_seen} | {d.control for d in drifts}
        self._remember(host, moved, at.astimezone(UTC))
        return drifts

    def end_audit(self, audit_id: str, at: datetime, outcome: str) -> None:
        """Close an audit."""
        if outcome not in ("completed", "interrupted"):
            raise LedgerConflict(f"an audit cannot end as {outcome!r}", where=f"audit {audit_id}")
        audit = self._audit(audit_id)
        if audit.outcome == outcome:
            return
        body = {"audit": audit_id, "at": stamp(at), "outcome": outcome}
        self._append("audit ended", body, audit_id, "end")
        audit.outcome = outcome

    def audit(self, audit_id: str = "last") -> Audit | None:
        """A recorded audit with all findings."""
        audit = self._ended(1) if audit_id == "last" else self._audits.get(audit_id)
        if audit is None:
            return None
        return Audit(
            id=audit.id,
            at=audit.at,
            hosts=tuple(audit.results.get(host) or _unrecorded(host) for host in audit.hosts),
            controls=audit.controls,
            content=audit.content,
        )

    def _over(self) -> set[str]:
        return {each.id for each in self._audits.values() if each.outcome}

    def _every_audit(self) -> list[Audit]:
        return [each for each in map(self.audit, self._audits) if each is not None]

    def unfinished(self) -> tuple[str, ...]:
        """Audits that were begun and have not ended, oldest first."""
        return tuple(audit.id for audit in self._audits.values() if not audit.outcome)

    def drift(self, *, since: str, until: str = "") -> tuple[Drift, ...]:
        """Transitions after ``since`` and not after the audit ``until``, oldest first."""
        order = list(self._audits.values())
        if until:
            if until not in self._audits:
                raise ConfigInvalid(f"the ledger has no audit {until!r}", where="ledger")
            known = order.index(self._audits[until])
            kept = {audit.id for audit in order[: known + 1]}
            return tuple(d for d in self.drift(since=since) if d.audit in kept)
        if since == "last":
            start = self._ended(2)
            later = order[order.index(start) + 1 :] if start else order
        elif since in self._audits:
            later = order[order.index(self._audits[since]) + 1 :]
        else:
            start_at = _moment(since)
            return tuple(drift for drift in _drifts(order) if drift.at >= start_at)
        return _drifts(later)

    def last_host_count(self, scope: str) -> int | None:
        """The size of the inventory ``scope`` when last counted."""
        return self._counts.get(scope)

    def remember_host_count(self, scope: str, count: int, at: datetime) -> None:
        """Store the size of the inventory ``scope``."""
        body = {"scope": scope, "count": count, "at": stamp(at)}
        if self._append("hosts counted", body, f"hosts of {scope}", stamp(at))[1]:
            self._counts[scope] = count

    def port_samples(self, host: str) -> tuple[Mapping[str, object], ...]:
        """Packet counters of the host's named ports, one sample a day for 40 days."""
        oldest = stamp(self._clock.now() - _SAMPLES_KEPT)
        samples = self._samples.get(host, {})
        return tuple(sample for at, sample in sorted(samples.items()) if at >= oldest[:10])

    def close(self) -> None:
        """Nothing to let go of."""

    def _append(
        self, kind: str, body: Mapping[str, object], run: str, step: str
    ) -> tuple[JournalEntry, bool]:
        if not (kind and run and step):
            raise AdapterError("kind, run and step must not be empty", where="journal")
        data = canonical(body)
        with self.lock:
            place = self._steps.get((run, step))
            if place is None:
                return self._add(kind, data, run, step), True
        sealed, stored = self._entries[place]
        if (sealed.kind, sealed.body) != (kind, data):
            what = f"step {step} of run {run} is recorded as something else"
            raise LedgerConflict(what, where=f"entry {sealed.sequence}")
        return _entry(sealed, stored), False

    def _add(self, kind: str, data: bytes, run: str, step: str) -> JournalEntry:
        entry = Sealed(
            sequence=len(self._entries) + 1,
            at=stamp(self._clock.now()),
            kind=kind,
            run=run,
            step=step,
            body=data,
            previous=self._entries[-1][1] if self._entries else GENESIS,
        )
        self._steps[run, step] = len(self._entries)
        self._runs.setdefault(run, []).append(len(self._entries))
        self._entries.append((entry, seal(entry)))
        return _entry(*self._entries[-1])

    def _audit(self, audit_id: str) -> _Audit:
        try:
            return self._audits[audit_id]
        except KeyError:
            raise LedgerConflict("no such audit was begun", where=f"audit {audit_id}") from None

    def _ended(self, back: int) -> _Audit | None:
        ended = [audit for audit in self._audits.values() if audit.outcome]
        return ended[-back] if len(ended) >= back else None

    def _remember(self, host: HostAudit, moved: set[str], at: datetime) -> None:
        if host.state is not AuditState.AUDITED:
            return
        for finding in host.findings:
            self._seen[host.host, finding.control] = at
            if finding.control in moved:
                self._known[host.host][finding.control] = finding
        reading = reading_of(host.findings)
        if reading is not None:
            daily = self._samples.setdefault(host.host, {})
            daily[stamp(at)[:10]] = json.loads(canonical({"at": at, **reading}))


def _entry(sealed: Sealed, stored: str) -> JournalEntry:
    return JournalEntry(
        sequence=sealed.sequence,
        at=moment(sealed.at),
        kind=sealed.kind,
        run=sealed.run,
        step=sealed.step,
        body=json.loads(sealed.body),
        hash=stored,
    )


def _plain(host: HostAudit) -> HostAudit:
    """With values as JSON gives them back; refuses what is none, and double answers."""
    controls = [finding.control for finding in host.findings]
    if len(set(controls)) < len(controls):
        raise AdapterError("answered more than once", where=host.host)
    findings = (replace(f, value=json.loads(canonical(f.value))) for f in host.findings)
    return replace(host, findings=tuple(findings))


def _require_open(audit: _Audit, host: str) -> None:
    if audit.outcome:
        raise LedgerConflict(f"has ended ({audit.outcome})", where=f"audit {audit.id}")
    if host not in audit.hosts:
        raise LedgerConflict(f"{host} is not one of its hosts", where=f"audit {audit.id}")


def _again(audit: _Audit, host: HostAudit) -> tuple[Drift, ...]:
    if audit.results[host.host] != host:
        raise LedgerConflict(f"{host.host} is recorded with another result", where=audit.id)
    return audit.drifts[host.host]


def _unrecorded(host: str) -> HostAudit:
    return HostAudit(host=host, state=AuditState.UNKNOWN, message="no result was recorded")


def _drifts(audits: Sequence[_Audit]) -> tuple[Drift, ...]:
    return tuple(d for audit in audits for drifts in audit.drifts.values() for d in drifts)


def _moment(since: str) -> datetime:
    try:
        at = datetime.fromisoformat(since)
        bare = len(since) == len("2026-01-31")
        if not bare and at.tzinfo is None:
            raise ValueError("no zone")
    except ValueError:
        raise ConfigInvalid(f"the ledger has no audit {since!r}", where="--since") from None
    return at.replace(tzinfo=UTC) if bare else at
