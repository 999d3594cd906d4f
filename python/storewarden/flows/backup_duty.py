# SPDX-License-Identifier: GPL-3.0-or-later
"""The duty that lets the nights run by themselves.

Each look asks the catalog what is due: of the targets whose slot has begun, of those whose job just
ended, and of a part of all others, so that everybody is looked at every quarter of an hour. Orders
go out and reports come in beside the ticks, in a few threads; what they work on stands in the
catalog, so the next controller goes on wherever this one died.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import batched, chain
from threading import Semaphore, Thread

from storewarden.domain.backup.catalog import BackupSet, Catalog, DrillRecord, Run, Target
from storewarden.domain.backup.due import due_of
from storewarden.domain.backup.due_brief import Brief
from storewarden.domain.backup.due_facts import Due, Facts
from storewarden.domain.backup.due_turns import Caps, Load, chosen
from storewarden.domain.backup.night import Slot
from storewarden.flows.backup_known import MOST, KnownTargets
from storewarden.flows.backup_late import late
from storewarden.flows.backup_plan import BackupPlan
from storewarden.flows.backup_work import Asked, Outcome, WorkParts, begin, collect
from storewarden.ports.backup_hosts import JobState

BACKUPS = "backups"
"""The name of the duty."""

_EVERY = timedelta(minutes=1)
_SOON = timedelta(seconds=10)  # while something is under way: what comes of it makes more due
_FIRST = timedelta(seconds=20)  # most tills are done by then; asked less and less often
_ROUNDS = 15  # looks in which everybody is looked at once
_LEAST = 200  # targets of one look at least
_BATCH = 50  # hosts of one visit (reference: guard rails)
_LONGEST = timedelta(minutes=10)
_AWAY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyParts:
    """What the duty needs. ``facts`` says of a target all but catalog and slots, and is the only
    one to know policies; ``targets`` are all of them, the same object while nothing changes;
    ``plan`` is the night's plan, cached; ``days`` the nights under way; ``order`` makes Asked of
    what is due; ``load`` is what an open run takes up; ``frozen`` why nothing may begin, "" when it
    may; ``also`` is done at the end of each look;
    at ``most`` so many targets are read in one (``backup_known``)."""

    work: WorkParts
    targets: Callable[[], Sequence[Target]]
    facts: Callable[[Target], Facts]
    plan: Callable[[date], BackupPlan]
    days: Callable[[datetime], Sequence[date]]
    order: Callable[[Due], Asked]
    load: Callable[[Run], Load]
    caps: Callable[[], Caps]
    frozen: Callable[[], str] = lambda: ""
    also: Callable[[datetime], None] = lambda _now: None
    threads: int = 4
    most: int = MOST


@dataclass(slots=True)
class _Look:
    """When an open run is asked about next; ``away`` while its host does not answer."""

    next: datetime
    pause: timedelta = _FIRST
    away: bool = False


class BackupDuty:
    """Looks once a minute, and at what has just come back sooner. ``wait_all`` lets what is under
    way end, for tests and a stop."""

    name = BACKUPS
    every = _EVERY

    def __init__(self, parts: DutyParts) -> None:
        self._parts = parts
        self._free = Semaphore(parts.threads)
        self._stopping = False
        self._met: set[tuple[Target, str]] = set()
        self._under_way: dict[Future[Sequence[Outcome]], frozenset[str]] = {}
        self._looks: dict[str, _Look] = {}
        self._touched: deque[Target] = deque()
        self._turn = 0
        self._whole: datetime | None = None  # the last look at everybody's next part
        self._waiting: dict[Target, tuple[Due, ...]] = {}
        self._being_handed: dict[str, Target] = {}
        self._known = KnownTargets(parts.work.catalog, split, parts.most)
        self._late: set[str] = set()  # hosts that were asked about jobs that were given up
        self._answered: deque[str] = deque()

    def tick(self, now: datetime) -> datetime | None:
        """One look. Raises what a visit beside it raised, so that health shows it."""
        trouble = self._reap(now)
        there = self._parts.work.catalog.open_runs()
        self._collect(there, now)
        self._ask_late()
        if not self._parts.frozen():
            self._begin(there, now)
        self._parts.also(now)
        if trouble is not None:
            raise trouble
        return self._again(there, now)

    def _again(self, there: Sequence[Run], now: datetime) -> datetime | None:
        """Soon while something is under way, else when the first open run is to be asked about; a
        job of seconds would wait for a whole minute otherwise, and what follows it too."""
        if self._under_way or self._touched:
            return now + _SOON
        asked = [self._looks[each.id].next for each in there if each.id in self._looks]
        first = min(asked, default=now + _EVERY)
        return max(first, now + _SOON) if first < now + _EVERY else None

    def wait_all(self) -> None:
        """Let visits that are under way come to their end."""
        for each in list(self._under_way):
            each.exception()

    def shut(self) -> None:
        """No more visits are begun; those under way are left alone, and nobody waits for them."""
        self._stopping = True

    def _reap(self, now: datetime) -> BaseException | None:
        trouble: BaseException | None = None
        for future in [each for each in self._under_way if each.done()]:
            del self._under_way[future]
            error = future.exception()
            trouble = trouble or error
            for outcome in future.result() if error is None else ():
                self._heard(outcome, now)
        return trouble

    def _heard(self, outcome: Outcome, now: datetime) -> None:
        run = outcome.run
        self._answers(outcome)
        if run.end is not None:
            self._looks.pop(run.id, None)
            self._touched.append(run.target)
            return
        look = self._looks.setdefault(run.id, _Look(next=now))
        look.away = outcome.state is JobState.UNREACHABLE
        look.pause = min(look.pause * 1.5, _AWAY if look.away else _LONGEST)
        look.next = now + look.pause

    def _answers(self, outcome: Outcome) -> None:
        """A host that answers again is asked about jobs that nobody waited for; once, until it is
        away again or a job of those goes on."""
        host, ended = outcome.run.target.host, outcome.run.end is not None
        away = outcome.state is JobState.UNREACHABLE
        if away or (ended and outcome.state is JobState.RUNNING):
            self._late.discard(host)
        elif host not in self._late:
            self._late.add(host)
            self._answered.append(host)

    def _ask_late(self) -> None:
        """Ask hosts that answered about jobs that were given up."""
        there = [self._answered.popleft() for _ in range(len(self._answered))]
        for some in batched(there, _BATCH):
            self._send([], late, some)

    def _busy(self) -> frozenset[str]:
        """Runs that somebody is asking about, or handing over, right now."""
        return frozenset(chain.from_iterable(self._under_way.values()))

    def _collect(self, there: Sequence[Run], now: datetime) -> None:
        busy = self._busy()
        due = [
            each
            for each in there
            if each.id not in busy
            and (each.id not in self._looks or self._looks[each.id].next <= now)
        ]
        # Who is away is asked apart: a visit waits for the slowest of its hosts.
        for away in (False, True):
            mine = [each for each in due if self._is_away(each) is away]
            for some in batched(mine, _BATCH):
                self._send([each.id for each in some], collect, some)

    def _is_away(self, run: Run) -> bool:
        look = self._looks.get(run.id)
        return look is not None and look.away

    def _begin(self, there: Sequence[Run], now: datetime) -> None:
        slots = begun_slots(self._parts.plan, self._parts.days(now), now)
        self._look(slots, now)
        running = [self._parts.load(each) for each in there if not self._is_away(each)]
        occupied = {each.target for each in there} | self._handed()
        waiting = chain.from_iterable(
            due for target, due in self._waiting.items() if target not in occupied
        )
        now_due = chosen(waiting, running, self._parts.caps())
        asked = [self._parts.order(each) for each in now_due]
        for each in now_due:
            self._waiting.pop(each.target, None)
        for some in batched(asked, _BATCH):
            self._send([each.order.run for each in some], begin, some)
        busy = self._busy()
        handed = {run: target for run, target in self._being_handed.items() if run in busy}
        self._being_handed = handed | {each.order.run: each.order.target for each in asked}

    def _handed(self) -> set[Target]:
        """Targets whose order is on its way; the catalog may not know of it yet."""
        busy = self._busy()
        return {target for run, target in self._being_handed.items() if run in busy}

    def _look(self, slots: Mapping[Target, Mapping[str, Slot]], now: datetime) -> None:
        """What is due for those whose turn it is; what was due for them before is forgotten."""
        everybody = self._parts.targets()
        known = set(everybody)
        share = max(_LEAST, -(-len(everybody) // _ROUNDS))
        turn = everybody[:0]
        if self._whole is None or not timedelta(0) <= now - self._whole < _EVERY:
            start = self._turn * share if self._turn * share < len(everybody) else 0
            self._turn, self._whole = start // share + 1, now
            turn = everybody[start : start + share]
        touched = [self._touched.popleft() for _ in range(len(self._touched))]
        began = [each for each, mine in slots.items() if self._new(each, mine)]
        mine = dict.fromkeys([*touched, *began, *turn])
        asked = [each for each in mine if each in known]
        for target in [each for each in self._waiting if each not in known]:
            del self._waiting[target]
        wanted = {each: self._parts.facts(each) for each in asked}
        self._known.keep(known)
        there = self._known.of(wanted, now)
        self._touched.extend(each for each in asked if each not in there)
        for target, brief in there.items():
            due = due_of(_with(wanted[target], brief, slots.get(target, {})), now)
            if due:
                self._waiting[target] = due
            else:
                self._waiting.pop(target, None)

    def _new(self, target: Target, slots: Mapping[str, Slot]) -> bool:
        """Whether one of the slots was not met before; later looks come with everybody's."""
        new = {(target, night) for night in slots} - self._met
        self._met |= new
        return bool(new)

    def _send[Each](
        self,
        runs: Sequence[str],
        do: Callable[[WorkParts, Sequence[Each]], Sequence[Outcome]],
        what: Sequence[Each],
    ) -> None:
        future: Future[Sequence[Outcome]] = Future()
        self._under_way[future] = frozenset(runs)

        def visit() -> None:
            with self._free:
                if self._stopping:
                    future.set_result(())
                    return
                try:
                    future.set_result(do(self._parts.work, what))
                except BaseException as error:  # noqa: BLE001 - the next tick raises it
                    future.set_exception(error)

        Thread(target=visit, name="backup", daemon=True).start()


def begun_slots(
    plan: Callable[[date], BackupPlan], days: Sequence[date], now: datetime
) -> dict[Target, dict[str, Slot]]:
    """Slots that have begun and whose window is not over, by target and night."""
    found: dict[Target, dict[str, Slot]] = {}
    for day in days:
        for slot in plan(day).plan.slots:
            if slot.time.starts > now:
                break  # they come in the order in which they begin
            if now < slot.wanted.window.ends:
                target = Target(host=slot.wanted.host, policy=slot.wanted.policy)
                found.setdefault(target, {})[day.isoformat()] = slot
    return found


def _with(facts: Facts, brief: Brief, slots: Mapping[str, Slot]) -> Facts:
    return replace(facts, catalog=brief.catalog, sizes=brief.sizes, slots=slots)


def split(whole: Catalog, targets: Sequence[Target]) -> dict[Target, Catalog]:
    """One catalog for each target."""
    runs: dict[Target, list[Run]] = {each: [] for each in targets}
    sets: dict[Target, list[BackupSet]] = {each: [] for each in targets}
    drills: dict[Target, list[DrillRecord]] = {each: [] for each in targets}
    for run in whole.runs:
        runs[run.target].append(run)
    for backup in whole.sets:
        sets[backup.target].append(backup)
    for drill in whole.drills:
        drills[drill.target].append(drill)
    return {
        each: Catalog(runs=tuple(runs[each]), sets=tuple(sets[each]), drills=tuple(drills[each]))
        for each in targets
    }
