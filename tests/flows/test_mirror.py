# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrives in the ticket system, whatever happens on the way."""

from __future__ import annotations

from datetime import timedelta

from storewarden.domain.change.events import EventKind
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.domain.outbox.delivery_words import BLOCKED
from storewarden.domain.outbox.ledger_words import PARKED
from storewarden.ports.tickets import Ticket, TicketDraft, TicketNote
from storewarden.testing.tickets import MemoryTickets
from tests.flows.duty_scene import CHANNEL, Scene


def test_a_change_becomes_a_ticket_with_a_note_per_entry() -> None:
    scene = Scene()
    number = scene.open("pos01.000101", "pos02.000101")
    scene.say(number, "the truck is late")
    scene.run()
    (ticket,) = scene.tickets.tickets(number)
    kept = scene.tickets.kept[ticket]
    assert kept.title == f"{number} patch the tills"
    assert "pos01.000101, pos02.000101" in kept.body
    assert kept.fields == {
        "kind": "standard",
        "risk": "low",
        "requester": "li",
        "hosts": "pos01.000101, pos02.000101",
    }
    assert scene.keys(number) == scene.expected(number)
    assert "the truck is late" in scene.texts(number)[1]
    change = scene.ledger.changes.change(number)
    assert change is not None
    assert change.tickets == {"memory": ticket}


def test_every_note_carries_the_hash_of_its_entry() -> None:
    scene = Scene()
    number = scene.open()
    scene.run()
    entry = scene.ledger.changes.history(number)[0]
    assert f"{entry.sequence}: {entry.hash}" in scene.texts(number)[0]


def test_chinese_tickets_are_chinese() -> None:
    scene = Scene(language="zh")
    number = scene.open()
    scene.happens(number, EventKind.REJECTED, reason="没有回滚方案", rule=False)
    scene.run()
    (ticket,) = scene.tickets.tickets(number)
    assert "类型: 标准变更" in scene.tickets.kept[ticket].body
    assert "驳回 (li)" in scene.texts(number)[-1]
    assert "原因: 没有回滚方案" in scene.texts(number)[-1]


def test_the_end_of_a_change_closes_its_ticket() -> None:
    scene = Scene()
    number = scene.open()
    scene.happens(number, EventKind.CANCELLED, reason="the vendor took it back")
    scene.run()
    (ticket,) = scene.tickets.tickets(number)
    kept = scene.tickets.kept[ticket]
    assert not kept.open
    assert kept.resolution == "cancelled: the vendor took it back"
    assert scene.keys(number) == scene.expected(number)


def test_evidence_is_attached() -> None:
    scene = Scene()
    scene.documents.kept["d1"] = b"<p>97 %</p>"
    number = scene.open()
    scene.happens(
        number,
        EventKind.EVIDENCE,
        evidence="audit",
        name="audit.html",
        media_type="text/html",
        size=11,
        digest="d1",
        note="",
    )
    scene.run()
    (ticket,) = scene.tickets.tickets(number)
    assert scene.tickets.documents(ticket) == (("audit.html", b"<p>97 %</p>"),)


def test_evidence_that_is_gone_is_said_and_holds_nothing_up() -> None:
    scene = Scene()
    number = scene.open()
    scene.happens(
        number,
        EventKind.EVIDENCE,
        evidence="audit",
        name="audit.html",
        media_type="text/html",
        size=11,
        digest="d2",
        note="",
    )
    scene.say(number, "afterwards")
    scene.run()
    assert "is gone or altered" in scene.texts(number)[1]
    assert "afterwards" in scene.texts(number)[2]


def test_after_an_hour_without_the_ticket_system_everything_arrives_once_and_in_order() -> None:
    """A thousand entries and two restarts meanwhile; the real thing is in tests/e2e."""
    scene = Scene()
    numbers = [scene.open() for _ in range(20)]
    with scene.tickets.faults.down():
        for n in range(49):
            for number in numbers:
                scene.say(number, f"note {n}")
            scene.run(minutes=1)
            if n in (20, 40):
                scene.restart()
        scene.run(minutes=15)
        assert scene.tickets.kept == {}
    scene.run(minutes=10)
    for number in numbers:
        assert len(scene.tickets.tickets(number)) == 1
        assert scene.keys(number) == scene.expected(number)
        assert len(scene.keys(number)) == 50


def test_an_outage_is_not_hammered() -> None:
    """An hour with 50 changes waiting costs some dozens of calls, not thousands."""
    asked = _Counting()
    scene = Scene(asked)
    for _ in range(50):
        scene.open()
    with asked.faults.down():
        scene.run(minutes=60)
    assert 10 < asked.calls < 60


def test_a_crash_between_the_note_and_the_cursor_writes_no_second_note() -> None:
    scene = Scene()
    number = scene.open()
    for n in range(5):
        scene.say(number, f"note {n}")
    with scene.tickets.faults.losing_answers():  # written there, unknown here: as after SIGKILL
        scene.run(minutes=1)
        scene.restart()
        scene.run(minutes=10)
    scene.restart()
    scene.run(minutes=10)
    assert scene.keys(number) == scene.expected(number)


def test_one_refused_note_parks_its_ticket_and_tells_people() -> None:
    scene = Scene(_Picky())
    bad, good = scene.open(), scene.open()
    scene.say(bad, "forbidden word")
    scene.say(bad, "later")
    scene.say(good, "fine")
    scene.run(minutes=30)
    assert scene.keys(good) == scene.expected(good)
    assert scene.keys(bad) == scene.expected(bad)[:1]
    (parked,) = [each for each in scene.ledger.outbox.deliveries(CHANNEL) if each.parked]
    assert (parked.subject, parked.error) == (bad, "memory: answered 422: no such word here")
    (told,) = [entry for entry in scene.ledger.journal() if entry.kind == PARKED]
    assert told.body["subject"] == bad

    scene.ledger.outbox.release(CHANNEL, bad, by="li", skip=True)
    scene.run(minutes=1)
    assert scene.keys(bad) == [scene.expected(bad)[0], scene.expected(bad)[2]]


def test_a_system_that_refuses_everything_parks_nothing() -> None:
    """A withdrawn token is no fault of any ticket: when it works again, all goes on."""
    scene = Scene()
    numbers = [scene.open() for _ in range(10)]
    scene.restart(scene.tickets.stranger())
    scene.run(minutes=30)
    assert not [each for each in scene.ledger.outbox.deliveries(CHANNEL) if each.parked]
    told = [entry for entry in scene.ledger.journal() if entry.kind == BLOCKED]
    assert [entry.body["channel"] for entry in told] == [CHANNEL]
    scene.restart()
    scene.run(minutes=10)
    assert all(scene.keys(number) == scene.expected(number) for number in numbers)


def test_a_ticket_that_always_fails_does_not_hold_up_the_others() -> None:
    scene = Scene(_Crashing())
    bad = scene.open()
    scene.say(bad, "forbidden word")
    others = [scene.open() for _ in range(5)]
    scene.run(minutes=30)
    assert all(scene.keys(number) == scene.expected(number) for number in others)
    assert scene.keys(bad) == scene.expected(bad)[:1]


def test_retry_after_is_waited_for() -> None:
    asked = _Counting()
    scene = Scene(asked)
    scene.open()
    with asked.faults.answering(429, b"slow down", {"Retry-After": "600"}):
        scene.run(minutes=9)
        assert asked.calls == 1
    scene.run(minutes=2)
    assert asked.calls > 1
    assert scene.tickets.kept


def test_a_tick_ends_when_the_controller_is_to_stop() -> None:
    """And what was not written yet is written by the next one."""
    scene = Scene()
    number = scene.open()
    scene.say(number, "one")
    scene.restart(stopping=lambda: True)
    scene.run()
    assert scene.tickets.kept == {}
    scene.restart()
    scene.run()
    assert scene.keys(number) == scene.expected(number)


def test_a_ticket_that_always_fails_does_not_hold_up_the_others_after_an_outage() -> None:
    """After an outage one call probes; it is not always the same one that fails."""
    scene = Scene(_Crashing())
    bad = scene.open()
    scene.say(bad, "forbidden word")
    others = [scene.open() for _ in range(5)]
    with scene.tickets.faults.down():
        scene.run(minutes=60)
    scene.run(minutes=15)
    assert all(scene.keys(number) == scene.expected(number) for number in others)
    late = scene.open()
    scene.run(minutes=6)
    assert scene.keys(late) == scene.expected(late)


def test_a_secret_that_is_gone_parks_nothing_and_is_told() -> None:
    scene = Scene()
    number = scene.open()
    scene.restart(_Speechless(store=scene.tickets))
    scene.run(minutes=30)
    assert scene.engine.status()["mirror:memory"]["failures"] == 0
    (delivery,) = scene.ledger.outbox.deliveries(CHANNEL)
    assert (delivery.parked, delivery.error) == (False, "file:/etc/token: no such file")
    (told,) = [entry for entry in scene.ledger.journal() if entry.kind == BLOCKED]
    assert told.body["error"] == "file:/etc/token: no such file"
    scene.restart()
    scene.run(minutes=10)
    assert scene.keys(number) == scene.expected(number)


def test_entries_after_a_restore_are_not_taken_for_those_that_were_given_up() -> None:
    """The ticket has notes of entries with the same numbers, which the ledger lost."""
    before, after = Scene(), Scene()
    for scene, text in ((before, "given up"), (after, "after the restore")):
        number = scene.open()
        scene.say(number, text)
    before.run()
    after.restart(before.tickets)
    after.run(minutes=1)
    assert any("after the restore" in text for text in before.texts(number))


def test_a_clock_that_was_put_back_does_not_silence_the_channel() -> None:
    scene = Scene()
    number = scene.open()
    scene.clock.advance(timedelta(days=365))
    with scene.tickets.faults.down():
        scene.run(minutes=10)
    scene.clock.advance(timedelta(days=-365))
    scene.run(minutes=1)
    assert scene.keys(number) == scene.expected(number)


class _Speechless(MemoryTickets):
    """Its token was in a file that is gone."""

    def find(self, run_id: str) -> Ticket | None:
        raise ConfigInvalid("no such file", where="file:/etc/token")

    def open(self, draft: TicketDraft) -> Ticket:
        raise ConfigInvalid("no such file", where="file:/etc/token")

    def check(self) -> None:
        raise ConfigInvalid("no such file", where="file:/etc/token")


class _Counting(MemoryTickets):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def open(self, draft: TicketDraft) -> Ticket:
        self.calls += 1
        return super().open(draft)


class _Picky(MemoryTickets):
    """Refuses one word for good."""

    def note(self, ticket: str, note: TicketNote) -> None:
        if "forbidden word" in note.text:
            raise AdapterError("answered 422: no such word here", where="memory")
        super().note(ticket, note)


class _Crashing(MemoryTickets):
    """Answers one word with a 500, always."""

    def note(self, ticket: str, note: TicketNote) -> None:
        if "forbidden word" in note.text:
            raise AdapterError("answered 500", where="memory", retryable=True)
        super().note(ticket, note)
