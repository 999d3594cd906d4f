# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller does about alerts: decide, hand repairs to the engine, look afterwards.

One tick takes what is due, in the order of arrival and some hundreds at a time, decides under the
ledger's lock over facts that were gathered before, and says when to come again. Every alert is
decided once for each time that it is due, whoever ticks, and however often a tick is repeated
after a crash. Asking monitoring whether an alert is quiet takes long, so that is done outside of
the lock; what happened meanwhile wins.

An alert that nobody can decide about must not keep all others from being decided: the group that
fails is halved until it is alone, and then a person has it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from storewarden.domain.errors import AdapterError
from storewarden.domain.healing.action import VerifyBy
from storewarden.domain.healing.aftermath import Terms, after_look
from storewarden.domain.healing.decide import UNDECIDED, RepairPlan, decide
from storewarden.domain.healing.events import AlertEvent, Decided
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Decision, Occurrence, Reason, Repair, Stage, Verdict
from storewarden.domain.healing.rule import Rule
from storewarden.domain.healing.world import World
from storewarden.flows.heal_again import Covers
from storewarden.flows.heal_check import SourceCheck, VerifiedBy, by_alert
from storewarden.flows.heal_incidents import IncidentFacts, calling, read_ahead
from storewarden.flows.heal_repair import REPAIR, host_of
from storewarden.flows.heal_world import WorldBook
from storewarden.ports.clock import Clock
from storewarden.ports.healing import HealingBook, Numbers, Settled

HEALING = "healing"
"""The duty that decides about alerts."""

_AT_ONCE = 100  # occurrences decided in one transaction: a sender's request waits for it
_ROUNDS = 200  # of them in one tick: 20,000 alerts; others want the ledger, too

_KNOWN = timedelta(seconds=10)
"""How long the facts of the world count within a tick; what a round adds to them is added."""

_LOG = logging.getLogger("storewarden.healing")


@dataclass(frozen=True, slots=True, kw_only=True)
class TickParts:
    """What a tick works with. ``submit`` hands work to the engine: kind, key, body. ``verify`` is
    what says that a host is well again, by rule and action."""

    book: HealingBook
    world: WorldBook
    rules: tuple[Rule, ...]
    policy: HealPolicy
    check: SourceCheck
    covers: Covers
    submit: Callable[[str, str, Mapping[str, object]], None]
    clock: Clock
    terms: Terms
    verify: VerifiedBy = by_alert
    incidents: IncidentFacts = field(default_factory=IncidentFacts)


class HealingDuty:
    """``ports.engine.Duty`` for alerts."""

    name = HEALING
    every = timedelta(seconds=30)  # also how long an open repair may be without a job

    def __init__(self, parts: TickParts) -> None:
        self._parts = parts
        self._known: tuple[datetime, World] | None = None
        self._left: set[str] = set()  # of this tick: neither decided nor handed to a person

    def tick(self, now: datetime) -> datetime | None:
        """Decide what is due, look at what was repaired; when the next one is due."""
        self._known, self._left = None, set()
        self._resubmit()
        for _round in range(_ROUNDS):
            found = self._parts.book.due(self._parts.clock.now(), _AT_ONCE)
            due = [each for each in found if each.key not in self._left]
            if not due:
                return now + self.every if self._left else self._parts.book.next_due()
            self._decide([each for each in due if each.stage in UNDECIDED])
            self._look([each for each in due if each.stage is Stage.VERIFYING])
        return now

    def _resubmit(self) -> None:
        """Repairs whose job a crash has taken along; those that have one are left alone."""
        for repair in self._parts.book.repairs(open_only=True):
            self._parts.submit(REPAIR, repair.id, {"repair": repair.id})

    def _decide(self, due: Sequence[Occurrence]) -> None:
        if not due:
            return
        parts, now = self._parts, self._parts.clock.now()
        held = [each for each in due if now - each.received_at >= parts.policy.hold_down]
        world = self._world(now)
        rechecks = parts.check.rechecks(held)

        def settled(there: Mapping[str, Occurrence], numbers: Numbers) -> Settled:
            return decided(tuple(there.values()), replace(world, rechecks=rechecks), parts, numbers)

        try:
            calls = calling(settled, parts.incidents)
            found = parts.book.amend([each.key for each in due], calls)
        except AdapterError:  # the ledger itself: nothing can be decided
            raise
        except Exception as error:  # noqa: BLE001 - one alert must not stop all others
            self._halved(due, error)
            return
        self._known = (self._asked, parts.world.after(world, found, due))
        for repair in found.repairs:
            parts.submit(REPAIR, repair.id, {"repair": repair.id})

    def _halved(self, due: Sequence[Occurrence], error: Exception) -> None:
        middle = len(due) // 2
        if middle:
            self._decide(due[:middle])
            self._decide(due[middle:])
            return
        key = due[0].key

        def left(there: Mapping[str, Occurrence], _numbers: Numbers) -> Settled:
            return given_up(there, error, self._parts.clock.now())

        _LOG.error("nobody can decide about alert %s: %s", key[:12], error)
        try:
            self._parts.book.amend([key], calling(left, self._parts.incidents))
        except AdapterError:
            raise
        except Exception:  # noqa: BLE001 - not even that: it is tried again with the next tick
            self._left.add(key)

    def _world(self, now: datetime) -> World:
        """What was gathered in this tick, with what it has decided since; anew when it is old."""
        if self._known is None or now - self._known[0] >= _KNOWN:
            self._known = (now, self._parts.world.gathered(now))
        return self._known[1]

    @property
    def _asked(self) -> datetime:
        return self._known[0] if self._known is not None else self._parts.clock.now()

    def _look(self, repaired: Sequence[Occurrence]) -> None:
        """Whether their alerts are quiet; asked first, recorded then."""
        if not repaired:
            return
        parts = self._parts
        found = {each.key: _holds(parts.check, each) for each in repaired}

        def seen(there: Mapping[str, Occurrence], _numbers: Numbers) -> Settled:
            return looked(there, found, parts)

        parts.book.amend(list(found), calling(seen, read_ahead(parts.incidents)))


def decided(
    occurrences: Sequence[Occurrence], world: World, parts: TickParts, numbers: Numbers
) -> Settled:
    """What is decided about them, with the repairs to open. Pure but for the clock."""
    now = parts.clock.now()
    due = [each for each in occurrences if each.due is not None and each.due <= now]
    found = decide(due, parts.rules, world, parts.policy, now)
    decisions, repairs = dict(found.decisions), list[Repair]()
    ids: dict[str, str] = {}
    for plan in found.repairs:
        refused = _uncovered(plan, decisions, parts.covers, now)
        decisions |= refused
        keys = tuple(key for key in plan.occurrences if key not in refused)
        if not keys:
            continue
        hosts = tuple(dict.fromkeys(decisions[key].hosts[0] for key in keys))
        left = replace(plan, hosts=hosts, occurrences=keys)
        repair = _repair(left, numbers(plan.change), now)
        repairs.append(repair)
        ids |= dict.fromkeys(keys, repair.id)
    events = tuple(
        AlertEvent(key=key, at=now, what=Decided(decision=each, repair=ids.get(key, "")))
        for key, each in decisions.items()
    )
    return Settled(events=events, repairs=tuple(repairs))


def looked(
    there: Mapping[str, Occurrence], found: Mapping[str, bool | None], parts: TickParts
) -> Settled:
    """What one look at the alerts of repaired hosts means for them."""
    now = parts.clock.now()
    return Settled(events=tuple(_looks(there, found, now, parts)))


def given_up(there: Mapping[str, Occurrence], error: Exception, now: datetime) -> Settled:
    """What nobody can decide about is a person's."""
    why = str(error) or type(error).__name__
    reason = Reason(guard="fault", en=f"cannot be decided: {why}", zh=f"无法判定：{why}")
    decision = Decision(verdict=Verdict.ESCALATE, at=now, reasons=(reason,))
    return Settled(
        events=tuple(AlertEvent(key=key, at=now, what=Decided(decision=decision)) for key in there)
    )


def _looks(
    there: Mapping[str, Occurrence],
    found: Mapping[str, bool | None],
    now: datetime,
    parts: TickParts,
) -> Iterator[AlertEvent]:
    for key, occurrence in there.items():
        if occurrence.stage is Stage.VERIFYING:
            decision = occurrence.decision
            by = parts.verify(decision.rule, decision.action) if decision else VerifyBy.ALERT
            what = after_look(occurrence, found.get(key), now, parts.terms, by)
            yield AlertEvent(key=key, at=now, what=what)


def _holds(check: SourceCheck, occurrence: Occurrence) -> bool | None:
    """Whether it fires still: its sender is asked; the word that it is over counts where nobody
    can be asked."""
    host = host_of(occurrence)
    answer = check.holds(occurrence.alert, (host,)).get(host)
    if answer is None and occurrence.resolved_at is not None:
        return False
    return answer


def _repair(plan: RepairPlan, ident: str, now: datetime) -> Repair:
    return Repair(
        id=ident,
        change=plan.change,
        action=plan.action,
        rule=plan.rule,
        hosts=plan.hosts,
        occurrences=plan.occurrences,
        opened_at=now,
        options=plan.options,
        disruptive=plan.disruptive,
        canary=plan.canary,
    )


def _uncovered(
    plan: RepairPlan, decisions: Mapping[str, Decision], covers: Covers, now: datetime
) -> dict[str, Decision]:
    """Those of a repair whose host its standing change does not cover: a person has to do it,
    because nobody has allowed it there. The others go on."""
    against = {host: covers(plan.change, (host,), now) for host in plan.hosts}
    hosts = {key: decisions[key].hosts[0] for key in plan.occurrences}
    return {
        key: _escalated(decisions[key], against[host])
        for key, host in hosts.items()
        if against[host]
    }


def _escalated(decision: Decision, against: str) -> Decision:
    reason = Reason(
        guard="standing-change",
        en=f"the standing change does not cover it: {against}",
        zh=f"标准变更未覆盖该操作：{against}",
    )
    return replace(
        decision, verdict=Verdict.ESCALATE, reasons=(reason, *decision.reasons), due=None
    )
