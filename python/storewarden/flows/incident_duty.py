# SPDX-License-Identifier: GPL-3.0-or-later
"""The duty that follows incidents: what their alerts and repairs come to, what time does to them,
and the problem behind those that keep coming.

Incidents are opened elsewhere, in the step that decides. Here everything follows from the ledger as
it stands: what was told is not told again, so a controller that was killed in the middle of a tick
leaves nothing out and says nothing twice. A storm of ten thousand alerts is one incident, and one
question per five hundred of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storewarden.domain.healing.incident import Incident, IncidentEvent
from storewarden.domain.healing.incident_clock import next_look
from storewarden.domain.healing.incident_follow import Course, Seen, follow_up, needs_reason
from storewarden.domain.healing.problem import Problem, problem_behind
from storewarden.domain.healing.problem_ticket import ProblemClosed, ProblemEvent, ProblemTicket
from storewarden.domain.healing.record import Reason, Repair
from storewarden.domain.healing.sla import IncidentPolicy
from storewarden.ports.clock import Clock
from storewarden.ports.healing import HealingBook
from storewarden.ports.incidents import IncidentBook
from storewarden.ports.ledger import JournalEntry

INCIDENTS = "incidents"
"""The duty that follows incidents."""

_REST = timedelta(seconds=2)  # between two looks: the journal of a storm grows all the time


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowParts:
    """What following takes."""

    incidents: IncidentBook
    book: HealingBook
    clock: Clock
    policy: IncidentPolicy = field(default_factory=IncidentPolicy)


class IncidentDuty:
    """``ports.engine.Duty`` for incidents."""

    name = INCIDENTS
    every = timedelta(seconds=30)

    def __init__(self, parts: FollowParts) -> None:
        self._parts = parts
        self._looked_at: datetime | None = None
        self._traced: set[tuple[str, int]] = set()  # incidents that were counted, by disputes

    def tick(self, now: datetime) -> datetime | None:
        """Tell what follows; when the next one's time comes."""
        rests = self._looked_at + _REST if self._looked_at is not None else now
        if now < rests <= now + _REST:
            return rests
        self._looked_at = now
        after = self._followed(self._parts.incidents.open_ones())
        self._trace_all(after)
        self._close_quiet({each.name for each in after})
        looks = [next_look(each, self._parts.policy) for each in after if not each.over]
        return min((each for each in looks if each is not None), default=None)

    def _followed(self, there: Sequence[Incident]) -> list[Incident]:
        parts = self._parts
        if not there:
            return []
        keys = {key for each in there for key in each.occurrences}
        courses = parts.book.courses(keys)
        repairs = _by_alert(parts.book.repairs(since=min(each.opened_at for each in there)))
        return [self._follow(each, courses, repairs) for each in there]

    def _follow(
        self,
        incident: Incident,
        courses: Mapping[str, Course],
        repairs: Mapping[str, Sequence[Repair]],
    ) -> Incident:
        parts = self._parts
        mine = {each.id: each for key in incident.occurrences for each in repairs.get(key, ())}
        seen = Seen(
            courses=courses,
            repairs=tuple(sorted(mine.values(), key=lambda each: (each.opened_at, each.id))),
            why=self._why(needs_reason(incident, courses)),
        )
        if not follow_up(incident, seen, parts.policy, parts.clock.now()):
            return incident

        def decide(now_there: Incident) -> tuple[IncidentEvent, ...]:
            return follow_up(now_there, seen, parts.policy, parts.clock.now())

        return parts.incidents.amend(incident.number, decide)

    def _why(self, key: str) -> Reason | None:
        """Why an alert went to a person, by its last entry that says so."""
        for entry in reversed(self._parts.book.history(key) if key else ()):
            found = _reason(entry)
            if found is not None:
                return found
        return None

    def _trace_all(self, incidents: Sequence[Incident]) -> None:
        """Each is counted once for each time that it came."""
        marks = {(each.number, each.disputes): each for each in incidents}
        new = {mark: each for mark, each in marks.items() if mark not in self._traced}
        names = {each.name for each in self._problems()} if new else set[str]()
        for mark, incident in new.items():
            if self._trace(incident, names):
                names.add(incident.name)
            self._traced.add(mark)

    def _trace(self, incident: Incident, names: Collection[str]) -> bool:
        """Whether it came often enough to have a problem behind it; ``names`` are the faults of
        open problem tickets."""
        parts = self._parts
        begin = incident.opened_at - parts.policy.same_span
        same = parts.incidents.incidents(since=begin, name=incident.name)
        problem = problem_behind(incident, same, parts.policy)
        if problem is None and incident.name in names:
            # The ticket is open still: this one belongs to it, however long ago the others were.
            problem = Problem(name=incident.name, incidents=(incident.number,), times=1)
        if problem is not None:
            parts.incidents.trace(problem)
        return problem is not None

    def _close_quiet(self, open_names: set[str]) -> None:
        """Problems whose fault has not come again for long enough."""
        parts, now = self._parts, self._parts.clock.now()
        for ticket in self._problems():
            if ticket.name in open_names or now - ticket.came_at < parts.policy.same_span:
                continue

            def decide(there: ProblemTicket) -> tuple[ProblemEvent, ...]:
                if there.over or now - there.came_at < parts.policy.same_span:
                    return ()
                what = ProblemClosed(since=there.came_at)
                return (ProblemEvent(number=there.number, at=now, what=what),)

            parts.incidents.amend_problem(ticket.number, decide)

    def _problems(self) -> tuple[ProblemTicket, ...]:
        return self._parts.incidents.problems(open_only=True)


def _by_alert(repairs: Iterable[Repair]) -> dict[str, list[Repair]]:
    found: dict[str, list[Repair]] = defaultdict(list)
    for repair in repairs:
        for key in repair.occurrences:
            found[key].append(repair)
    return found


def _reason(entry: JournalEntry) -> Reason | None:
    """The reason in an entry of an alert: a decision's first one, a move's, a person's own."""
    body: Mapping[str, object] = entry.body
    decision = body.get("decision")
    if isinstance(decision, Mapping):
        reasons = decision.get("reasons")
        body = reasons[0] if isinstance(reasons, list | tuple) and reasons else {}
        en, zh = str(body.get("en", "")), str(body.get("zh", ""))
    else:
        en = str(body.get("reason", ""))
        zh = str(body.get("reason_zh", "")) or en
    return Reason(guard="", en=en, zh=zh) if en else None
