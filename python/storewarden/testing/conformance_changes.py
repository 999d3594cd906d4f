# SPDX-License-Identifier: GPL-3.0-or-later
"""What every change book promises, as tests.

Inherit from ``ChangesConformance`` in a pytest module and give two fixtures:
``clock``, a ``ManualClock`` that starts at ``START``, and ``ledger``, an empty
ledger with ``changes`` that reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Protocol

from storewarden.domain.change.events import ChangeEvent, Decision, EventKind
from storewarden.domain.change.plain import plain_draft
from storewarden.domain.change.record import Change, Draft, Item, Kind, Risk, State
from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict
from storewarden.ports.changes import Amended, ChangeBook
from storewarden.ports.ledger import Ledger
from storewarden.testing.conformance_ledger import START, refused
from storewarden.testing.ledger import ManualClock

DAY = date(2026, 3, 1)
PREFIX = "GMBG"


class RecordingLedger(Ledger, Protocol):
    """A ledger that keeps changes."""

    @property
    def changes(self) -> ChangeBook:
        """The change book."""
        ...


def draft(
    *hosts: str,
    summary: str = "patch the tills",
    operation: str = "",
    kind: Kind = Kind.STANDARD,
) -> Draft:
    """A draft as people write them, with these hosts as configuration items."""
    return Draft(
        summary=summary,
        kind=kind,
        risk=Risk.LOW,
        reason="security 补丁",
        items=tuple(Item(host=host, ci=host.upper(), store="000001") for host in hosts),
        operation=operation,
    )


def event(number: str, kind: EventKind, at: datetime = START, **data: object) -> ChangeEvent:
    """An event by the person "li"."""
    return ChangeEvent(number=number, kind=kind, at=at, by="li", data=data)


def opening(
    *hosts: str, at: datetime = START, operation: str = "", kind: Kind = Kind.STANDARD
) -> Callable[[str], Decision]:
    """Composes a change of these hosts."""
    plain = plain_draft(draft(*hosts, operation=operation, kind=kind))

    def compose(number: str) -> Decision:
        return Decision(events=(event(number, EventKind.OPENED, at, draft=plain),))

    return compose


def happening(
    *kinds: EventKind, at: datetime = START, **data: object
) -> Callable[[Change], Decision]:
    """Decides that these events happen; each gets all of ``data``."""

    def decide(change: Change) -> Decision:
        return Decision(events=tuple(event(change.number, kind, at, **data) for kind in kinds))

    return decide


def note(text: str) -> Callable[[Change], Decision]:
    """Decides that somebody noted ``text``."""
    return happening(EventKind.NOTED, text=text)


class ChangesConformance:
    """The suite."""

    def test_numbers_are_consecutive_per_day_and_prefix(self, ledger: RecordingLedger) -> None:
        """From 001, each series by itself, growing past 999."""
        book = ledger.changes
        first = _opened(book, "k1")
        second = _opened(book, "k2")
        tomorrow = book.open_change("k3", PREFIX, DAY + timedelta(days=1), opening("h"))
        other = book.open_change("k4", "ACME", DAY, opening("h"))
        assert [each.change.number for each in (first, second, tomorrow, other)] == [
            "GMBG-20260301-001",
            "GMBG-20260301-002",
            "GMBG-20260302-001",
            "ACME-20260301-001",
        ]
        assert _opened(book, "k5").change.number == "GMBG-20260301-003"
        refused(ConfigInvalid, lambda: book.open_change("k6", "no prefix", DAY, opening("h")))

    def test_an_opened_change_comes_back_as_it_was(self, ledger: RecordingLedger) -> None:
        """With its draft, its first event as a journal entry, and the decision."""
        made = _opened(ledger.changes, "k1", "pos1", "pos2")
        assert made.new
        assert made.change.state is State.REQUESTED
        assert (made.change.requester, made.change.opened_at) == ("li", START)
        assert made.change.draft == draft("pos1", "pos2")
        assert ledger.changes.change(made.change.number) == made.change
        assert ledger.changes.change("GMBG-20260301-999") is None
        (entry,) = ledger.changes.history(made.change.number)
        assert (entry.kind, entry.run, entry.step) == ("change opened", made.change.number, "k1")
        assert entry.body["by"] == "li"
        assert list(ledger.journal()) == [entry]

    def test_the_same_key_opens_once(self, ledger: RecordingLedger) -> None:
        """Whatever is composed the second time; the first answer comes again."""
        first = _opened(ledger.changes, "k1", "pos1")
        again = ledger.changes.open_change("k1", PREFIX, DAY + timedelta(days=3), opening("other"))
        assert (again.change, again.decision, again.new) == (first.change, first.decision, False)
        assert _opened(ledger.changes, "k2").change.number == "GMBG-20260301-002"

    def test_who_fails_to_compose_uses_up_no_number(self, ledger: RecordingLedger) -> None:
        """Also when only some of the events can be written."""
        book = ledger.changes

        def fails(_number: str) -> Decision:
            raise ConfigInvalid("no such host", where="pos9")

        def nonsense(number: str) -> Decision:
            good = opening("h")(number).events[0]
            bad = event(number, EventKind.NOTED, text=float("nan"))
            return Decision(events=(good, bad))

        def foreign(_number: str) -> Decision:
            return opening("h")("GMBG-20260301-077")

        refused(ConfigInvalid, lambda: book.open_change("k1", PREFIX, DAY, fails))
        refused(AdapterError, lambda: book.open_change("k1", PREFIX, DAY, nonsense))
        refused(LedgerConflict, lambda: book.open_change("k1", PREFIX, DAY, foreign))
        refused(
            LedgerConflict,
            lambda: book.open_change("k1", PREFIX, DAY, lambda _number: Decision(events=())),
        )
        assert ledger.verify().entries == 0
        assert _opened(book, "k1").change.number == "GMBG-20260301-001"
        assert ledger.verify().problems == ()

    def test_events_add_up(self, ledger: RecordingLedger, clock: ManualClock) -> None:
        """Each is one entry in order; the change is what they make of it."""
        book = ledger.changes
        number = _opened(book, "k1", "pos1").change.number
        later = clock.advance(timedelta(hours=1))
        book.amend(number, "k2", note("looked at it"))
        expires = "2026-03-08T08:00:00.000000Z"
        yes = happening(EventKind.APPROVED, at=later, roles=["lead"], expires=expires, comment="ok")
        approved = book.amend(number, "k3", yes).change
        assert [approval.person for approval in approved.approvals] == ["li"]
        both = happening(EventKind.AUTHORISED, EventKind.STARTED, at=later)
        started = book.amend(number, "k4", both)
        assert started.new
        assert (started.change.state, started.change.version) == (State.IN_PROGRESS, 5)
        assert started.change.started_at == later
        history = book.history(number)
        assert [(entry.kind, entry.step) for entry in history] == [
            ("change opened", "k1"),
            ("change noted", "k2"),
            ("change approved", "k3"),
            (f"change {EventKind.AUTHORISED.value}", "k4"),
            ("change started", "k4#2"),
        ]
        assert [entry.sequence for entry in history] == [1, 2, 3, 4, 5]
        assert history[1].at == later
        assert book.history(number, after=3) == history[3:]
        assert book.change(number) == started.change

    def test_the_same_key_amends_once(self, ledger: RecordingLedger) -> None:
        """The change as it is now, and what was decided then."""
        book = ledger.changes
        number = _opened(book, "k1").change.number
        first = book.amend(number, "k2", note("one"))
        now = book.amend(number, "k3", note("two")).change

        def never(_change: Change) -> Decision:
            raise AssertionError("decided twice")

        again = book.amend(number, "k2", never)
        assert (again.change, again.decision, again.new) == (now, first.decision, False)
        other = _opened(book, "k4").change.number
        assert book.amend(other, "k2", note("of another change")).new
        assert book.amend(number, "k1", never).new is False

    def test_a_refusal_is_recorded_and_told_again(self, ledger: RecordingLedger) -> None:
        """Who tried what stays known, and the answer does not change."""
        book = ledger.changes
        number = _opened(book, "k1").change.number
        said = {"tried": "approve", "reason": "it is your own", "hint": "ask somebody else"}

        def no(change: Change) -> Decision:
            told = event(change.number, EventKind.REFUSED, START, **said)
            return Decision(events=(told,), refusal=said["reason"], hint=said["hint"])

        first = book.amend(number, "k2", no)
        again = book.amend(number, "k2", no)
        assert (first.new, again.new) == (True, False)
        assert first.change.state is State.REQUESTED
        assert again.decision == first.decision == no(first.change)
        assert book.history(number)[-1].kind == "change refused"

    def test_nothing_decided_is_nothing_written(self, ledger: RecordingLedger) -> None:
        """And the key is free for the next time."""
        book = ledger.changes
        made = _opened(book, "k1")
        nothing = book.amend(made.change.number, "k2", lambda _change: Decision(events=()))
        assert (nothing.change, nothing.new) == (made.change, False)
        assert len(book.history(made.change.number)) == 1
        assert book.amend(made.change.number, "k2", note("now")).new

    def test_what_cannot_be_decided_changes_nothing(self, ledger: RecordingLedger) -> None:
        """No such change, a key that could be another's, a decision that raises."""
        book = ledger.changes
        number = _opened(book, "k1").change.number
        line = refused(ConfigInvalid, lambda: book.amend("GMBG-20260301-900", "k", note("x")))
        assert "GMBG-20260301-900" in line
        for key in ("", "k1#2"):
            refused(AdapterError, lambda key=key: book.amend(number, key, note("x")))  # type: ignore[misc]
            refused(AdapterError, lambda key=key: _opened(book, key))  # type: ignore[misc]

        def fails(_change: Change) -> Decision:
            raise ConfigInvalid("not so", where="here")

        refused(ConfigInvalid, lambda: book.amend(number, "k2", fails))
        assert len(book.history(number)) == 1
        assert ledger.verify().problems == ()

    def test_changes_are_found(self, ledger: RecordingLedger, clock: ManualClock) -> None:
        """Newest first, by state, by host, by the time of opening, and only so many."""
        book = ledger.changes
        one = _opened(book, "k1", "pos1", "pos2").change.number
        two = _opened(book, "k2", "pos2").change.number
        later = clock.advance(timedelta(days=1))
        tomorrow = later.date()
        three = book.open_change("k3", PREFIX, tomorrow, opening("srv1", at=later)).change.number
        book.amend(two, "k", happening(EventKind.CANCELLED, reason="not needed"))
        assert _numbers(book.changes()) == [three, two, one]
        assert _numbers(book.changes(states=[State.REQUESTED])) == [three, one]
        either = {State.REQUESTED, State.CANCELLED}
        assert _numbers(book.changes(states=either, limit=2)) == [three, two]
        assert _numbers(book.changes(host="pos2")) == [two, one]
        assert _numbers(book.changes(host="pos2", states=[State.CANCELLED])) == [two]
        assert _numbers(book.changes(since=later)) == [three]
        assert _numbers(book.changes(limit=1)) == [three]
        assert book.changes(host="nowhere") == ()

    def test_number_thousand_is_newer_than_number_999(self, ledger: RecordingLedger) -> None:
        """Though it does not sort so as text."""
        book = ledger.changes
        for count in range(1000):
            _opened(book, f"k{count}")
        newest = book.changes(limit=2)
        assert _numbers(newest) == ["GMBG-20260301-1000", "GMBG-20260301-999"]

    def test_reading_goes_on_while_others_write(self, ledger: RecordingLedger) -> None:
        """A reader in the middle of the journal neither waits for a writer nor stops one."""
        book = ledger.changes
        number = _opened(book, "k0").change.number
        for count in range(1, 600):
            ledger.append("note", {"n": count}, run="r", step=str(count))
        read = 0
        for entry in ledger.journal():
            read += 1
            if entry.sequence in (1, 400):
                book.amend(number, f"at {entry.sequence}", note("in between"))
        assert read >= 600
        assert len(book.history(number)) == 3

    def test_threads_get_distinct_numbers(self, ledger: RecordingLedger) -> None:
        """And the events of one change, asked for at once, are each decided on the last."""
        book = ledger.changes
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: _opened(book, f"k{n}").change.number, range(40)))
            number = made[0]
            list(pool.map(lambda n: book.amend(number, f"a{n}", note(str(n))), range(40)))
        assert sorted(made) == [f"GMBG-20260301-{n:03d}" for n in range(1, 41)]
        change = book.change(number)
        assert change is not None
        assert change.version == 41
        verified = ledger.verify()
        assert (verified.entries, verified.problems) == (80, ())

    def test_changes_cannot_be_made_behind_the_books_back(self, ledger: RecordingLedger) -> None:
        """An entry about a change without its change would look like tampering."""
        number = _opened(ledger.changes, "k1").change.number
        for kind in ("change noted", "channel subscribed", "records deleted"):
            refused(
                LedgerConflict,
                lambda kind=kind: ledger.append(kind, {"by": "x"}, run=number, step="s"),  # type: ignore[misc]
            )
        assert ledger.verify().entries == 1


def _opened(book: ChangeBook, key: str, *hosts: str) -> Amended:
    return book.open_change(key, PREFIX, DAY, opening(*(hosts or ("pos1",))))


def _numbers(changes: Iterable[Change] | Collection[Change]) -> list[str]:
    return [change.number for change in changes]
