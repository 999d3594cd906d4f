# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.people import Person
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict
from storewarden.domain.outbox.delivery_words import BLOCKED
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
        self.unreadable = ""
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
            audits=AuditStory(facts=lambda _audit: facts, report=self.report),
            clock=self.clock,
            to=("list@example.com",),
        )
        self.engine = ManualEngine(self.clock)
        self.engine.start([Telling(parts)])

    def report(self, _audit: str) -> Attachment:
        """The report, unless its evidence is ``unreadable``."""
        if self.unreadable:
            raise LedgerConflict(self.unreadable, where="entry 7")
        return REPORT

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
    hall.ledger.outbox.release("notify:ops", "", by="li")
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


def test_urgent_news_behind_a_busy_night_go_at_once() -> None:
    """Thousands of entries nobody hears of lie between what waits and what cannot wait."""
    hall = Hall(quiet=quiet_hours("00:00-20:00", UTC))
    number = hall.open()
    hall.happens(number, EventKind.STARTED, authorised=False)
    hall.run(minutes=10)
    sent = len(hall.messages)
    hall.say(number, "ordinary")
    hall.open()
    for n in range(2500):
        hall.ledger.append("host noted", {"n": n}, run="an audit", step=str(n))
    hall.happens(number, EventKind.PAUSED, reason="the tills are dark")
    hall.run(minutes=2)
    (message,) = hall.messages[sent:]
    assert "the tills are dark" in message.text


def test_more_than_can_be_kept_is_several_messages_and_all_is_counted() -> None:
    hall = Hall(quiet=quiet_hours("00:00-08:15", UTC))  # the scene begins at 08:00
    for n in range(2100):
        body = {"channel": f"ticket:{n}", "error": "refused"}
        hall.ledger.append(BLOCKED, body, run="many", step=str(n))
    hall.run(minutes=5)
    (first,) = hall.messages
    assert "2000" in first.title + first.text
    hall.run(minutes=15)
    assert len(hall.messages) == 2
    assert "100" in hall.messages[1].title + hall.messages[1].text


def test_a_secret_that_is_gone_rests_the_channel_and_is_told_once_a_day() -> None:
    """It is nobody's refusal: nothing is parked, the duty does not fail, and when the file is
    back all goes on."""
    hall = Hall()
    hall.open()
    gone = ConfigInvalid("no such file", where="file:/etc/robot")
    hall.sender.failures = [gone] * 1000
    hall.run(minutes=90)
    (delivery,) = hall.ledger.outbox.deliveries("notify:ops")
    assert (delivery.parked, delivery.error) == (False, "file:/etc/robot: no such file")
    assert hall.engine.status()["tell:ops"]["failures"] == 0
    assert 970 < len(hall.sender.failures) < 990  # every few minutes, not every tick
    (told,) = [entry for entry in hall.ledger.journal() if entry.kind == BLOCKED]
    assert told.body == {"channel": "notify:ops", "error": "file:/etc/robot: no such file"}
    hall.sender.failures = []
    hall.run(minutes=10)
    assert len(hall.messages) == 1
    assert "nothing goes through notify:ops" in hall.messages[0].text


def test_a_report_that_cannot_be_made_holds_up_no_message() -> None:
    hall = Hall()
    hall.unreadable = "the evidence cannot be read"
    hall.ledger.begin_audit("audit-1", START, ("h",), ("A01",), "content")
    hall.ledger.end_audit("audit-1", START, "completed")
    hall.run(minutes=10)
    (message,) = hall.messages
    assert message.attachments == ()
    assert "audit-1: entry 7: the evidence cannot be read" in message.text
