# SPDX-License-Identifier: GPL-3.0-or-later
"""What each heal action may do here: its mode, its record, and the standing change it belongs to.

Nobody asks for approval in the night when a till's service is down, so an action is approved once,
as a standing change whose action is "heal NAME"; each repair is a run of it. Of several the one
that covers the most devices counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from storewarden.domain.change.record import Change, State
from storewarden.domain.change.recording import run_refusal
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.healing.record import Repair, RepairState, Stage
from storewarden.domain.healing.rule import Mode
from storewarden.domain.healing.world import Said, Standing
from storewarden.ports.changes import ChangeBook
from storewarden.ports.healing import HealingBook

PREFIX = "heal "
"""What the action of a standing change for healing begins with: "heal service"."""

_COUNTED = 400
"""Repairs that an action's record is counted over, all actions together."""


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

    def __call__(self, now: datetime) -> dict[str, Standing]:
        """Every action's standing at this moment."""
        runs, verified = self._record()
        standing = self._standing()
        return {
            name: self._of(standing.get(name, ()), mode, now, (runs[name], verified[name]))
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
        number, against = _chosen(changes, self._rules, now)
        return Standing(
            mode=mode, runs=record[0], verified=record[1], change=number, against=against
        )

    def _standing(self) -> dict[str, list[Change]]:
        found: dict[str, list[Change]] = {}
        for change in self._changes.changes(states=(State.REQUESTED, State.APPROVED)):
            standing = change.standing
            if standing is not None and standing.action.startswith(PREFIX):
                found.setdefault(standing.action.removeprefix(PREFIX).strip(), []).append(change)
        return found

    def _record(self) -> tuple[Counter[str], Counter[str]]:
        """Hosts repaired, and verified, by action."""
        begun = [each for each in self._book.repairs(limit=_COUNTED) if _counts(each)]
        stages = self._book.stages([key for each in begun for key in each.occurrences])
        runs, verified = Counter[str](), Counter[str]()
        for repair in begun:
            known = [stages.get(key) for key in repair.occurrences]
            runs[repair.action] += sum(each in (Stage.HEALED, Stage.ESCALATED) for each in known)
            verified[repair.action] += sum(each is Stage.HEALED for each in known)
        return runs, verified


def _counts(repair: Repair) -> bool:
    return repair.state is RepairState.ENDED and repair.begun_at is not None


def _chosen(
    changes: Iterable[Change], rules: ApprovalRules, now: datetime
) -> tuple[str, Said | None]:
    """The number of the change that counts; else "" and what is against the newest one."""
    against: Said | None = None
    for change in sorted(changes, key=lambda each: (-len(each.hosts), each.number)):
        reason = run_refusal(change, sorted(change.hosts)[:1], rules, now)
        if not reason:
            return change.number, None
        against = against or Said(en=f"{change.number}: {reason}", zh=f"{change.number}：{reason}")
    return "", against
