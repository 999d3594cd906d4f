# SPDX-License-Identifier: GPL-3.0-or-later
"""What every outbox promises, as tests.

Inherit from ``OutboxConformance`` in a pytest module and give two fixtures:
``clock``, a ``ManualClock`` that starts at ``START``, and ``ledger``, an empty
ledger with ``changes`` and ``outbox`` that reads it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from storewarden.domain.change.events import EventKind
from storewarden.domain.errors import ConfigInvalid, LedgerConflict
from storewarden.ports.changes import ChangeBook
from storewarden.ports.ledger import Ledger
from storewarden.ports.outbox import Delivery, Outbox
from storewarden.testing.conformance_changes import DAY, PREFIX, happening, note, opening
from storewarden.testing.conformance_ledger import START, refused
from storewarden.testing.ledger import ManualClock

TICKETS = "ticket:itsm"
NEWS = "notify:ops"
_MINUTE = timedelta(minutes=1)


class SendingLedger(Ledger, Protocol):
    """A ledger with changes and an outbox."""

    @property
    def changes(self) -> ChangeBook:
        """The change book."""
        ...

    @property
    def outbox(self) -> Outbox:
        """The outbox."""
        ...


class OutboxConformance:
    """The suite."""

    def test_a_change_is_due_as_soon_as_it_is_opened(self, ledger: SendingLedger) -> None:
        """On every ticket channel, from its first entry on."""
        box = ledger.outbox
        box.subscribe(TICKETS)
        box.subscribe("ticket:second")
        number = _open(ledger, "k1")
        (delivery,) = box.due(TICKETS, START)
        assert (delivery.channel, delivery.subject, delivery.through) == (TICKETS, number, 0)
        assert [entry.kind for entry in box.entries(delivery)] == ["change opened"]
        assert delivery.latest == box.entries(delivery)[0].sequence
        assert [each.subject for each in box.due("ticket:second", START)] == [number]
        assert box.due("ticket:third", START) == ()
        assert box.channels() == (TICKETS, "ticket:second")

    def test_what_arrived_is_not_due_again(self, ledger: SendingLedger) -> None:
        """And the cursor never goes back."""
        box, number = ledger.outbox, _subscribed(ledger)
        ledger.changes.amend(number, "n1", note("one"))
        (delivery,) = box.due(TICKETS, START)
        first, second = box.entries(delivery)
        moved = box.arrived(delivery, first.sequence, {"ticket": "17"})
        assert (moved.through, moved.receipt) == (first.sequence, {"ticket": "17"})
        assert box.entries(moved) == (second,)
        assert [each.through for each in box.due(TICKETS, START)] == [first.sequence]
        done = box.arrived(moved, second.sequence)
        assert (done.through, done.receipt) == (second.sequence, {"ticket": "17"})
        assert box.due(TICKETS, START) == ()
        assert box.entries(done) == ()
        assert box.arrived(delivery, first.sequence).through == second.sequence
        ledger.changes.amend(number, "n2", note("two"))
        (again,) = box.due(TICKETS, START)
        assert (again.through, again.receipt) == (second.sequence, {"ticket": "17"})
        assert [entry.step for entry in box.entries(again)] == ["n2"]

    def test_a_receipt_can_be_kept_before_anything_arrived(self, ledger: SendingLedger) -> None:
        """The ticket's id is known before its first note is confirmed."""
        box, number = ledger.outbox, _subscribed(ledger)
        (delivery,) = box.due(TICKETS, START)
        box.arrived(delivery, delivery.through, {"ticket": "17"})
        kept = box.arrived(delivery, delivery.through, {"url": "https://itsm.example/17"})
        assert kept.receipt == {"ticket": "17", "url": "https://itsm.example/17"}
        assert kept.through == 0
        assert [each.subject for each in box.due(TICKETS, START)] == [number]

    def test_nothing_arrives_before_it_is_written(self, ledger: SendingLedger) -> None:
        """A cursor beyond the journal would leave out what comes."""
        box = ledger.outbox
        _subscribed(ledger)
        (delivery,) = box.due(TICKETS, START)
        refused(LedgerConflict, lambda: box.arrived(delivery, delivery.latest + 1))

    def test_other_entries_do_not_belong_to_a_change(self, ledger: SendingLedger) -> None:
        """Only its own events are mirrored, in order, a page at a time."""
        box, number = ledger.outbox, _subscribed(ledger)
        ledger.append("note", {"n": 1}, run=number, step="beside")
        other = _open(ledger, "k2")
        for count in range(5):
            ledger.changes.amend(number, f"n{count}", note(str(count)))
        ours = next(each for each in box.due(TICKETS, START) if each.subject == number)
        assert [e.step for e in box.entries(ours)] == ["k1", "n0", "n1", "n2", "n3", "n4"]
        assert [e.step for e in box.entries(ours, limit=2)] == ["k1", "n0"]
        assert {each.subject for each in box.due(TICKETS, START)} == {number, other}

    def test_the_longest_waiting_comes_first(self, ledger: SendingLedger) -> None:
        """By its first entry that has not arrived, whatever came later."""
        box = ledger.outbox
        box.subscribe(TICKETS)
        one, two, three = (_open(ledger, f"k{n}") for n in range(3))
        for each in box.due(TICKETS, START):
            if each.subject == one:
                box.arrived(each, each.latest)
        ledger.changes.amend(three, "n", note("x"))
        ledger.changes.amend(one, "n", note("x"))
        ledger.changes.amend(two, "n", note("x"))
        assert [each.subject for each in box.due(TICKETS, START)] == [two, three, one]
        assert [each.subject for each in box.due(TICKETS, START, limit=2)] == [two, three]

    def test_a_failure_waits_for_its_time(self, ledger: SendingLedger, clock: ManualClock) -> None:
        """Counted until something arrives; the error in one line."""
        box, number = ledger.outbox, _subscribed(ledger)
        (delivery,) = box.due(TICKETS, START)
        assert box.next_due(TICKETS) is None
        failed = box.failed(delivery, "503 Service\nUnavailable", START + _MINUTE)
        assert (failed.attempts, failed.error) == (1, "503 Service Unavailable")
        assert failed.retry_at == START + _MINUTE
        assert box.due(TICKETS, START) == ()
        assert box.next_due(TICKETS) == START + _MINUTE
        now = clock.advance(_MINUTE)
        (again,) = box.due(TICKETS, now)
        assert again == failed
        assert box.failed(again, "503", now + _MINUTE).attempts == 2
        other = _open(ledger, "k2")
        assert [each.subject for each in box.due(TICKETS, now)] == [other]
        done = box.arrived(again, again.latest)
        assert (done.attempts, done.error, done.retry_at) == (0, "", None)
        assert box.next_due(TICKETS) is None
        assert number == done.subject

    def test_a_refused_delivery_is_parked_until_a_person_looks(self, ledger: SendingLedger) -> None:
        """And then tried again, or its entry left out."""
        box, number = ledger.outbox, _subscribed(ledger)
        ledger.changes.amend(number, "n1", note("one"))
        (delivery,) = box.due(TICKETS, START)
        parked = box.failed(delivery, "400 no such category", None)
        assert parked.parked
        assert box.due(TICKETS, START + timedelta(days=365)) == ()
        assert box.next_due(TICKETS) is None
        assert [each.parked for each in box.deliveries(TICKETS)] == [True]
        released = box.release(TICKETS, number, by="ma@hq")
        assert (released.parked, released.error, released.attempts) == (False, "", 0)
        assert box.due(TICKETS, START) == (released,)
        box.failed(released, "400", None)
        skipped = box.release(TICKETS, number, by="li@hq", skip=True)
        assert not skipped.parked
        assert [entry.step for entry in box.entries(skipped)] == ["n1"]

    def test_who_released_or_skipped_a_delivery_is_journaled(self, ledger: SendingLedger) -> None:
        """With the reason it had stopped for, or the entry that was left out."""
        box, number = ledger.outbox, _subscribed(ledger)
        (delivery,) = box.due(TICKETS, START)
        (first,) = box.entries(delivery)
        box.failed(delivery, "400 no such category", None)
        box.release(TICKETS, number, by="ma@hq")
        box.failed(delivery, "400", None)
        box.release(TICKETS, number, by="li@hq", skip=True)
        told = [e for e in ledger.journal() if e.kind.startswith("delivery ")]
        shared = {"channel": TICKETS, "subject": number}
        assert [(entry.kind, entry.body) for entry in told] == [
            ("delivery released", {**shared, "by": "ma@hq", "error": "400 no such category"}),
            ("delivery skipped", {**shared, "by": "li@hq", "entry": first.sequence}),
        ]
        assert ledger.verify().problems == ()

    def test_one_that_always_fails_does_not_stand_before_the_others(
        self, ledger: SendingLedger
    ) -> None:
        """What failed least often comes first, however long the other has waited."""
        box, bad = ledger.outbox, _subscribed(ledger)
        (delivery,) = box.due(TICKETS, START)
        box.failed(delivery, "500", START)
        good = _open(ledger, "k2")
        assert [each.subject for each in box.due(TICKETS, START)] == [good, bad]
        assert [each.subject for each in box.due(TICKETS, START, limit=1)] == [good]

    def test_a_clock_that_was_put_back_delays_nothing(self, ledger: SendingLedger) -> None:
        """A retry in a year was noted by a clock that was wrong."""
        box, number = ledger.outbox, _subscribed(ledger)
        (delivery,) = box.due(TICKETS, START)
        box.failed(delivery, "503", START + timedelta(days=365))
        assert [each.subject for each in box.due(TICKETS, START)] == [number]
        box.failed(delivery, "503", START + timedelta(hours=23))
        assert box.due(TICKETS, START) == ()

    def test_a_channel_that_comes_later_gets_what_is_open(self, ledger: SendingLedger) -> None:
        """Open changes from their beginning, ended ones not, new ones of course."""
        box = ledger.outbox
        running = _open(ledger, "k1")
        ended = _open(ledger, "k2")
        ledger.changes.amend(ended, "n", happening(EventKind.CANCELLED, reason="not needed"))
        box.subscribe(TICKETS)
        new = _open(ledger, "k3")
        assert [each.subject for each in box.due(TICKETS, START)] == [running, new]
        (first, _) = box.due(TICKETS, START)
        assert [entry.step for entry in box.entries(first)] == ["k1"]
        refused(ConfigInvalid, lambda: box.release(TICKETS, ended, by="li"))
        ghost = Delivery(channel=TICKETS, subject=ended)
        refused(ConfigInvalid, lambda: box.failed(ghost, "x", None))

    def test_a_change_that_ends_is_mirrored_to_its_end(self, ledger: SendingLedger) -> None:
        """Its last entries are as due as its first."""
        box, number = ledger.outbox, _subscribed(ledger)
        ledger.changes.amend(number, "n", happening(EventKind.CANCELLED, reason="not needed"))
        (delivery,) = box.due(TICKETS, START)
        assert [entry.kind for entry in box.entries(delivery)] == [
            "change opened",
            "change cancelled",
        ]

    def test_subscribing_again_changes_nothing(self, ledger: SendingLedger) -> None:
        """A restart begins nothing anew; an end does, and says so in the journal."""
        box, number = ledger.outbox, _subscribed(ledger)
        (delivery,) = box.due(TICKETS, START)
        box.arrived(delivery, delivery.latest)
        before = ledger.head()
        box.subscribe(TICKETS)
        assert ledger.head() == before
        assert box.due(TICKETS, START) == ()
        box.unsubscribe(TICKETS)
        assert (box.channels(), box.deliveries()) == ((), ())
        box.unsubscribe(TICKETS)
        box.subscribe(TICKETS)
        (anew,) = box.due(TICKETS, START)
        assert (anew.subject, anew.through) == (number, 0)
        kinds = [entry.kind for entry in ledger.journal() if entry.kind.startswith("channel")]
        assert kinds == ["channel subscribed", "channel unsubscribed", "channel subscribed"]
        assert ledger.verify().problems == ()

    def test_news_are_all_entries_from_now_on(self, ledger: SendingLedger) -> None:
        """One subject; whatever the journal gets, audits and notes as well."""
        box = ledger.outbox
        ledger.append("note", {"n": 0}, run="r", step="old news")
        box.subscribe(NEWS)
        assert box.due(NEWS, START) == ()
        ledger.append("note", {"n": 1}, run="r", step="news")
        _open(ledger, "k1")
        (delivery,) = box.due(NEWS, START)
        assert delivery.subject == ""
        assert [entry.step for entry in box.entries(delivery)] == ["news", "k1"]
        assert delivery.latest == ledger.head().sequence
        assert [entry.step for entry in box.entries(delivery, limit=1)] == ["news"]
        failed = box.failed(delivery, "429", START + _MINUTE)
        assert box.next_due(NEWS) == START + _MINUTE
        assert box.arrived(failed, delivery.latest).through == delivery.latest
        assert box.due(NEWS, START) == ()
        ledger.append("note", {"n": 2}, run="r", step="more")
        (again,) = box.due(NEWS, START)
        box.failed(again, "400", None)
        box.release(NEWS, "", by="li", skip=True)
        (skipped,) = box.due(NEWS, START)
        assert [entry.kind for entry in box.entries(skipped)] == ["delivery skipped"]

    def test_names_of_channels_say_what_they_carry(self, ledger: SendingLedger) -> None:
        """Anything else is refused before it waits for ever."""
        for name in ("", "itsm", "ticket:", "mail:ops"):
            refused(ConfigInvalid, lambda name=name: ledger.outbox.subscribe(name))  # type: ignore[misc]
        assert ledger.outbox.channels() == ()

    def test_everything_there_is_can_be_listed(self, ledger: SendingLedger) -> None:
        """For people who look, of one channel or of all."""
        box = ledger.outbox
        number = _subscribed(ledger)
        box.subscribe(NEWS)
        assert [(d.channel, d.subject) for d in box.deliveries()] == [(NEWS, ""), (TICKETS, number)]
        assert [d.subject for d in box.deliveries(TICKETS)] == [number]
        assert box.deliveries("ticket:other") == ()

    def test_an_hour_of_entries_arrives_in_order(self, ledger: SendingLedger) -> None:
        """1,000 entries over 200 changes, sent a few at a time while more are written."""
        box = ledger.outbox
        box.subscribe(TICKETS)
        numbers = [_open(ledger, f"k{n}") for n in range(200)]
        for count in range(800):
            ledger.changes.amend(numbers[count * 7 % 200], f"n{count}", note(str(count)))
        got: dict[str, list[int]] = {number: [] for number in numbers}
        while due := box.due(TICKETS, START, limit=50):
            for delivery in due:
                for entry in box.entries(delivery, limit=3):
                    got[entry.run].append(entry.sequence)
                    delivery = box.arrived(delivery, entry.sequence)  # noqa: PLW2901
        journal = [(e.run, e.sequence) for e in ledger.journal() if e.kind.startswith("change ")]
        expected = {number: [s for run, s in journal if run == number] for number in numbers}
        assert got == expected
        assert sum(map(len, got.values())) == 1000
        assert ledger.verify().problems == ()


def _open(ledger: SendingLedger, key: str) -> str:
    return ledger.changes.open_change(key, PREFIX, DAY, opening("pos1")).change.number


def _subscribed(ledger: SendingLedger) -> str:
    """A ticket channel, and a change behind it."""
    ledger.outbox.subscribe(TICKETS)
    return _open(ledger, "k1")
