# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at one rollout: facts, decision, intents, work, and when to look again.

The decision is pure and runs under the book's lock, over facts that were gathered before. If
somebody wrote in between (a dispatch ended, a person gave an order), the decision is thrown away
and everything is looked at anew. Intents are in the book before anything is started; a look that
died half-way is simply made again, and finds what is there.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from storewarden.domain.change import spoken
from storewarden.domain.change.commands import Start
from storewarden.domain.change.record import Change, Kind, State
from storewarden.domain.errors import Refused
from storewarden.domain.rollout.decide import decide
from storewarden.domain.rollout.events import RolloutEvent
from storewarden.domain.rollout.facts import Facts, Step
from storewarden.domain.rollout.record import Hold, Rollout, RolloutState
from storewarden.domain.rollout.tables import ENDED
from storewarden.flows.rollout_change import NOTHING, Why
from storewarden.flows.rollout_close import Closing
from storewarden.flows.rollout_facts import Asked, FactsBook
from storewarden.flows.rollout_gates import asked_gates
from storewarden.flows.rollout_parts import ROLLOUTS, TICK, DriveParts, kind_of
from storewarden.flows.rollout_shard import sweep
from storewarden.flows.rollout_supersede import take_over
from storewarden.ports.rollouts import Look

AT_ONCE = 8
"""Rollouts that one process looks at at a time."""

_ROUNDS = 30  # decisions in one look, when somebody else writes in between or gates are asked
_SOONEST = timedelta(seconds=1)  # between two looks that found nothing to do
_TAKEN = 200  # rollouts that one tick of the duty hands out
_PATIENCE = timedelta(minutes=10)  # a look that was handed out and never came is handed out again
_AGAIN = timedelta(minutes=5)  # until a change that refused to begin is asked again
_LIVE = tuple(each for each in RolloutState if each not in ENDED)
_BEGINNING = (
    RolloutState.DRAFT,
    RolloutState.APPROVED,
    RolloutState.RUNNING,
    RolloutState.HELD_WINDOW,
    RolloutState.PAUSED,
)


class RolloutsDuty:
    """The duty that hands out looks at rollouts whose time has come."""

    def __init__(self, parts: DriveParts, looking: Looking) -> None:
        self.name = ROLLOUTS
        self.every = timedelta(seconds=30)
        self._parts = parts
        self._looking = looking
        self._swept: datetime | None = None

    def tick(self, now: datetime) -> datetime | None:
        """Hand out what is due; when the next one is."""
        if self._swept is None or now - self._swept >= self.every:
            sweep(self._parts.shard)
            self._swept = now
        for change in self._parts.changed():
            for line in self._parts.book.lines(states=_LIVE, change=change):
                self._parts.book.look_again(line.number, now)
        hand_out(self._parts, self._looking, now)
        upcoming = self._parts.book.next_due()
        return None if upcoming is None else max(upcoming, now + _SOONEST)


def hand_out(parts: DriveParts, looking: Looking, now: datetime) -> None:
    """Have every rollout looked at whose time has come. By the duty's tick; and as soon as a
    dispatch has ended, since each phase of each wave would else wait for that tick."""
    for look in parts.book.looks(now, limit=_TAKEN):
        if looking.takes(look, now):
            parts.submit(TICK, look.key, {"rollout": look.number, "count": look.count})


class Looking:
    """Which looks were handed out by this process: each is handed out once, and again only when
    it never came to its end."""

    def __init__(self) -> None:
        self._out: dict[str, datetime] = {}
        self._mutex = threading.Lock()

    def takes(self, look: Look, now: datetime) -> bool:
        """Whether it is to be handed out now."""
        with self._mutex:
            out = self._out.get(look.key)
            if out is not None and timedelta(0) <= now - out < _PATIENCE:
                return False
            self._out[look.key] = now
            return True

    def done(self, key: str) -> None:
        """It came to its end."""
        with self._mutex:
            self._out.pop(key, None)


class TickWork:
    """``ports.engine.Work`` for looks at rollouts."""

    def __init__(self, driver: Driver, looking: Looking) -> None:
        self.kind = TICK
        self.at_once = AT_ONCE
        self._driver = driver
        self._looking = looking

    def do(self, key: str, body: Mapping[str, object]) -> None:
        """One look."""
        self._driver.look(str(body["rollout"]), int(str(body["count"])))
        self._looking.done(key)


class Driver:
    """Looks at rollouts. One per process; may look at several at a time, at each once."""

    def __init__(self, parts: DriveParts) -> None:
        self._parts = parts
        self._facts = FactsBook(parts)
        self._closing = Closing(parts)
        self._busy: dict[str, threading.Lock] = {}
        self._mutex = threading.Lock()
        self._refused: dict[str, tuple[datetime, Why]] = {}

    def look(self, number: str, count: int) -> Step | None:
        """One look; what was decided last, None when there is no such rollout.

        Raises the leaves of ``domain.errors``; made again, it goes on.
        """
        with self._mutex:
            lock = self._busy.setdefault(number, threading.Lock())
        with lock:
            step = self._looked(number)
            at = None if step is None else step.look_at
            self._parts.book.look_again(number, at, seen=count)
            self._parts.shard.wake()
        return step

    def _looked(self, number: str) -> Step | None:
        step: Step | None = None
        asked: Asked | None = None
        for _ in range(_ROUNDS):
            rollout = self._parts.book.rollout(number)
            if rollout is None:
                return None
            now = self._parts.clock.now()
            facts = self._gathered(rollout, asked, now)
            step, rollout = self._decided(rollout, facts, now)
            self._submit(rollout)
            if step is None:
                continue  # somebody wrote in between
            asked = self._asked(rollout, step, now)
            if asked is None:
                break  # a decision is final over its facts: nothing more follows now
        self._conclude(number)
        return step

    def _gathered(self, rollout: Rollout, asked: Asked | None, now: datetime) -> Facts:
        """Facts; of a change whose work was begun just now as it is since."""
        before = self._parts.changes.change(rollout.change)
        facts = self._facts.gathered(rollout, before, now, asked=asked)
        if not take_over(self._parts.book, rollout, now):
            rest = rollout.supersedes
            return _held(facts, (f"waits until {rest} has come to rest", f"等待 {rest} 停止工作"))
        change, refused = self._begun(rollout, before, facts, now)
        if refused[0]:
            return _held(facts, refused)
        if change is before:
            return facts
        return self._facts.gathered(rollout, change, now, asked=asked)

    def _decided(
        self, rollout: Rollout, facts: Facts, now: datetime
    ) -> tuple[Step | None, Rollout]:
        """What follows, recorded; None when the rollout is another by now."""
        seen = rollout.serial
        found: list[Step] = []

        def judge(current: Rollout) -> tuple[RolloutEvent, ...]:
            found.clear()
            if current.serial != seen:
                return ()
            found.append(decide(current, facts, now))
            return found[0].events

        told = self._parts.book.amend(rollout.number, f"look {seen}", judge)
        return (found[0] if found else None), told.rollout

    def _asked(self, rollout: Rollout, step: Step, now: datetime) -> Asked | None:
        if not step.ask_gates:
            return None
        verdicts = asked_gates(self._parts, self._facts, rollout, step.ask_gates, now)
        return Asked(wave=step.ask_gates, verdicts=verdicts)

    def _submit(self, rollout: Rollout) -> None:
        """Every dispatch under way is somebody's work; the same again changes nothing."""
        for ident, one in rollout.dispatches.items():
            self._parts.submit(kind_of(one.phase), ident, {"dispatch": ident})

    def _begun(
        self, rollout: Rollout, change: Change | None, facts: Facts, now: datetime
    ) -> tuple[Change | None, Why]:
        """The change, its work begun when the rollout's is about to; why that was refused.

        Asked only when nothing else is against it: each refusal is an entry of the change.
        """
        if change is None or facts.change or facts.frozen or not _waits_to_begin(rollout, change):
            return change, NOTHING
        hosts = _ready_hosts(rollout, facts)
        again = self._refused.get(rollout.number)
        if not hosts:
            return change, NOTHING
        if again is not None and timedelta(0) <= now - again[0] < _AGAIN:
            return change, again[1]
        try:
            key = f"begun-{rollout.number}-{int(now.timestamp())}"
            return self._parts.desk(hosts).act(change.number, key, Start()), NOTHING
        except Refused as error:
            why = f"the change could not be begun: {error.what}"
            self._refused[rollout.number] = (
                now,
                (why, f"变更无法开始：{spoken.told(error.what, 'zh')}"),
            )
            return change, self._refused[rollout.number][1]

    def _conclude(self, number: str) -> None:
        """A rollout that is over is told to its change, once."""
        rollout = self._parts.book.rollout(number)
        if rollout is not None and rollout.state in ENDED:
            self._closing.tell(rollout)


def _held(facts: Facts, why: Why) -> Facts:
    """The same facts, with one more reason against going on."""
    return replace(facts, change=why[0], change_zh=why[1])


def _waits_to_begin(rollout: Rollout, change: Change) -> bool:
    emergency = change.draft.kind is Kind.EMERGENCY and change.state is State.REQUESTED
    if change.standing is not None or not (change.state is State.APPROVED or emergency):
        return False
    return rollout.state in _BEGINNING and rollout.hold in (Hold.NONE, Hold.CHANGE)


def _ready_hosts(rollout: Rollout, facts: Facts) -> tuple[str, ...]:
    """Hosts of the wave under way whose stores may begin now."""
    wave = rollout.wave
    if wave is None:
        return ()
    stores = {store for store in wave.stores if _may(facts, store)}
    return tuple(host.name for host in rollout.hosts.values() if host.store in stores)


def _may(facts: Facts, store: str) -> bool:
    window = facts.windows.get(store)
    return window is not None and window.allowed
