# SPDX-License-Identifier: GPL-3.0-or-later
"""What people hear of incidents and problems, and what they do not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storewarden.domain.outbox.incident_ticket import note_of_incident, ticket_of_incident
from storewarden.domain.outbox.incident_words import needs_incident
from storewarden.domain.outbox.notice import Context, Event, IncidentFacts, Notice, Severity
from storewarden.domain.outbox.telling import notice_of
from storewarden.domain.outbox.ticket import Voice

AT = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
NUMBER = "INC-20260601-083000"
FACTS = IncidentFacts(name="storm:till", priority="high", hosts=("p1", "p2", "p3", "p4", "p5"))


def _event(kind: str, run: str = NUMBER, **body: object) -> Event:
    return Event(sequence=7, at=AT, kind=kind, run=run, body=body)


def _told(kind: str, **body: object) -> Notice | None:
    return notice_of(_event(kind, **body), Context(incident=FACTS))


@pytest.mark.parametrize(
    ("kind", "body", "severity"),
    [
        ("incident opened", {"needs": "person", "priority": "high"}, Severity.URGENT),
        ("incident opened", {"needs": "answer", "priority": "low"}, Severity.WARNING),
        ("incident noted", {"needs": "person", "en": "x", "zh": "x"}, Severity.URGENT),
        ("incident warned", {"clock": "solve"}, Severity.WARNING),
        ("incident breached", {"clock": "solve"}, Severity.URGENT),
        ("incident disputed", {"why": "no"}, Severity.WARNING),
        ("incident solved", {"verified": True}, Severity.INFO),
        ("problem opened", {"times": 3, "major": False}, Severity.WARNING),
        ("problem opened", {"times": 3, "major": True}, Severity.URGENT),
        ("problem grew", {"times": 4, "major": True, "now_major": True}, Severity.URGENT),
    ],
)
def test_who_has_to_know_is_told(kind: str, body: dict[str, object], severity: Severity) -> None:
    notice = _told(kind, **body)
    assert notice is not None and notice.severity is severity


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("incident opened", {"needs": "nobody", "priority": "high"}),  # a repair is on its way
        ("incident joined", {"occurrences": ["k"]}),
        ("incident answered", {}),
        ("incident noted", {"needs": "nobody", "en": "x", "zh": "x"}),
        ("incident mirrored", {"system": "itsm", "ticket": "7"}),
        ("incident closed", {}),
        ("problem grew", {"times": 4, "major": True, "now_major": False}),
        ("problem closed", {"since": "2026-06-01T08:30:00Z"}),
    ],
)
def test_the_rest_stands_in_the_ledger_and_on_the_ticket(
    kind: str, body: dict[str, object]
) -> None:
    assert _told(kind, **body) is None
    assert note_of_incident(_event(kind, **body), "seal", Voice()).endswith("seal]")


def test_a_message_says_what_where_and_what_to_do() -> None:
    notice = _told("incident breached", clock="answer")
    assert notice is not None
    words = notice.words
    assert words.title.en == f"{NUMBER}: not in time: time to answer"
    assert words.title.zh == f"{NUMBER}：超时：响应时限"
    assert words.where.en == "storm:till: p1, p2, p3 and 2 more"
    assert f"storewarden incident show {NUMBER}" in words.next.en


def test_a_problem_is_looked_at_in_the_last_of_its_incidents() -> None:
    """A problem has no page of its own."""
    numbers = ["INC-20260601-083000", "INC-20260602-083000"]
    event = _event("problem opened", "PRB-20260602-083000", times=2, incidents=numbers)
    notice = notice_of(event, Context())
    assert notice is not None
    assert "storewarden incident show INC-20260602-083000" in notice.words.next.en
    assert "storewarden incident show INC-20260602-083000" in notice.words.next.zh


def test_only_what_may_be_told_needs_its_incident() -> None:
    assert needs_incident("incident opened") and not needs_incident("incident joined")
    assert not needs_incident("problem opened")


def test_a_ticket_of_a_large_storm_stays_readable() -> None:
    opened = {
        "name": "storm:till",
        "priority": "high",
        "kind": "down",
        "hosts": [f"pos-{n}" for n in range(3000)],
        "occurrences": ["k"] * 3000,
        "summary": {"en": "too many at once " * 40, "zh": "过多"},
    }
    words = ticket_of_incident(NUMBER, opened, {}, Voice())
    assert len(words.title) <= 200 and len(words.body) < 3000
    assert "alerts: 3000" in words.body and "(+2950)" in words.body
