# SPDX-License-Identifier: GPL-3.0-or-later
"""What each heal action may do here: its mode, its record, and the standing change it belongs to.

Nobody asks for approval in the night when a till's service is down, so an action is approved once,
as a standing change whose action is "heal NAME"; each repair is a run of it. Of several that name
one action a host's repair belongs to the one that covers the host and counts now; of several such
to the one that covers the most devices, and among equals to the one with the lower number, which is
the older one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from storewarden.domain.change.record import Change, State
from storewarden.domain.change.recording import run_refusal
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.healing.record import Repair, RepairState
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import Said, Standing
from storewarden.flows.heal_world import past_of
from storewarden.ports.changes import ChangeBook
from storewarden.ports.healing import HealingBook

PREFIX = "heal "
"""What the action of a standing change for healing begins with: "heal service"."""

_COUNTED = 1000  # the newest repairs, all actions together, in which records are looked for
_RECORD = 100  # of them, hosts of one action that its record is counted over
_HOLDS = timedelta(minutes=1)  # how long a record counts before it is counted anew


class Standings:
    """What actions may do; asked once per tick."""

    def __init__(
        self,
        book: HealingBook,
        changes: ChangeBook,
        rules: ApprovalRules,
        modes: Mapping[str, Mode],
    ) -> None:
        """``modes`` names every action that there is."""
        self._book, self._changes = book, changes
        self._rules, self._modes = rules, modes
        self._counted: tuple[datetime, Mapping[str, tuple[int, int]]] | None = None

    def __call__(self, now: datetime) -> dict[str, Standing]:
        """Every action's standing at this moment."""
        record = self._record(now)
        standing = self._standing()
        return {
            name: self._of(standing.get(name, ()), mode, now, record.get(name, (0, 0)))
            for name, mode in self._modes.items()
        }

    def covers(self, number: str, hosts: Sequence[str], now: datetime) -> str:
        """Why the change does not cover a repair on these hosts; "" when it does."""
        change = self._changes.change(number)
        if change is None:
            return f"there is no change {number}"
        return run_refusal(change, hosts, self._rules, now)

    def _of(
        self, changes: Sequence[Change], mode: Mode, now: datetime, record: tuple[int, int]
    ) -> Standing:
        counting, against = _counting(changes, self._rules, now)
        first = counting[0] if counting else None
        return Standing(
            mode=mode,
            runs=record[0],
            verified=record[1],
            change="" if first is None else first.number,
            against=against,
            others=_others(counting),
        )

    def _standing(self) -> dict[str, list[Change]]:
        found: dict[str, list[Change]] = {}
        for change in self._changes.changes(states=(State.REQUESTED, State.APPROVED)):
            standing = change.standing
            if standing is not None and standing.action.startswith(PREFIX):
                found.setdefault(standing.action.removeprefix(PREFIX).strip(), []).append(change)
        return found

    def _record(self, now: datetime) -> Mapping[str, tuple[int, int]]:
        """Action -> hosts that it repaired and of which is known how that came out, and how many of
        them were verified; the newest hundred. However many alerts asked for it, a host is one;
        what found nothing to do is none."""
        if self._counted is None or not timedelta() <= now - self._counted[0] < _HOLDS:
            begun = [each for each in self._book.repairs(limit=_COUNTED) if _counts(each)]
            stages = self._book.standing([key for each in begun for key in each.occurrences])
            seen: dict[str, list[bool]] = {}
            for repair in begun:
                known = (past.verified for past in past_of(repair, stages))
                seen.setdefault(repair.action, []).extend(one for one in known if one is not None)
            made = {name: each[:_RECORD] for name, each in seen.items()}
            self._counted = now, {name: (len(each), sum(each)) for name, each in made.items()}
        return self._counted[1]


def _counts(repair: Repair) -> bool:
    return repair.state is RepairState.ENDED and repair.begun_at is not None


def _counting(
    changes: Iterable[Change], rules: ApprovalRules, now: datetime
) -> tuple[Sequence[Change], Said | None]:
    """The changes that count now, in the order in which they are taken; without any, what is
    against the first one of them."""
    counting: list[Change] = []
    against: Said | None = None
    for change in sorted(changes, key=lambda each: (-len(each.hosts), each.number)):
        reason = run_refusal(change, sorted(change.hosts)[:1], rules, now)
        if not reason:
            counting.append(change)
        against = against or Said(en=f"{change.number}: {reason}", zh=f"{change.number}：{reason}")
    return counting, None if counting else against


def _others(counting: Sequence[Change]) -> Mapping[str, str]:
    """Host -> number, for hosts that the first change does not cover and another one does."""
    found: dict[str, str] = {}
    first = frozenset(counting[0].hosts) if counting else frozenset[str]()
    for change in counting[1:]:
        for host in change.hosts:
            if host not in first:
                found.setdefault(host, change.number)
    return found
