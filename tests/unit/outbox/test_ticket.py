# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of tickets."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.plain import entry_kind
from storewarden.domain.outbox.notice import Event
from storewarden.domain.outbox.ticket import Voice, ends_ticket, note_words, resolution

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
    for piece in ("dark tills", "    one", "    two", "backup", "two_person: 是", "a, b"):
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
