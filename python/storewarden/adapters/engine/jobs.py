# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as they lie in the engine's database, and those that this process is at.

A job is a chain of attempts, each a workflow of its own: "job/shard/GMBG-20260601-001-R1-d3/1".
So a crash leads to the same attempt again, an exception to the next one after a while, and
neither to two of them. What the attempts add up to is nobody's evidence, and is forgotten an
hour after its end: whoever needs a job done submits it as long as the ledger says so.

Asking the database for a job's attempts by the beginning of their names would read all rows
that there are. So only what has come to a bad end is asked for, now and then, and kept in mind.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dbos import DBOS
from sqlalchemy import Engine as Database
from sqlalchemy import text

from storewarden.adapters.engine.chains import DELAYED, ENQUEUED, GIVEN_UP, PENDING
from storewarden.adapters.engine.foreign import SCHEMA
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.engine import BACK_OFF, Attempt, Done, Work

PREFIX = "job"
WORKFLOW = "job"
_BROKEN = ("ERROR", "CANCELLED", GIVEN_UP)
_MOST = 1000  # broken jobs that are looked at; more have one cause, and wait until these are gone
_SHOWN = 20
_REMEMBERED = 2 * BACK_OFF.longest


def job_id(attempt: Attempt) -> str:
    """The identity of an attempt."""
    return f"{PREFIX}/{attempt.kind}/{attempt.key}/{attempt.number}"


def attempt_of(identity: str) -> Attempt:
    """Kind, key and number of an attempt, from its identity."""
    _, kind, key, number = identity.split("/")
    return Attempt(kind=kind, key=key, body={}, number=int(number))


def queue_of(kind: str) -> str:
    """The queue in which jobs of a kind wait."""
    return f"jobs-{kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The last attempt at a job that nobody is at any more; ``deadly`` when it ended processes."""

    number: int
    deadly: bool = False


@dataclass(slots=True, kw_only=True)
class _Kind:
    """What is known of one kind; ``failing`` says when the last attempt at a key raised here."""

    work: Work
    running: dict[str, datetime] = field(default_factory=dict)
    failing: dict[str, datetime] = field(default_factory=dict)
    last: datetime | None = None
    error: str = ""
    waiting: int = 0


class Board:
    """All jobs of this process: the threads' one meeting place."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}
        self._broken: dict[tuple[str, str], Broken] = {}
        self._mutex = threading.Lock()

    def enroll(self, works: Sequence[Work]) -> None:
        """Raises ConfigInvalid for two of one kind."""
        for work in works:
            if work.kind in self._kinds:
                raise ConfigInvalid(f"two works are of the kind {work.kind}", where="engine")
            self._kinds[work.kind] = _Kind(work=work)

    @property
    def works(self) -> tuple[Work, ...]:
        """What this process does."""
        return tuple(each.work for each in self._kinds.values())

    def begins(self, kind: str, key: str, now: datetime) -> Work | None:
        """The work to be done; None when it is being done here already, or is not ours."""
        with self._mutex:
            there = self._kinds.get(kind)
            if there is None or key in there.running:
                return None
            there.running[key] = now
            return there.work

    def ended(self, attempt: Attempt, done: Done) -> None:
        """How it came out."""
        with self._mutex:
            there = self._kinds[attempt.kind]
            there.running.pop(attempt.key, None)
            there.last = done.at
            if not done.error:
                there.failing.pop(attempt.key, None)
                return
            there.failing[attempt.key] = done.at
            there.error = done.error
            if done.given_up:
                self._broken[attempt.kind, attempt.key] = Broken(number=attempt.number)

    def broken(self, kind: str, key: str) -> Broken | None:
        """The attempt at which a job was given up; None when it was not."""
        with self._mutex:
            return self._broken.get((kind, key))

    def revived(self, kind: str, key: str) -> None:
        """It is tried again."""
        with self._mutex:
            self._broken.pop((kind, key), None)

    def look(
        self,
        waiting: Mapping[str, int],
        broken: Mapping[tuple[str, str], Broken],
        now: datetime,
    ) -> None:
        """What the database says. A failure that is long ago was made good by another process."""
        with self._mutex:
            self._broken = dict(broken)
            for kind, there in self._kinds.items():
                there.waiting = waiting.get(queue_of(kind), 0)
                recent = {key: at for key, at in there.failing.items() if now - at < _REMEMBERED}
                there.failing = recent

    def status(self) -> dict[str, dict[str, object]]:
        """As ``ports.engine.Engine`` says, for each kind that is done here."""
        with self._mutex:
            return {f"jobs:{kind}": self._told(kind, each) for kind, each in self._kinds.items()}

    def _told(self, kind: str, there: _Kind) -> dict[str, object]:
        given_up = sorted(key for name, key in self._broken if name == kind)
        return {
            "last_tick": there.last,
            "next_tick": None,
            "failures": len(there.failing.keys() | set(given_up)),
            "last_error": there.error if there.failing else "",
            "running": bool(there.running),
            "since": None,  # a job may take hours, which is no sign that the engine hangs
            "waiting": there.waiting,
            "at_work": len(there.running),
            "given_up": given_up[:_SHOWN],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many jobs wait in each queue; ``busy`` when any process has one to do now."""

    waiting: Mapping[str, int]
    busy: bool


def standing(database: Database) -> Standing:
    """What the database says of all jobs that are not over."""
    place = f"{SCHEMA}.workflow_status" if database.dialect.name != "sqlite" else "workflow_status"
    counted = text(
        f"SELECT queue_name, status, count(*) FROM {place}"  # noqa: S608 - a name of ours
        f" WHERE status IN ('{ENQUEUED}', '{DELAYED}', '{PENDING}') AND queue_name LIKE 'jobs-%'"
        " GROUP BY queue_name, status"
    )
    waiting, busy = dict[str, int](), False
    with database.connect() as connection:
        for name, status, number in connection.execute(counted):
            busy = busy or status != DELAYED
            if status != PENDING:
                waiting[str(name)] = waiting.get(str(name), 0) + int(number)
    return Standing(waiting=waiting, busy=busy)


def broken() -> dict[tuple[str, str], Broken]:
    """Jobs that have come to a bad end; some of them are being tried again since."""
    rows = DBOS.list_workflows(
        name=WORKFLOW, status=list(_BROKEN), limit=_MOST, load_input=False, load_output=False
    )
    found: dict[tuple[str, str], Broken] = {}
    for row in rows:
        attempt = attempt_of(row.workflow_id)
        before = found.get((attempt.kind, attempt.key))
        if before is None or before.number < attempt.number:
            deadly = row.status == GIVEN_UP
            found[attempt.kind, attempt.key] = Broken(number=attempt.number, deadly=deadly)
    tried_again = _there(
        [
            Attempt(kind=kind, key=key, body={}, number=each.number + 1)
            for (kind, key), each in found.items()
        ]
    )
    return {pair: each for pair, each in found.items() if pair not in tried_again}


def _there(asked: Collection[Attempt]) -> set[tuple[str, str]]:
    """Those of the attempts that there are."""
    if not asked:
        return set()
    rows = DBOS.list_workflows(
        workflow_ids=[job_id(each) for each in asked], load_input=False, load_output=False
    )
    attempts = [attempt_of(row.workflow_id) for row in rows]
    return {(each.kind, each.key) for each in attempts}


def taken_over(executor: str) -> int:
    """Put what a dead process was at back into its queue; how many jobs.

    This is what DBOS does with what a process finds when it is started again: only rows that are
    still that process's own are moved, and each counts how often it was begun.
    """
    handles = DBOS._recover_pending_workflows([executor])  # internal: another reason to pin it
    return sum(handle.get_workflow_id().startswith(f"{PREFIX}/") for handle in handles)


def forget(before: datetime, most: int) -> int:
    """Delete attempts that ended before a moment; how many, at most ``most``."""
    rows = DBOS.list_workflows(
        name=WORKFLOW,
        status=["SUCCESS", *_BROKEN],
        completed_before=before.isoformat(),
        limit=most,
        load_input=False,
        load_output=False,
    )
    doomed = [row.workflow_id for row in rows]
    if doomed:
        DBOS.delete_workflows(doomed)
    return len(doomed)
