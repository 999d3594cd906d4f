# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the journal's head is laid down, and when."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ledger.anchor_file import JsonAnchorFile
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.anchor import RUN_ID, Anchoring, AnchorParts
from storewarden.ports.tickets import Ticket, TicketDraft
from storewarden.testing.engine import ManualEngine
from storewarden.testing.tickets import MemoryTickets
from tests.flows.duty_scene import Scene


class Harbour(Scene):
    """A scene with an anchor file and a standing ticket."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        folder.mkdir(exist_ok=True)
        self.file = JsonAnchorFile(folder / "anchors")
        self.begin()

    def begin(self) -> None:
        """A new controller that only anchors, every 10 entries or 24 hours."""
        parts = AnchorParts(
            ledger=self.ledger,
            file=self.file,
            clock=self.clock,
            systems=(self.tickets,),
            entries=10,
            hours=24,
        )
        self.engine = ManualEngine(self.clock)
        self.engine.start([Anchoring(parts)])

    def write(self, entries: int) -> None:
        """So many journal entries."""
        for n in range(entries):
            head = self.ledger.head().sequence
            self.ledger.append("test", {"n": n}, run=f"after {head}", step="one")

    def laid(self) -> list[int]:
        """The entries anchored in the file."""
        return [anchor.sequence for anchor in self.file.read()]

    def in_ticket(self) -> list[str]:
        """What stands in the standing ticket."""
        (ticket,) = self.tickets.tickets(RUN_ID)
        return [text for _key, text in self.tickets.kept[ticket].notes]


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    """A ledger with some entries and nothing anchored."""
    made = Harbour(tmp_path)
    made.write(3)
    return made


def test_the_first_anchor_is_laid_at_once_everywhere(harbour: Harbour) -> None:
    head = harbour.ledger.head()
    harbour.engine.run_due()
    assert harbour.laid() == [head.sequence]
    (note,) = harbour.in_ticket()
    assert f"{head.sequence} {head.hash}" in note
    assert [anchor.where for anchor in harbour.ledger.anchors()] == ["file", "ticket:memory 1"]


def test_after_so_many_entries_there_is_another(harbour: Harbour) -> None:
    harbour.engine.run_due()
    harbour.write(9)
    harbour.engine.pass_time(timedelta(hours=1))
    assert len(harbour.laid()) == 1
    harbour.write(1)
    harbour.engine.pass_time(timedelta(hours=1))
    assert len(harbour.laid()) == 2
    assert len(harbour.in_ticket()) == 2


def test_a_quiet_ledger_is_anchored_once(harbour: Harbour) -> None:
    """The notes of anchors are no reason for the next anchor."""
    harbour.engine.pass_time(timedelta(days=10))
    assert len(harbour.laid()) == 1


def test_anything_at_all_is_anchored_after_a_day(harbour: Harbour) -> None:
    harbour.engine.run_due()
    harbour.write(1)
    harbour.engine.pass_time(timedelta(hours=23))
    assert len(harbour.laid()) == 1
    harbour.engine.pass_time(timedelta(hours=2))
    assert len(harbour.laid()) == 2


def test_a_ticket_system_that_is_away_delays_only_its_own(harbour: Harbour) -> None:
    with harbour.tickets.faults.down():
        harbour.engine.run_due()
        harbour.write(10)
        harbour.engine.pass_time(timedelta(hours=1))
        assert len(harbour.laid()) == 2
        assert harbour.engine.status()["anchor"]["failures"] == 0
    harbour.engine.pass_time(timedelta(hours=1))
    (note,) = harbour.in_ticket()
    assert note.startswith(f"{harbour.laid()[-1]} ")


def test_a_restarted_controller_lays_nothing_twice(harbour: Harbour) -> None:
    for _ in range(3):
        harbour.begin()
        harbour.engine.run_due()
    assert len(harbour.laid()) == 1
    assert len(harbour.in_ticket()) == 1


def test_a_clock_that_was_put_back_does_not_keep_anchors_away(harbour: Harbour) -> None:
    """The last one carries a time in the future; what is new is anchored all the same."""
    harbour.clock.advance(timedelta(days=365))
    harbour.engine.run_due()
    harbour.clock.advance(timedelta(days=-365))
    harbour.begin()
    harbour.write(1)
    harbour.engine.pass_time(timedelta(hours=1))
    assert len(harbour.laid()) == 2


def test_a_secret_that_is_gone_delays_only_the_ticket(harbour: Harbour) -> None:
    harbour.tickets = _Speechless()
    harbour.begin()
    harbour.engine.run_due()
    assert len(harbour.laid()) == 1
    assert harbour.engine.status()["anchor"]["failures"] == 0


def test_an_anchor_after_a_restore_is_not_taken_for_the_one_given_up(tmp_path: Path) -> None:
    """The standing ticket has a note of an entry with the same number and another hash."""
    first, second = Harbour(tmp_path / "1"), Harbour(tmp_path / "2")
    first.write(3)
    second.clock.advance(timedelta(hours=1))
    second.write(3)
    first.engine.run_due()
    second.tickets = first.tickets
    second.begin()
    second.engine.run_due()
    assert len(first.in_ticket()) == 2
    assert any(second.file.read()[0].hash in note for note in first.in_ticket())


class _Speechless(MemoryTickets):
    """Its token was in a file that is gone."""

    def open(self, draft: TicketDraft) -> Ticket:
        raise ConfigInvalid("no such file", where="file:/etc/token")
