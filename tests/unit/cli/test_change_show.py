# SPDX-License-Identifier: GPL-3.0-or-later
"""What people typed is shown as text: nothing of it is obeyed by a terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from storewarden.cli.change_show import Style, change_lines, debt_lines, row_lines
from storewarden.cli.change_words import EVENTS, STATES, VALUES
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.record import (
    Approval,
    Change,
    Debt,
    DebtKind,
    Draft,
    EvidenceKind,
    Item,
    Kind,
    Outcome,
    Risk,
    State,
    WindowOverride,
)

AT = datetime(2026, 6, 1, 15, 30, tzinfo=UTC)
STYLE = Style(language="en", zone=ZoneInfo("Asia/Shanghai"), now=AT)
CHANGE = Change(
    number="GMBG-20260601-001",
    version=1,
    state=State.REQUESTED,
    draft=Draft(
        summary="s",
        kind=Kind.EMERGENCY,
        risk=Risk.HIGH,
        reason="r",
        items=tuple(Item(host=f"pos{n}", store=f"{n // 2:06d}") for n in range(40)),
    ),
    requester="op.one",
    opened_at=AT,
    owner="op.one",
)


def shown(change: Change, waits_for: str = "", style: Style = STYLE) -> str:
    return "\n".join(change_lines(change, waits_for, [], style))


def test_control_characters_never_reach_the_terminal() -> None:
    evil = "a\x1b[2Jb\x07\u202ec\r"
    draft = replace(CHANGE.draft, summary=evil, reason=f"{evil}\n{evil}", plan=evil)
    entry = {
        "at": "2026-06-01T15:30:00.000000Z",
        "kind": "change noted",
        "body": {"by": evil, "text": evil},
    }
    lines = list(change_lines(replace(CHANGE, draft=draft), "", [entry], STYLE))
    assert all(line.isprintable() for line in lines)


def test_what_others_named_is_shown_as_text_too() -> None:
    """A ticket system gives ids, an inventory gives stores: no door of ours was in between."""
    evil = "T-1\x1b[2J\x9b31m\u202e"
    draft = replace(CHANGE.draft, items=(Item(host="h", store=evil),), operation=evil)
    change = replace(CHANGE, draft=draft, tickets={"itsm": evil}, owner=evil, requester=evil)
    row = {
        "number": evil, "state": evil, "kind": evil, "risk": evil, "summary": evil,
        "open_debts": 1, "waits_for": evil,
    }  # fmt: skip
    debt = {
        "number": evil, "kind": evil, "what": evil, "owner": evil, "overdue": True,
        "due": "2026-06-01T15:30:00.000000Z",
    }  # fmt: skip
    lines = [*change_lines(change, evil, [], STYLE), *row_lines([row], STYLE)]
    assert all(line.isprintable() for line in [*lines, *debt_lines([debt], STYLE)])
    assert "T-1" in "".join(lines)


def test_items_are_counted_by_store_and_not_all_listed() -> None:
    text = shown(CHANGE)
    assert "40 in 20 stores: 000000 (2), 000001 (2)" in text
    assert "12 more" in text
    assert "pos17" not in text


def test_a_debt_says_when_it_is_due_and_when_that_is_over() -> None:
    due, over = AT + timedelta(hours=1), AT
    debts = (Debt(kind=DebtKind.TEST, due=due), Debt(kind=DebtKind.APPROVAL, due=over, what="x"))
    text = shown(replace(CHANGE, debts=debts))
    assert "test evidence, due 2026-06-02 00:30" in text
    assert "approval: x, OVERDUE since 2026-06-01 23:30" in text


def test_an_override_says_who_asked_who_agreed_and_when_it_ends() -> None:
    given = Approval(person="sec", roles=("security_lead",), at=AT, expires=AT, comment="ok")
    override = WindowOverride(
        reason="no sale", expires=AT + timedelta(hours=2), asked_by="op.one", asked_at=AT,
        approvals=(replace(given, person="old", expired=True), given),
    )  # fmt: skip
    text = shown(replace(CHANGE, override=override))
    assert "asked by op.one, 1 of 2 people said yes, until 2026-06-02 01:30" in text
    assert "no sale" in text
    assert 'sec as security lead, 2026-06-01 23:30: "ok"' in text
    assert "old as security lead, 2026-06-01 23:30, no longer valid" in text
    over = replace(override, expires=AT)
    assert "op.one 申请，已于 2026-06-01 23:30 到期" in shown(
        replace(CHANGE, override=over), style=replace(STYLE, language="zh")
    )


def test_empty_lists_say_so() -> None:
    assert list(row_lines([], STYLE)) == ["no changes"]
    assert list(debt_lines([], replace(STYLE, language="zh"))) == ["没有欠项"]


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (STATES, State),
        (EVENTS, EventKind),
        (VALUES, Kind),
        (VALUES, Risk),
        (VALUES, Outcome),
        (VALUES, DebtKind),
        (VALUES, EvidenceKind),
    ],
)
def test_every_value_has_its_word_in_both_languages(words, kinds) -> None:  # type: ignore[no-untyped-def]
    for kind in kinds:
        english, chinese = words[kind.value]
        assert english
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
