# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of tickets."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.plain import entry_kind
from storewarden.domain.change.record import KeyStep, Kind, Risk
from storewarden.domain.outbox.notice import Event
from storewarden.domain.outbox.ticket import (
    Voice,
    ends_ticket,
    note_words,
    resolution,
    ticket_words,
)
from tests.unit.change.story import Story, draft

AT = datetime(2026, 6, 1, 14, 5, 9, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def event(kind: EventKind, **body: object) -> Event:
    """An entry of a change."""
    whole = {"by": "li", "at": "2026-06-01T14:05:09.000000Z", **body}
    return Event(sequence=17, at=AT, kind=entry_kind(kind), run="GMBG-20260601-001", body=whole)


def test_times_are_the_sites_own_and_say_so() -> None:
    told = note_words(event(EventKind.NOTED, text="hello"), "ab" * 32, Voice(zone=SHANGHAI))
    assert told.splitlines() == [
        "2026-06-01 22:05:09 +08:00  noted (li)",
        "text: hello",
        f"[journal entry 17: {'ab' * 32}]",
    ]


def test_nothing_of_an_entry_is_left_out() -> None:
    body = {
        "rollback": {"trigger": "dark tills", "steps": "one\ntwo", "owner": ""},
        "steps": [{"name": "backup", "two_person": True}],
        "due": "2026-06-02T00:00:00.000000Z",
        "hosts": ["a", "b"],
    }
    told = note_words(event(EventKind.PLANNED, **body), "cd", Voice(language="zh", zone=SHANGHAI))
    for piece in ("回滚条件: dark tills", "  one\n  two", "backup（需双人复核）", "a, b"):
        assert piece in told
    assert "2026-06-02 08:00:00 +08:00" in told


@pytest.mark.parametrize("kind", list(EventKind))
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_has_words_in_both_languages(kind: EventKind, language: str) -> None:
    first = note_words(event(kind), "ef", Voice(language=language)).splitlines()[0]
    assert "change " not in first or language == "en"
    assert any(ord(letter) > 0x4E00 for letter in first) == (language == "zh")


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (EventKind.CLOSED, {"outcome": "successful", "reason": ""}, "successful"),
        (EventKind.CLOSED, {"outcome": "failed", "reason": "no\nluck"}, "failed: no luck"),
        (EventKind.REJECTED, {"reason": "no plan"}, "rejected: no plan"),
    ],
)
def test_the_end_of_a_ticket_says_how(kind: EventKind, body: dict[str, object], told: str) -> None:
    assert ends_ticket(entry_kind(kind))
    assert resolution(event(kind, **body), Voice()) == told


def test_a_note_reads_from_what_was_tried_to_what_to_do_and_is_said_in_chinese() -> None:
    body = {
        "hint": "have it approved",
        "reason": "waits for approval by: operations lead, IT; "
        "its window begins at 2026-06-02 14:00 UTC",
        "tried": "start",
    }
    english, chinese = (
        note_words(event(EventKind.REFUSED, **body), "ef", Voice(language=language)).splitlines()
        for language in ("en", "zh")
    )
    assert [line.split(":")[0] for line in english[1:-1]] == ["tried", "reason", "what to do"]
    assert chinese[1:-1] == [
        "尝试的操作: 开始实施",
        "原因: 待运维负责人、IT 负责人审批；窗口于 2026-06-02 14:00 UTC 开始",
        "建议: 请先完成审批",
    ]


def test_what_people_wrote_is_never_said_in_other_words() -> None:
    voice = Voice(language="zh")
    for kind in (EventKind.CANCELLED, EventKind.REJECTED, EventKind.NOTED):
        body = {"reason": "there is no reason", "rule": False}
        told = note_words(event(kind, **body), "ef", voice)
        assert "原因: there is no reason" in told
        assert "规则" not in told
    by_rule = {"reason": "there is no reason", "rule": True}
    assert "原因: 没有填写原因" in note_words(event(EventKind.REJECTED, **by_rule), "ef", voice)
    assert resolution(event(EventKind.REJECTED, **by_rule), voice) == "已驳回：没有填写原因"


def test_a_ticket_says_what_kind_of_work_its_steps_and_who_takes_it_back() -> None:
    asked = draft(
        Kind.STANDARD,
        Risk.LOW,
        operation="release",
        steps=(KeyStep(name="dump", two_person=True), KeyStep(name="copy")),
    )
    change = Story(asked).change
    body = ticket_words(change, Voice()).body
    for line in ("operation class: release", "key steps: dump (two persons), copy"):
        assert line in body
    assert f"who rolls back: {change.draft.rollback.owner}" in body
    assert "关键步骤: dump（需双人复核）, copy" in ticket_words(change, Voice(language="zh")).body
