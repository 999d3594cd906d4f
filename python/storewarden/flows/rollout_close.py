# SPDX-License-Identifier: GPL-3.0-or-later
"""What the change is told when its rollout is over: a note, the page as evidence, an outcome.

Only what is plainly good or plainly back ends the change by itself: every host of the change at
its target, or everything restored. Anything else (stragglers, debts, items that this rollout did
not cover) is somebody's decision; the note says what is left and which command says it.

Each word has a key of its own, so that a driver which died in the middle tells the rest and
nothing twice. Windows, tickets and notifications follow from the change's journal.
"""

from __future__ import annotations

from collections.abc import Callable

from storewarden.domain.change.commands import Close, Command, Finish, Note, StepDone
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.machine import allows
from storewarden.domain.change.record import Change, Outcome
from storewarden.domain.errors import Refused
from storewarden.domain.rollout.record import HostState, Rollout, RolloutState
from storewarden.flows.harden_ready import WorkDesk
from storewarden.flows.rollout_change import own_step
from storewarden.flows.rollout_parts import DriveParts
from storewarden.flows.rollout_report import note_line, owing

_GOOD = (HostState.FINAL, HostState.AT_TARGET, HostState.SKIPPED)


class Closing:
    """Tells changes how their rollouts came out."""

    def __init__(self, parts: DriveParts) -> None:
        self._parts = parts
        self._told: dict[str, RolloutState] = {}

    def tell(self, rollout: Rollout) -> None:
        """Tell the change once per end: a rollout with stragglers may end again, better.

        Raises AdapterError and LedgerConflict; told again, it goes on where it stopped.
        """
        if self._told.get(rollout.number) is rollout.state:
            return
        change = self._parts.changes.change(rollout.change)
        if change is not None and allows(change.state, EventKind.NOTED):
            _Words(self._parts, rollout, change).tell()
        self._told[rollout.number] = rollout.state


class _Words:
    """What one change is told of one rollout."""

    def __init__(self, parts: DriveParts, rollout: Rollout, change: Change) -> None:
        self._parts = parts
        self._rollout = rollout
        self._change = change
        self._key = f"{rollout.number}-{rollout.state.value}"
        self._desk: WorkDesk = parts.desk(tuple(rollout.hosts))

    def tell(self) -> None:
        """Evidence first, so that the note's reader finds it."""
        history = self._parts.book.history(self._rollout.number)
        page = self._parts.report(self._rollout, history)
        self._try(lambda: self._desk.attach(self._change.number, f"{self._key}-report", page))
        line = note_line(self._rollout, self._parts.language)
        proposed = self._proposal()
        self._act("note", Note(text=f"{line}; {proposed}" if proposed else line))
        self._end(line)

    def _end(self, line: str) -> None:
        if self._rollout.state is RolloutState.COMPLETED:
            step = own_step(self._change)
            if step is not None:
                self._act("step", StepDone(step=step.name))
            if self._whole:
                self._act("finish", Finish(note=line))
                self._act("close", Close(outcome=Outcome.SUCCESSFUL))
        elif self._rollout.state is RolloutState.ROLLED_BACK and not owing(self._rollout):
            self._act("close", Close(outcome=Outcome.ROLLED_BACK, reason=line))

    @property
    def _whole(self) -> bool:
        """Whether every item of the change is where it should be."""
        hosts = self._rollout.hosts
        return all(
            name in hosts and hosts[name].state in _GOOD and not hosts[name].debt
            for name in self._change.hosts
        )

    def _proposal(self) -> str:
        """What a person is to say, where this rollout cannot end the change."""
        number, chinese = self._change.number, self._parts.language == "zh"
        left = owing(self._rollout)
        if self._rollout.state is RolloutState.COMPLETED_WITH_STRAGGLERS:
            words = ("stragglers are caught up with as they return", "掉队主机恢复后自动补做")
        elif self._rollout.state is RolloutState.ROLLED_BACK_WITH_DEBT and left:
            words = (
                "their debt is paid as they return; to end it now: storewarden change close"
                f" {number} --outcome partial",
                f"主机恢复后自动清偿；如需立即结束：storewarden change close {number}"
                " --outcome partial",
            )
        elif self._rollout.state is RolloutState.COMPLETED and not self._whole:
            words = (
                "other items of the change are not covered: storewarden change show " + number,
                "变更中还有未覆盖的配置项：storewarden change show " + number,
            )
        else:
            return ""
        return words[chinese]

    def _act(self, what: str, command: Command) -> None:
        self._try(lambda: self._desk.act(self._change.number, f"{self._key}-{what}", command))

    def _try(self, ask: Callable[[], Change]) -> None:
        """A rule's no is the change's own matter, recorded there; it holds nothing up."""
        try:
            ask()
        except Refused:
            return
