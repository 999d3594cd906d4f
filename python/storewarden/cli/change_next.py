# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do next with a change: who, and the command to type.

A change says where it stands; whoever looks at it in the night wants to know what to type. One
line per thing that can be done now, the most urgent on top.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from storewarden.cli.change_words import Pair
from storewarden.domain.change.record import Change, DebtKind, KeyStep, Kind, State
from storewarden.domain.change.spoken import roles_told

_VERB = "storewarden change"

_WORDS: Mapping[str, Pair] = {
    "approve": (
        "{roles}: {verb} approve {n} (or reject)",
        "{roles}：{verb} approve {n}（或 reject）",
    ),
    "emergency": ("act: {verb} start {n}", "立即处理：{verb} start {n}"),
    "start": ("{verb} start {n}, when windows allow it", "在窗口允许时执行 {verb} start {n}"),
    "start_at": ("from {at} on: {verb} start {n}", "{at} 起：{verb} start {n}"),
    "late": (
        "its window is over: {verb} plan {n} --window START/END, then approvals anew",
        "窗口已过：{verb} plan {n} --window 开始/结束，然后重新审批",
    ),
    "run": ("programs record its runs (POST .../runs)", "由程序登记每次执行（POST .../runs）"),
    "step": ("{verb} step {n} {step}", "{verb} step {n} {step}"),
    "check": (
        "not {who}: {verb} step {n} {step} --check",
        "由 {who} 以外的人复核：{verb} step {n} {step} --check",
    ),
    "finish": ("{verb} finish {n}, when the work has ended", "实施结束后执行 {verb} finish {n}"),
    "resume": (
        "look, then {verb} resume {n}, or close it",
        "查看后执行 {verb} resume {n}，或将其关闭",
    ),
    "close": (
        "{verb} close {n} --outcome successful (or another, with --reason)",
        "{verb} close {n} --outcome successful（其他结果须加 --reason）",
    ),
    "approval": (
        "approval is owed by {roles}: {verb} approve {n}",
        "欠{roles}审批：{verb} approve {n}",
    ),
    "paperwork": (
        "paperwork is owed: {verb} plan {n} --reason .. --plan .. --rollback ..",
        "欠文档：{verb} plan {n} --reason .. --plan .. --rollback ..",
    ),
    "test evidence": (
        "a test is owed: {verb} attach {n} FILE --kind test",
        "欠测试证据：{verb} attach {n} 文件 --kind test",
    ),
    "items": (
        "items are owed: {verb} settle {n} items --what ..",
        "有未完成的配置项：{verb} settle {n} items --what ..",
    ),
}

type Line = tuple[str, Mapping[str, str]]  # the key of its words, what fills them


def next_lines(
    change: Change, waits_for: str, language: str, at: Callable[[datetime], str], now: datetime
) -> list[str]:
    """What can be done now; ``at`` writes a moment, ``waits_for`` is whose yes is missing."""
    chinese = language == "zh"
    always = {"verb": _VERB, "n": change.number, "roles": roles_told(waits_for, language)}
    return [
        _WORDS[key][chinese].format(**always, **more)
        for key, more in (*_work(change, waits_for, at, now), *_owed(change, waits_for))
    ]


def _work(
    change: Change, waits_for: str, at: Callable[[datetime], str], now: datetime
) -> Iterator[Line]:
    match change.state:
        case State.REQUESTED if change.draft.kind is Kind.EMERGENCY:
            yield "emergency", {}
            yield "approve", {}
        case State.REQUESTED:  # nobody is missing when the rules ask for fewer than they did
            yield ("approve" if waits_for else "start"), {}
        case State.APPROVED:
            yield _begin(change, at, now)
        case State.IN_PROGRESS:
            yield from _steps(change)
            yield "finish", {}
        case State.PAUSED:
            yield "resume", {}
        case State.DONE:
            yield from _checks(change)
            yield "close", {}


def _begin(change: Change, at: Callable[[datetime], str], now: datetime) -> Line:
    window = change.draft.window
    if change.standing is not None:
        return "run", {}
    if window is not None and now >= window.ends:
        return "late", {}
    if window is not None and now < window.starts:
        return "start_at", {"at": at(window.starts)}
    return "start", {}


def _steps(change: Change) -> Iterator[Line]:
    """The first step that nobody has done, and those that wait for a second person."""
    yield from _checks(change)
    undone = [step for step in change.steps if not step.done_by]
    if undone:
        yield "step", {"step": shlex.quote(undone[0].name)}


def _checks(change: Change) -> Iterator[Line]:
    for step in change.steps:
        if _unchecked(step):
            yield "check", {"who": step.done_by, "step": shlex.quote(step.name)}


def _unchecked(step: KeyStep) -> bool:
    return step.two_person and bool(step.done_by) and not step.checked_by


def _owed(change: Change, waits_for: str) -> Iterator[Line]:
    """One line per kind of debt that is open."""
    for kind in dict.fromkeys(debt.kind for debt in change.debts if debt.settled_at is None):
        if kind is not DebtKind.APPROVAL or waits_for:
            yield kind.value, {}
