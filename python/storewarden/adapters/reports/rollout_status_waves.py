# SPDX-License-Identifier: GPL-3.0-or-later
"""Waves of a rollout at a shell: how far each one is, what its gates said, what is under way."""

from __future__ import annotations

from collections.abc import Collection

from rich.table import Column
from rich.text import Text

from storewarden.adapters.reports.harden_table import Sheet
from storewarden.adapters.reports.rollout_status_fit import View
from storewarden.adapters.reports.rollout_status_words import Words
from storewarden.adapters.reports.rollout_times import counting, short
from storewarden.domain.gates.verdict import Outcome, Verdict, worst
from storewarden.domain.outbox.rollout_terms import OUTCOMES, PHASES, WAVES
from storewarden.domain.rollout.record import HostRecord, WaveRecord, WaveState
from storewarden.ports.rollout_status import DONE, RolloutStatus

_STYLES = {
    WaveState.PROMOTED: "green",
    WaveState.FAILED: "bold red",
    WaveState.HELD: "bold yellow",
    WaveState.PENDING: "dim",
}
_OUTCOMES = {Outcome.PASS: "green", Outcome.HOLD: "yellow", Outcome.FAIL: "bold red"}


def waves(sheet: Sheet, view: View, limit: int) -> int:
    """A row per wave, those around the present one where not all have room."""
    status, words = view.status, view.words
    sheet.title(words["waves"])
    columns = [
        Column(words["wave"], justify="right", no_wrap=True),
        Column(words["stores"], justify="right", no_wrap=True),
        Column(words["hosts"], justify="right", no_wrap=True),
        Column(words["state"], no_wrap=True),
        Column(words["began"], no_wrap=True),
        Column(words["watched"], no_wrap=True),
        Column(words["verdict"], overflow="fold"),
    ]
    shown, hosts = _around(status, limit), status.by_wave
    rows = [_wave(status, wave, hosts.get(wave.number, ()), words) for wave in shown]
    sheet.table(columns, rows)
    left = len(status.rollout.waves) - len(shown)
    if left:
        sheet.say("  " + words("more", count=left), "dim")
    return len(status.rollout.waves)


def _around(status: RolloutStatus, limit: int) -> tuple[WaveRecord, ...]:
    all_ = status.rollout.waves
    here = status.rollout.wave
    place = (here.number if here else len(all_)) - 1
    begin = min(max(place - limit // 3, 0), max(len(all_) - limit, 0))
    return all_[begin : begin + limit]


def _wave(
    status: RolloutStatus, wave: WaveRecord, hosts: Collection[HostRecord], words: Words
) -> tuple[str | Text, ...]:
    done = sum(host.state in DONE for host in hosts)
    return (
        str(wave.number),
        str(len(wave.stores)),
        f"{done}/{len(hosts)}",
        Text(words.of(WAVES[wave.state.value]), _STYLES.get(wave.state, "bold cyan")),
        short(wave.began, status.zone, status.at, words.language),
        _left(status, wave, words),
        _verdict(wave, words),
    )


def _left(status: RolloutStatus, wave: WaveRecord, words: Words) -> str:
    left = status.watched(wave) if wave.state is WaveState.SOAKING else None
    if left is None:
        return ""
    wall, trade = left
    if not wall and not trade:
        return words["over"]
    if not trade:
        return counting(wall, words.language)
    of_trade = words("trade", span=counting(trade, words.language))
    return f"{counting(wall, words.language)}{words['comma']}{of_trade}" if wall else of_trade


def _verdict(wave: WaveRecord, words: Words) -> Text:
    if wave.excused:
        return Text(words["excused"], "yellow")
    if not wave.verdicts:
        return Text("")
    outcome = worst(wave.verdicts)
    return Text(words.of(OUTCOMES[outcome.value]), _OUTCOMES[outcome])


def gates(sheet: Sheet, view: View, limit: int) -> int:
    """What the gates of the wave that was judged last said, the worst first."""
    status, words = view.status, view.words
    judged = [wave for wave in status.rollout.waves if wave.verdicts]
    if not judged:
        return 0
    wave = judged[-1]
    at = short(wave.looked, status.zone, status.at, words.language)
    sheet.title(words("gates", wave=wave.number, at=at))
    order = (Outcome.FAIL, Outcome.HOLD, Outcome.PASS)
    told = sorted(wave.verdicts, key=lambda each: order.index(each.outcome))
    sheet.pairs(((words.clean(each.gate), _told(each, words)) for each in told[:limit]), indent=2)
    if len(told) > limit:
        sheet.say("  " + words("more", count=len(told) - limit), "dim")
    return len(told)


def _told(verdict: Verdict, words: Words) -> Text:
    text = Text(words.of(OUTCOMES[verdict.outcome.value]), _OUTCOMES[verdict.outcome])
    reason = words.either(verdict.reason, verdict.reason_zh)
    return text.append(f"{words['colon']}{reason}" if reason else "", "default")


def at_work(sheet: Sheet, view: View, limit: int) -> int:
    """Dispatches that have not ended, the oldest first."""
    status, words = view.status, view.words
    work = sorted(status.rollout.dispatches.values(), key=lambda each: each.at)
    if not work:
        return 0
    count = sum(len(each.hosts) for each in work)
    sheet.title(words("at_work", count=words.counted(count)))
    rows = []
    for each in work[:limit]:
        span = counting(status.at - each.at, words.language)
        told = words("since", count=words.counted(len(each.hosts)), span=span)
        rows.append((each.id, f"{words.of(PHASES[each.phase.value])}{words['colon']}{told}"))
    view.rows(sheet, rows)
    if len(work) > limit:
        sheet.say("  " + words("more", count=len(work) - limit), "dim")
    return len(work)
