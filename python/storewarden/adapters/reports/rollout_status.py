# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout at a shell: where it stands, wave by wave and store by store, and why.

Made to be read from above: what it is, what holds it, what a person can do about it, what goes
back and who is owed something; then the waves, the gates, the work, the stores, the story.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from rich.text import Text

from storewarden.adapters.reports.harden_table import Sheet
from storewarden.adapters.reports.rollout_status_fit import Part, View, fitted
from storewarden.adapters.reports.rollout_status_next import next_line
from storewarden.adapters.reports.rollout_status_stores import owed, stores
from storewarden.adapters.reports.rollout_status_waves import at_work, gates, waves
from storewarden.adapters.reports.rollout_status_words import Words
from storewarden.adapters.reports.rollout_times import counting, full, short
from storewarden.adapters.reports.values import clean
from storewarden.domain.outbox.rollout_terms import STATES
from storewarden.domain.outbox.rollout_words import story_line
from storewarden.domain.rollout.record import HostState, Rollback, RolloutState
from storewarden.ports.reports import Page
from storewarden.ports.rollout_status import RolloutStatus

_FIRST, _LAST = timedelta(minutes=30), timedelta(hours=1)  # guide 1.3.4, 2.5.4
_COLOURS = {
    RolloutState.RUNNING: "bold cyan",
    RolloutState.COMPLETED: "bold green",
    RolloutState.COMPLETED_WITH_STRAGGLERS: "bold yellow",
    RolloutState.PAUSED: "bold yellow",
    RolloutState.HELD_WINDOW: "yellow",
    RolloutState.HELD_FREEZE: "yellow",
    RolloutState.ABORTING: "bold red",
    RolloutState.ROLLING_BACK: "bold red",
    RolloutState.ROLLED_BACK: "bold yellow",
    RolloutState.ROLLED_BACK_WITH_DEBT: "bold red",
}


def render(status: RolloutStatus, page: Page, rows: int = 0) -> str:
    """The whole text, or what fits into ``rows`` lines."""
    view = View(status=status, words=Words(page.language), page=page, tight=rows > 0)
    return fitted(_PARTS, view, rows)


def _head(sheet: Sheet, view: View, _limit: int) -> int:
    status, words = view.status, view.words
    rollout = status.rollout
    line = Text(f"{words['title']} {rollout.number} · {clean(rollout.spec.payload)} · ", "bold")
    line.append(words.of(STATES[rollout.state.value]), _COLOURS.get(rollout.state, "bold"))
    line.append(f" · {full(status.at, status.zone, words.language)}", "bold")
    sheet.say(line)
    if status.stopped:
        sheet.say(words("stopped", why=clean(status.stopped)), "bold red")
    held = words.either(rollout.held, rollout.held_zh)
    if held:
        until = full(rollout.until, status.zone, words.language) if rollout.until else ""
        sheet.say(held + (f"{words['semi']}{words('until', at=until)}" if until else ""), "yellow")
    sheet.say(words["semi"].join(_facts(view)))
    todo = next_line(status, words)
    if todo:
        sheet.say(Text(f"{words['next']}{words['colon']}{todo}", "bold"))
    return 1


def _facts(view: View) -> Iterator[str]:
    """What stays as it is."""
    status, words = view.status, view.words
    rollout = status.rollout
    yield words("change", number=rollout.change)
    if rollout.spec.emergency:
        yield words["emergency"]
    for key, at in (("begun", rollout.started), ("ended", rollout.ended)):
        if at is not None:
            yield words(key, at=short(at, status.zone, status.at, words.language))
    if rollout.lock is not None:
        yield words("lock", digest=rollout.lock.digest[:12], host=clean(rollout.lock.host))
    if rollout.supersedes:
        yield words("supersedes", number=rollout.supersedes)
    if rollout.superseded_by:
        yield words("superseded", number=rollout.superseded_by)


def _back(sheet: Sheet, view: View, _limit: int) -> int:
    status, words = view.status, view.words
    back = status.rollout.rollback
    if back is None:
        return 0
    sheet.title(words["back"])
    why = words.either(back.reason, back.reason_zh)
    at = full(back.verdict, status.zone, words.language)
    by = words("by", who=clean(back.by)) if back.cause.value == "order" and back.by else ""
    sheet.say("  " + words("verdict_at", at=at, why=why) + by)
    hosts = status.rollout.hosts.values()
    restored = sum(host.state is HostState.RESTORED for host in hosts)
    exposed = sum(host.touched or host.state is HostState.RESTORED for host in hosts)
    if not exposed and back.ended is not None and back.first_undo is None:
        sheet.say("  " + words["untouched"])
        return 1
    saved = status.rollout.saved_before
    if saved and back.ended is not None and back.first_undo is None and back.last_restored is None:
        last = max(each.restored_at for each in saved if each.restored_at is not None)
        early = counting(back.verdict - last, words.language)
        sheet.say("  " + words("saved", count=len(saved), span=early))
        return 1
    rows: list[tuple[str, str | Text]] = [
        (words["first"], _clocked(view, back, back.first_undo, _FIRST)),
        (words["last"], _clocked(view, back, back.last_restored if back.ended else None, _LAST)),
        (words["restored"], words("restored_of", count=restored, all=exposed)),
    ]
    sheet.pairs(rows, indent=2)
    return 1


def _clocked(view: View, back: Rollback, at: datetime | None, allowed: timedelta) -> Text:
    """How long after the decision, against what is owed."""
    words = view.words
    length = max((at or back.ended or view.status.at) - back.verdict, timedelta(0))
    facts = {
        "span": counting(length, words.language),
        "allowed": counting(allowed, words.language),
    }
    text = Text(words("kept" if at is not None else "not_yet", **facts))
    if length > allowed:
        text.append(words["comma"] + words["late"], "bold red")
    return text


def _story(sheet: Sheet, view: View, limit: int) -> int:
    """The last happenings; what repeats is told once."""
    status, words = view.status, view.words
    today = status.at.astimezone(status.zone).date()
    told: list[tuple[datetime, str, int]] = []
    for entry in status.tail:
        line = story_line(entry.kind, entry.body, status.zone)
        text = clean(words.of(line))
        if text and told and told[-1][1] == text:
            told[-1] = (entry.at, text, told[-1][2] + 1)
        elif text:
            told.append((entry.at, text, 1))
    if told:
        sheet.title(words["story"])
    rows: list[tuple[str, str]] = []
    for at, text, times in told[-limit:]:
        local = at.astimezone(status.zone)
        moment = f"{local:%H:%M:%S}" if local.date() == today else f"{local:%m-%d %H:%M:%S}"
        rows.append((moment, text + (words("times", count=times) if times > 1 else "")))
    view.rows(sheet, rows)
    return len(told)


_PARTS = (
    Part(draw=_head, fixed=True),
    Part(draw=_back, fixed=True),
    Part(draw=owed, most=8, least=3, weight=6),
    Part(draw=waves, most=14, least=4, weight=5),
    Part(draw=gates, most=12, least=3, weight=4),
    Part(draw=at_work, most=8, least=2, weight=2),
    Part(draw=stores, most=12, least=2, weight=3),
    Part(draw=_story, most=8, least=2, weight=1),
)

__all__ = ["render"]
