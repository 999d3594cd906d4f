# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts in memory, on the journal of a ``MemoryLedger``.

They keep the promises of the real ones; ``conformance_rollouts`` says which.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from storewarden.domain.change.record import Change
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict, Refused
from storewarden.domain.rollout.events import Dispatched, Reported, RolloutEvent
from storewarden.domain.rollout.machine import fold
from storewarden.domain.rollout.plain import ENTRY, body_of, entry_kind, event_of, word_of
from storewarden.domain.rollout.record import Rollout, RolloutState
from storewarden.domain.rollout.tables import ENDED
from storewarden.ports.clock import Clock
from storewarden.ports.journal import canonical
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.rollouts import (
    KEEPS_SLOT,
    SILENT,
    TOLD,
    DecideRollout,
    Job,
    Look,
    RolloutLine,
    Told,
    Worker,
    holds,
)
from storewarden.testing.records import Writing

TOLD_KINDS = frozenset(ENTRY + word_of(each) for each in TOLD)


class Changes(Protocol):
    """What the rollouts need of changes."""

    def change(self, number: str) -> Change | None:
        """One change, None when there is none."""
        ...


@dataclass(slots=True)
class _Kept:
    rollout: Rollout
    updated: datetime
    look_at: datetime | None
    looks: int = 1


class MemoryRollouts:
    """The rollout book without a database."""

    def __init__(self, ledger: Writing, changes: Changes, clock: Clock) -> None:
        self._ledger = ledger
        self._changes = changes
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._keys: dict[str, str] = {}
        self._jobs: dict[str, Job] = {}
        self._workers: dict[str, Worker] = {}

    def open_rollout(
        self, key: str, change: str, compose: Callable[[str], Sequence[RolloutEvent]]
    ) -> Told:
        """Take the change's next number and record what ``compose`` makes of it."""
        _require_plain(key)
        with self._ledger.lock:
            if key in self._keys:
                return Told(rollout=self._kept[self._keys[key]].rollout, events=(), new=False)
            if self._changes.change(change) is None:
                raise ConfigInvalid("there is no such change", where=change)
            count = sum(each.rollout.change == change for each in self._kept.values()) + 1
            number = f"{change}-R{count}"
            rollout, events = self._record(None, number, key, compose(number))
            self._keys[key] = number
            self._kept[number] = _Kept(rollout, events[-1].at, self._clock.now())
            return Told(rollout=rollout, events=events, new=True)

    def amend(
        self, number: str, key: str, decide: DecideRollout, *, look_at: datetime | None = None
    ) -> Told:
        """Decide under the lock and record the events; nobody else writes in between."""
        _require_plain(key)
        with self._ledger.lock:
            kept = self._kept.get(number)
            if kept is None:
                raise ConfigInvalid("there is no such rollout", where=number)
            if self._ledger.entry(number, key) is not None:
                return Told(rollout=kept.rollout, events=(), new=False)
            wanted = tuple(decide(kept.rollout))
            if not wanted:
                return Told(rollout=kept.rollout, events=(), new=True)
            kept.rollout, events = self._record(kept.rollout, number, key, wanted)
            kept.updated = events[-1].at
            if look_at is not None:
                self.look_again(number, look_at)
            return Told(rollout=kept.rollout, events=events, new=True)

    def look_again(self, number: str, at: datetime | None, *, seen: int | None = None) -> None:
        """Set when it is looked at next."""
        with self._ledger.lock:
            kept = self._kept.get(number)
            if kept is None:
                return
            if seen is not None and kept.looks == seen:
                kept.look_at = at
            elif at is not None:
                kept.look_at = at if kept.look_at is None else min(kept.look_at, at)
            else:
                return
            kept.looks += 1

    def rollout(self, number: str) -> Rollout | None:
        """One rollout with all its hosts, None when there is none."""
        kept = self._kept.get(number)
        return kept.rollout if kept else None

    def lines(
        self, *, states: Collection[RolloutState] = (), change: str = "", limit: int = 0
    ) -> tuple[RolloutLine, ...]:
        """Rollouts, newest first."""
        with self._ledger.lock:
            newest = list(reversed(self._kept.values()))
        found = [
            _line(kept)
            for kept in newest
            if (not states or kept.rollout.state in states) and change in ("", kept.rollout.change)
        ]
        return tuple(found[:limit] if limit else found)

    def looks(self, now: datetime, limit: int = 100) -> tuple[Look, ...]:
        """Rollouts whose time has come, the longest waiting first."""
        with self._ledger.lock:
            found = [
                Look(number=number, at=kept.look_at, count=kept.looks)
                for number, kept in self._kept.items()
                if kept.look_at is not None and kept.look_at <= now
            ]
        return tuple(sorted(found, key=lambda look: (look.at, look.number))[:limit])

    def due(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Numbers of rollouts whose time has come, the longest waiting first."""
        return tuple(look.number for look in self.looks(now, limit))

    def next_due(self) -> datetime | None:
        """When the next one's time comes, or came."""
        times = (kept.look_at for kept in self._kept.values())
        return min((at for at in times if at is not None), default=None)

    def host_states(self, hosts: Collection[str]) -> dict[str, tuple[str, str]]:
        """Host -> (rollout, state) where a rollout holds the host; the newest one that does."""
        found = {}
        for number, kept in self._kept.items():
            for name in set(hosts) & kept.rollout.hosts.keys():
                state = kept.rollout.hosts[name].state
                if holds(kept.rollout.state, state):
                    found[name] = (number, state.value)
        return found

    def owing(self, hosts: Collection[str] = ()) -> dict[str, tuple[str, str]]:
        """Host -> (rollout, state) where the newest rollout of the host has ended and left it
        in a state that keeps its slot."""
        newest = {
            host.name: (kept.rollout, host.state)
            for kept in self._kept.values()
            for host in kept.rollout.hosts.values()
        }
        return {
            name: (rollout.number, state.value)
            for name, (rollout, state) in newest.items()
            if (not hosts or name in hosts) and rollout.state in ENDED and state in KEEPS_SLOT
        }

    def history(self, number: str, *, after: int = 0) -> tuple[JournalEntry, ...]:
        """The journal entries of one rollout with a sequence above ``after``, in order."""
        mine = self._ledger.entries_of(number)
        return tuple(e for e in mine if e.sequence > after and e.kind.startswith(ENTRY))

    def told(self, change: str) -> list[JournalEntry]:
        """What the ticket of a change is told of its rollouts."""
        numbers = [n for n, kept in self._kept.items() if kept.rollout.change == change]
        return [e for number in numbers for e in self.history(number) if e.kind in TOLD_KINDS]

    def take_job(self, dispatch: str, worker: str, now: datetime) -> Job | None:
        """Take a dispatch, or take one's own again; None when somebody else has it or it ended."""
        with self._ledger.lock:
            job = self._jobs.get(dispatch)
            if job is None or job.ended is not None or job.worker not in ("", worker):
                return None
            if not job.worker:
                job = self._jobs[dispatch] = replace(job, worker=worker, taken=now)
            return job

    def job_begun(self, dispatch: str, worker: str, now: datetime) -> None:
        """Its run is about to be started. Raises Refused when it is no longer this worker's."""
        with self._ledger.lock:
            job = self._jobs.get(dispatch)
            if job is None or job.worker != worker or job.ended is not None:
                raise Refused("this dispatch is no longer this worker's", where=dispatch)
            if job.begun is None:
                self._jobs[dispatch] = replace(job, begun=now)

    def jobs(
        self, *, rollout: str = "", worker: str = "", open_only: bool = True
    ) -> tuple[Job, ...]:
        """Dispatches as work, oldest first."""
        with self._ledger.lock:
            return tuple(
                job
                for job in self._jobs.values()
                if rollout in ("", job.rollout)
                and worker in ("", job.worker)
                and not (open_only and job.ended)
            )

    def free_job(self, dispatch: str, worker: str, now: datetime) -> bool:
        """Take a job away from a silent worker that has not begun it; False when it has."""
        with self._ledger.lock:
            job, there = self._jobs.get(dispatch), self._workers.get(worker)
            if job is not None and job.ended is not None:
                return True
            heard = there is not None and there.seen >= now - SILENT
            if job is None or job.worker != worker or heard:
                raise Refused(f"it cannot be taken away from {worker}", where=dispatch)
            if job.begun is None:
                self._jobs[dispatch] = replace(job, worker="", taken=None)
            return job.begun is None

    def beat(self, worker: str, now: datetime) -> None:
        """A worker's heartbeat; the first one registers it."""
        with self._ledger.lock:
            there = self._workers.get(worker)
            new = Worker(name=worker, started=now, seen=now)
            self._workers[worker] = replace(there, seen=now) if there else new

    def workers(self) -> tuple[Worker, ...]:
        """All that were seen in the last day, by name."""
        oldest = self._clock.now() - timedelta(days=1)
        return tuple(
            replace(self._workers[name], jobs=len(self.jobs(worker=name)))
            for name in sorted(self._workers)
            if self._workers[name].seen >= oldest
        )

    def _record(
        self, before: Rollout | None, number: str, key: str, events: Sequence[RolloutEvent]
    ) -> tuple[Rollout, tuple[RolloutEvent, ...]]:
        """Nothing is written unless all of it can be."""
        rollout, read, writes = before, list[RolloutEvent](), []
        for count, event in enumerate(events, 1):
            if event.number != number:
                raise LedgerConflict(f"an event of {event.number}", where=number)
            kind, body = entry_kind(event), json.loads(canonical(body_of(event)))
            read.append(event_of(number, kind, event.at, body))
            rollout = fold(rollout, read[-1])
            writes.append((kind, body, key if count == 1 else f"{key}#{count}"))
        if rollout is None or not writes:
            raise LedgerConflict("a rollout begins with an event", where=number)
        for kind, body, step in writes:
            self._ledger.write(kind, body, number, step)
        for event in read:
            self._work(event)
        return rollout, tuple(read)

    def _work(self, event: RolloutEvent) -> None:
        if isinstance(event.what, Dispatched):
            one = event.what.dispatch
            self._jobs[one.id] = Job(dispatch=one.id, rollout=event.number, epoch=one.epoch)
        elif isinstance(event.what, Reported):
            ended = self._jobs[event.what.dispatch]
            self._jobs[ended.dispatch] = replace(ended, ended=event.at)


def _line(kept: _Kept) -> RolloutLine:
    rollout, wave = kept.rollout, kept.rollout.wave
    return RolloutLine(
        number=rollout.number,
        change=rollout.change,
        payload=rollout.spec.payload,
        state=rollout.state,
        opened=rollout.opened,
        updated=kept.updated,
        look_at=kept.look_at,
        wave=wave.number if wave is not None else len(rollout.waves),
        waves=len(rollout.waves),
        counts=dict(Counter(host.state.value for host in rollout.hosts.values())),
        held=rollout.held,
        held_zh=rollout.held_zh,
    )


def _require_plain(key: str) -> None:
    if not key or re.search(r"#\d+$", key):
        raise AdapterError(f"the key {key!r} cannot be used", where="journal")
