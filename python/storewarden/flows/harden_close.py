# SPDX-License-Identifier: GPL-3.0-or-later
"""What the change is told when a hardening or an undo has ended.

The journal has it all by then. The change gets the report as evidence and a note in one line; a
standing change gets its run. Only what is plainly good ends a change by itself, and a hardening
only when asked to: whoever is answerable decides about everything else, so the report names the
next command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from storewarden.domain.baseline.harden import Conclusion
from storewarden.domain.baseline.harden_gate import harden_step
from storewarden.domain.change.commands import Close, Finish, Note, Run, StepDone
from storewarden.domain.change.record import Change, Outcome
from storewarden.domain.errors import StorewardenError
from storewarden.flows.harden_journal import HardenJournal, Session
from storewarden.flows.harden_ready import HardenParts, HardenRequest
from storewarden.ports.harden import Deed, HardenReport

_NAMED = 5


def concluded(
    parts: HardenParts,
    request: HardenRequest,
    report: HardenReport,
    session: Session,
    change: Change,
) -> HardenReport:
    """The session's end: journal, evidence, note, and what the change itself comes to."""
    report = replace(report, ended=parts.audit.clock.now())
    report = _ended(parts, report, session)
    closing = _Closing(parts, session, report)
    closing.tell(change)
    if change.standing is None:
        closing.steps(change)
        if report.deed is Deed.UNDO:
            closing.undone()
        elif request.finish:
            closing.finished()
    return closing.report


def _ended(parts: HardenParts, report: HardenReport, session: Session) -> HardenReport:
    """Close the session in the journal. One whose results are not all recorded stays open: the
    next hardening collects it."""
    if any(trouble.startswith("not recorded") for trouble in report.troubles):
        return report
    audits = tuple("" if each is None else each.audit.id for each in (report.before, report.after))
    outcome = "interrupted" if report.interrupted else "completed"
    try:
        HardenJournal(parts.audit.ledger).end(
            session, parts.audit.clock.now(), outcome, (audits[0], audits[1])
        )
    except StorewardenError as error:
        return replace(report, troubles=(*report.troubles, f"not recorded: {error}"))
    return report


def told_leftovers(parts: HardenParts, sessions: Sequence[Session]) -> None:
    """Note on the change that sessions were cut off and collected; the journal has it all, so
    that a note which cannot be written stops nobody."""
    pair = (
        "{name} was cut off; what its hosts did is recorded (storewarden harden status)",
        "{name} 曾中断；各主机的结果已入账（storewarden harden status）",
    )
    for session in sessions:
        text = pair[parts.language == "zh"].format(name=session.name)
        key = f"harden-{session.number}-cut-off"
        with suppress(StorewardenError):
            parts.at_desk.act(session.change, key, Note(text=text))


class _Closing:
    """Tells the change; what cannot be told becomes a line of the report."""

    def __init__(self, parts: HardenParts, session: Session, report: HardenReport) -> None:
        self._parts = parts
        self._session = session
        self._key = f"harden-{session.number}"
        self.report = report

    def tell(self, change: Change) -> None:
        """Evidence and note; of a standing change also its run."""
        desk, number = self._parts.at_desk, change.number
        document = self._parts.document(self.report)
        self._try("evidence", lambda: desk.attach(number, f"{self._key}-report", document))
        text = note_text(self.report, self._parts.language)
        self._try("note", lambda: desk.act(number, f"{self._key}-note", Note(text=text)))
        if change.standing is not None:
            run = self._run(text)
            self._try("run", lambda: desk.act(number, f"{self._key}-run", run))

    def _run(self, text: str) -> Run:
        return Run(
            run=self._session.name,
            hosts=self._session.hosts,
            began=self.report.at,
            succeeded=self.report.conclusion.good and not self.report.interrupted,
            note=text,
        )

    def steps(self, change: Change) -> None:
        """The key step that is the hardening itself, once every host is as required."""
        step = harden_step(change)
        if step is None or self.report.deed is not Deed.FIX or not self._good:
            return
        command = StepDone(step=step.name)
        self._try("key step", lambda: self._act(f"{self._key}-step", command))

    def finished(self) -> None:
        """End the change as successful, when it is."""
        if self._good:
            note = note_text(self.report, self._parts.language)
            self._try("finish", lambda: self._act(f"{self._key}-finish", Finish(note=note)))
            close = Close(outcome=Outcome.SUCCESSFUL)
            self._try("close", lambda: self._act(f"{self._key}-close", close))

    def undone(self) -> None:
        """End the change as rolled back, when nothing of it is left and all is as it was."""
        if not self._good or self.report.left_over or self.report.differences:
            return
        reason = note_text(self.report, self._parts.language)
        close = Close(outcome=Outcome.ROLLED_BACK, reason=reason)
        self._try("close", lambda: self._act(f"{self._key}-close", close))

    @property
    def _good(self) -> bool:
        return (
            self.report.conclusion.good and not self.report.interrupted and not self.report.troubles
        )

    def _act(self, key: str, command: StepDone | Finish | Close) -> Change:
        return self._parts.at_desk.act(self.report.change, key, command)

    def _try(self, what: str, ask: Callable[[], Change]) -> None:
        try:
            change = ask()
        except StorewardenError as error:
            line = f"the change was not told ({what}): {error}"
            self.report = replace(self.report, troubles=(*self.report.troubles, line))
            return
        outcome = change.outcome.value if change.outcome else ""
        self.report = replace(self.report, state=change.state.value, outcome=outcome)


def note_text(report: HardenReport, language: str) -> str:
    """The end of a session in one line."""
    chinese = language == "zh"
    found = report.conclusion
    counts = "，" if chinese else ", "
    told = counts.join(_counts(report, found, chinese=chinese))
    score = _score(report, chinese=chinese)
    names = _names(report, found, chinese=chinese)
    return f"{report.session}: {told}{score}{names}"


def _counts(report: HardenReport, found: Conclusion, *, chinese: bool) -> list[str]:
    undo = report.deed is Deed.UNDO
    good = (
        ("taken back on {n} hosts", "{n} 台已回滚")
        if undo
        else ("{n} hosts as required", "{n} 台达标")
    )
    stays = ("{n} hosts not as wanted", "{n} 台未达到目标")
    words = (
        (good, found.well),
        (stays, found.missed),
        (("{n} hosts not touched", "{n} 台未操作"), found.untouched),
        (("{n} hosts OPEN", "{n} 台状态未知"), found.open),
    )
    return [pair[chinese].format(n=len(hosts)) for pair, hosts in words if hosts]


def _score(report: HardenReport, *, chinese: bool) -> str:
    if report.before is None or report.after is None:
        return ""
    rates = [
        "-" if rate is None else f"{float(rate) * 100:.1f}"
        for rate in (
            report.before.scores.fleet.score.effective,
            report.after.scores.fleet.score.effective,
        )
    ]
    return (
        (f"；得分 {rates[0]}% → {rates[1]}%")
        if chinese
        else f"; score {rates[0]} % -> {rates[1]} %"
    )


def _names(report: HardenReport, found: Conclusion, *, chinese: bool) -> str:
    """Hosts that are a debt until somebody has looked, and differences after an undo."""
    parts = []
    for words, hosts in (
        (("look at", "须查看"), found.open),
        (("not done", "未完成"), found.missed),
    ):
        if hosts:
            more = f" (+{len(hosts) - _NAMED})" if len(hosts) > _NAMED else ""
            parts.append(f"{words[chinese]}: {', '.join(hosts[:_NAMED])}{more}")
    if report.differences:
        shown = [f"{each.host} {each.control}" for each in report.differences[:_NAMED]]
        label = "与变更前不同" if chinese else "not as before"
        parts.append(f"{label}: {', '.join(shown)}")
    return "".join(f"; {part}" for part in parts)
