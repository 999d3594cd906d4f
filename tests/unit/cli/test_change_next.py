# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever looks at a change learns what to type next."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typer.main import get_group

from storewarden.cli.change import change
from storewarden.cli.change_next import next_lines
from storewarden.domain.change.record import (
    Change,
    Debt,
    DebtKind,
    Draft,
    KeyStep,
    Kind,
    Risk,
    Span,
    Standing,
    State,
)

AT = datetime(2026, 6, 1, 15, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
N = "GMBG-20260601-001"
CHANGE = Change(
    number=N,
    version=1,
    state=State.REQUESTED,
    draft=Draft(summary="s", kind=Kind.STANDARD, risk=Risk.LOW, reason="r", items=()),
    requester="op.one",
    opened_at=AT,
    owner="op.one",
)


def told(change: Change, waits_for: str = "", language: str = "en") -> list[str]:
    return next_lines(change, waits_for, language, lambda at: f"{at:%H:%M}", AT)


def in_state(state: State, **draft: object) -> Change:
    return replace(CHANGE, state=state, draft=replace(CHANGE.draft, **draft))  # type: ignore[arg-type]


def test_who_has_to_approve_is_told_in_both_languages() -> None:
    line = f"storewarden change approve {N}"
    assert told(CHANGE, "department head") == [f"department head: {line} (or reject)"]
    assert told(CHANGE, "operations lead or IT", "zh") == [
        f"运维负责人或IT 负责人：{line}（或 reject）"
    ]
    assert told(CHANGE) == [f"storewarden change start {N}, when windows allow it"]


def test_an_approved_change_is_begun_in_its_window_and_not_after_it() -> None:
    def window(start: timedelta) -> list[str]:
        span = Span(starts=AT + start, ends=AT + start + HOUR)
        return told(in_state(State.APPROVED, window=span))

    assert window(HOUR) == [f"from 16:30 on: storewarden change start {N}"]
    assert window(timedelta(0)) == [f"storewarden change start {N}, when windows allow it"]
    assert window(-HOUR)[0].startswith("its window is over: storewarden change plan")
    standing = Standing(action="heal", until=AT + HOUR)
    assert "runs" in told(replace(in_state(State.APPROVED), standing=standing))[0]


def test_the_next_step_and_the_one_that_waits_for_a_second_person() -> None:
    steps = (
        KeyStep(name="database backup", two_person=True, done_by="op.one"),
        KeyStep(name="it's in"),
        KeyStep(name="last"),
    )
    lines = told(replace(in_state(State.IN_PROGRESS), steps=steps))
    assert lines == [
        f"not op.one: storewarden change step {N} 'database backup' --check",
        f"storewarden change step {N} {shlex.quote(steps[1].name)}",
        f"storewarden change finish {N}, when the work has ended",
    ]
    done = told(replace(in_state(State.DONE), steps=steps))
    assert [line.split(N)[0] for line in done] == [
        "not op.one: storewarden change step ",
        "storewarden change close ",
    ]


def test_every_debt_says_how_it_is_paid_and_a_paid_one_nothing() -> None:
    debts = tuple(Debt(kind=kind, due=AT) for kind in DebtKind)
    owing = replace(in_state(State.CLOSED, kind=Kind.EMERGENCY), debts=debts)
    text = "\n".join(told(owing, "security lead"))
    for verb in ("approve", "plan", "attach", "settle"):
        assert f"storewarden change {verb} {N}" in text
    paid = replace(owing, debts=tuple(replace(debt, settled_at=AT) for debt in debts))
    assert told(paid) == []


@pytest.mark.parametrize("state", [State.REJECTED, State.CANCELLED, State.CLOSED])
def test_what_is_over_asks_for_nothing(state: State) -> None:
    assert told(in_state(state)) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_verb_that_is_named_exists(language: str) -> None:
    known = get_group(change).commands
    for state in State:
        for kind in (Kind.EMERGENCY, Kind.STANDARD):
            for line in told(in_state(state, kind=kind), "IT", language):
                if "storewarden change " in line:
                    assert line.split("storewarden change ")[1].split()[0] in known
