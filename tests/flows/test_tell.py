# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.people import Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import AdapterError
from storewarden.domain.outbox.digest import ChannelRules
from storewarden.domain.outbox.ledger_words import PARKED
from storewarden.domain.outbox.notice import AuditFacts
from storewarden.domain.outbox.quiet import quiet_hours
from storewarden.flows.tell import AuditStory, Telling, TellParts
from storewarden.ports.notifications import Message
from storewarden.ports.people import People
from storewarden.ports.tickets import Attachment
from storewarden.testing.conformance_ledger import START
from storewarden.testing.engine import ManualEngine
from storewarden.testing.notify import MemorySender
from tests.flows.duty_scene import Scene

REPORT = Attachment(name="report.html", media_type="text/html", content=b"<p>")


@dataclass(frozen=True)
class Staff:
    """Two people."""

    def everybody(self) -> tuple[Person, ...]:
        """All."""
        return (
            Person(
                id="head", name="H", roles=frozenset({"department_head"}), email="h@example.com"
            ),
            Person(id="ops", name="O", roles=frozenset({"operations_lead"}), email="o@example.com"),
        )


class Hall(Scene):
    """A scene with one notification channel."""

    def __init__(self, people: People | None = None, **rules: object) -> None:
        super().__init__()
        self.sender = MemorySender()
        self.rules = ChannelRules(name="ops", **rules)  # type: ignore[arg-type]
        self.people = people
        self.ledger.outbox.subscribe("notify:ops")
        self.begin()

    def begin(self) -> None:
        """A controller that only tells."""
        facts = AuditFacts(hosts=3, score="90.0", bar="95", below=True)
        parts = TellParts(
            sender=self.sender,
            rules=self.rules,
            outbox=self.ledger.outbox,
            book=self.ledger.changes,
            ledger=self.ledger,
            people=self.people,
            approvals=ApprovalRules(),
            audits=AuditStory(facts=lambda _audit: facts, report=lambda _audit: REPORT),
            clock=self.clock,
            to=("list@example.com",),
        )
        self.engine = ManualEngine(self.clock)
        self.engine.start([Telling(parts)])

    def run(self, minutes: float = 0) -> None:
        """Let the controller work."""
        self.engine.pass_time(timedelta(minutes=minutes))

    @property
    def messages(self) -> list[Message]:
        """What was taken."""
        return self.sender.messages


def test_a_change_that_waits_is_told_after_the_digest_interval() -> None:
    hall = Hall()
    number = hall.open()
    hall.run(minutes=4)
    assert hall.messages == []
    hall.run(minutes=2)
    (message,) = hall.messages
    assert number in message.text
    assert message.to == ("list@example.com",)
    hall.run(minutes=60)
    assert len(hall.messages) == 1


def test_a_storm_is_one_message() -> None:
    hall = Hall()
    for _ in range(300):
        hall.open()
    hall.run(minutes=30)
    (message,) = hall.messages
    assert "300" in message.title + message.text


def test_urgent_news_go_at_once() -> None:
    hall = Hall()
    number = hall.open()
    hall.happens(number, EventKind.STARTED, authorised=False)
    hall.happens(number, EventKind.PAUSED, reason="the tills are dark")
    hall.run()
    (message,) = hall.messages
    assert message.urgent
    assert "the tills are dark" in message.text


def test_quiet_hours_are_kept_over_a_restart() -> None:
    hall = Hall(quiet=quiet_hours("00:00-20:00", UTC))
    hall.open()
    hall.run(minutes=60)
    hall.begin()
    hall.run(minutes=60)
    assert hall.messages == []
    hall.run(minutes=11 * 60)
    assert len(hall.messages) == 1


def test_those_who_have_to_act_are_addressed() -> None:
    hall = Hall(people=Staff())  # type: ignore[arg-type]
    hall.open()
    hall.run(minutes=10)
    assert hall.messages[0].to == ("list@example.com", "h@example.com")


def test_an_audit_brings_its_report() -> None:
    hall = Hall()
    hall.ledger.begin_audit("audit-1", START, ("h",), ("A01",), "content")
    hall.ledger.end_audit("audit-1", START, "completed")
    hall.run(minutes=10)
    (message,) = hall.messages
    assert message.attachments == (REPORT,)
    assert "90.0" in message.text


def test_an_outage_of_the_channel_loses_nothing() -> None:
    hall = Hall()
    hall.open()
    hall.sender.failures = [AdapterError("away", retryable=True) for _ in range(8)]
    hall.run(minutes=60)
    assert len(hall.messages) == 1


def test_a_refusal_for_good_is_parked_and_told_elsewhere() -> None:
    hall = Hall()
    hall.open()
    hall.sender.failures = [AdapterError("answered 300001: no such robot", where="dingtalk")]
    hall.run(minutes=60)
    assert hall.messages == []
    (told,) = [entry for entry in hall.ledger.journal() if entry.kind == PARKED]
    assert told.body["error"] == "dingtalk: answered 300001: no such robot"
    hall.ledger.outbox.release("notify:ops", "")
    hall.run(minutes=10)
    assert len(hall.messages) == 1
    assert "dingtalk: answered 300001" in hall.messages[0].text


def test_news_are_not_told_again_after_a_restart() -> None:
    hall = Hall()
    hall.open()
    hall.run(minutes=10)
    hall.begin()
    hall.run(minutes=60)
    assert len(hall.messages) == 1
