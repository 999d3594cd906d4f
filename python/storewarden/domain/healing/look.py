# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guard looks at, and what it may say.

The rule about waiting: an alert waits only as long as it is fresh. What could be done only when it
has grown stale is not put off but handed to a person now, who then still has the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from storewarden.domain.estate.device import Device
from storewarden.domain.healing.action import HealAction
from storewarden.domain.healing.policy import HealPolicy
from storewarden.domain.healing.record import Occurrence, Reason, Verdict
from storewarden.domain.healing.rule import Rule
from storewarden.domain.healing.tally import Bundle, Tally, bundle_of
from storewarden.domain.healing.world import Standing, World
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.domain.maintenance.words import moment

_LEAST_WAIT = timedelta(seconds=1)
_LONGEST_PACE = 8
"""What waits for nothing that has a time is looked at after 30 s, then 1, 2, 4 and 4 min again:
ten thousand alerts that wait must not write ten thousand entries every half a minute."""

_HELD_FOR = timedelta(hours=24)
"""How long what is suppressed is looked at again; a person has had its incident for a day then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """What a guard says: ``verdict`` instead of acting; ``due`` for WAIT and ASK.

    ``incident`` is the name under which people are told once ("storm:RULE", "store:000101").
    """

    verdict: Verdict
    reason: Reason
    due: datetime | None = None
    incident: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One occurrence with its rule, its host, and everything else a guard may ask about."""

    occurrence: Occurrence
    rule: Rule
    action: HealAction
    host: str
    world: World
    policy: HealPolicy
    now: datetime
    tally: Tally
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def bundle(self) -> Bundle:
        """What other alerts must have in common with it to share its repair."""
        change = self.standing.change_for(self.host)
        return bundle_of(self.action.name, self.rule.name, self.options, change)

    @property
    def device(self) -> Device:
        """The host as a device."""
        return self.world.devices[self.host]

    @property
    def zone(self) -> tzinfo:
        """The time of its store."""
        return ZoneInfo(self.device.tz) if self.device.tz else self.world.zone

    @property
    def standing(self) -> Standing:
        """What its action may do here."""
        return self.world.standings.get(self.action.name, Standing())

    @property
    def operation(self) -> OperationClass:
        """What windows take it for: the rule's word, else the action's."""
        return self.rule.operation or self.action.operation

    @property
    def granted(self) -> bool:
        """Whether a person has said yes, and that still counts."""
        until = self.occurrence.granted_until
        return bool(self.occurrence.granted) and until is not None and self.now < until

    def agrees(self, guard: str) -> bool:
        """Whether that yes answers the question of a guard: only what was asked is answered."""
        agreed = self.occurrence.agreed
        return self.granted and (not agreed or guard in agreed)

    @property
    def held_until(self) -> datetime:
        """The end of its hold-down."""
        wait = self.rule.hold_down
        return self.occurrence.received_at + (self.policy.hold_down if wait is None else wait)

    @property
    def fresh_since(self) -> datetime:
        """When it began; when it was held back or over since, the end of that."""
        begin = self.occurrence.alert.starts_at
        if self.occurrence.fresh is not None:
            begin = max(begin, self.occurrence.fresh)
        found = self.world.maintenance.get(self.host)
        if found is None or found.ends > self.now:
            return begin
        return max(begin, found.ends + self.policy.grace)

    @property
    def stale_at(self) -> datetime:
        """When nothing may be begun for it any more."""
        until = self.occurrence.granted_until
        if self.granted and until is not None:
            return until
        return self.fresh_since + self.policy.staleness

    @property
    def ready_at(self) -> datetime:
        """Since when nothing but its turn was in the way: its hold-down, and what held it back."""
        fresh = self.occurrence.fresh
        return self.held_until if fresh is None else max(self.held_until, fresh)

    def pace(self, guard: str, first: timedelta, most: timedelta) -> timedelta:
        """How long to wait when a guard says the same again: twice as long as the last time."""
        before = self.occurrence.decision
        if before is None or before.due is None or not before.reasons:
            return first
        if before.reasons[0].guard != guard or before.due <= self.held_until:
            return first
        return min(max(2 * (before.due - before.at), first), most)

    def clock(self, at: datetime, language: str = "en") -> str:
        """A moment on the wall of its store."""
        return moment(at, self.zone, language)


def put_off(look: Look, guard: str, due: datetime, en: str, zh: str) -> Objection:
    """Wait until ``due``; or call a person now, when it would be stale by then."""
    due = max(due, look.now + _LEAST_WAIT)
    if due < look.stale_at:
        reason = Reason(guard=guard, en=en, zh=zh)
        return Objection(verdict=Verdict.WAIT, reason=reason, due=due)
    return escalate(
        guard,
        f"{en}; that is later than an alert may wait",
        f"{zh}；已超过告警可等待的时间",
    )


def put_off_to(look: Look, guard: str, until: datetime, en: str, zh: str) -> Objection:
    """Look again soon, as long as ``until`` has not passed; then call a person."""
    if look.now + look.policy.poll >= until:
        return escalate(guard, f"{en}; waited long enough", f"{zh}；等待已满时限")
    return put_off_again(look, guard, en, zh, until)


def put_off_again(
    look: Look, guard: str, en: str, zh: str, until: datetime | None = None
) -> Objection:
    """Look again soon, and ever less often while nothing has changed; the last time just before
    ``until``, and before it is stale."""
    poll = look.policy.poll
    last = min(look.stale_at, until or look.stale_at) - _LEAST_WAIT
    due = min(look.now + look.pace(guard, poll, _LONGEST_PACE * poll), last)
    return put_off(look, guard, max(due, look.now + poll), en, zh)


def suppress(
    look: Look,
    guard: str,
    said: tuple[str, str],
    *,
    due: datetime | None = None,
    first: timedelta | None = None,
    incident: str = "",
) -> Objection:
    """Nothing for now; looked at again at ``due``, by default after ``first`` and then ever less
    often, for a day."""
    if due is None and look.now - look.occurrence.received_at < _HELD_FOR:
        soon = look.policy.fault_span if first is None else first
        due = look.now + look.pace(guard, soon, look.policy.asking)
    return Objection(
        verdict=Verdict.SUPPRESS,
        reason=Reason(guard=guard, en=said[0], zh=said[1]),
        due=due,
        incident=incident,
    )


def escalate(guard: str, en: str, zh: str) -> Objection:
    """A person has to do it."""
    return Objection(verdict=Verdict.ESCALATE, reason=Reason(guard=guard, en=en, zh=zh))


def ask(look: Look, guard: str, said: tuple[str, str], incident: str = "") -> Objection:
    """A person has to say yes: within the time that the first question gave, not more."""
    en, zh = said
    asked = look.occurrence.decision
    due = look.now + look.policy.asking
    if asked is not None and asked.verdict is Verdict.ASK and asked.due is not None:
        due = asked.due
    reason = Reason(guard=guard, en=en, zh=zh)
    return Objection(verdict=Verdict.ASK, reason=reason, due=due, incident=incident)
