# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger, a clock and an engine that stand still until a test moves them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from storewarden.domain.change.events import Decision, EventKind
from storewarden.domain.change.record import Change
from storewarden.domain.errors import LedgerConflict
from storewarden.domain.outbox.ticket import Voice
from storewarden.flows.mirror import Mirror, MirrorParts
from storewarden.testing.conformance_changes import DAY, PREFIX, happening, note, opening
from storewarden.testing.conformance_ledger import START
from storewarden.testing.engine import ManualEngine
from storewarden.testing.ledger import ManualClock, MemoryLedger
from storewarden.testing.tickets import MemoryTickets

CHANNEL = "ticket:memory"


@dataclass(slots=True)
class Documents:
    """Evidence by digest; what is not there is gone."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def put(self, content: bytes) -> str:
        """Not needed here."""
        raise NotImplementedError

    def get(self, digest: str) -> bytes:
        """As the real store does it."""
        if digest not in self.kept:
            raise LedgerConflict("is gone or altered", where=f"evidence {digest}")
        return self.kept[digest]


class Scene:
    """Changes that are mirrored into tickets in memory."""

    def __init__(self, tickets: MemoryTickets | None = None, language: str = "en") -> None:
        self.clock = ManualClock(START)
        self.ledger = MemoryLedger(self.clock)
        self.tickets = tickets or MemoryTickets()
        self.documents = Documents()
        self.engine = ManualEngine(self.clock)
        self.language = language
        self._keys = itertools.count(1)
        self.ledger.outbox.subscribe(CHANNEL)
        self.restart()

    def restart(
        self, tickets: MemoryTickets | None = None, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """A new controller over the same ledger: whatever was only in memory is gone."""
        parts = MirrorParts(
            system=tickets or self.tickets,
            outbox=self.ledger.outbox,
            book=self.ledger.changes,
            drift=self.ledger.drift_tickets,
            ledger=self.ledger,
            evidence=self.documents,
            clock=self.clock,
            voice=Voice(language=self.language),
            stopping=stopping,
        )
        self.engine = ManualEngine(self.clock)
        self.engine.start([Mirror(parts)])

    def open(self, *hosts: str) -> str:
        """A new change."""
        key = f"open {next(self._keys)}"
        compose = opening(*(hosts or ("pos01.000101",)))
        return self.ledger.changes.open_change(key, PREFIX, DAY, compose).change.number

    def say(self, number: str, text: str) -> None:
        """One more entry."""
        self.decide(number, note(text))

    def happens(self, number: str, *kinds: EventKind, **data: object) -> None:
        """Events of a change."""
        self.decide(number, happening(*kinds, **data))

    def decide(self, number: str, decide: Callable[[Change], Decision]) -> None:
        """Whatever it is."""
        self.ledger.changes.amend(number, f"key {next(self._keys)}", decide)

    def run(self, minutes: float = 0) -> None:
        """Let the controller work."""
        self.engine.wake("mirror:memory")
        self.engine.run_due()
        self.engine.pass_time(timedelta(minutes=minutes))

    def texts(self, number: str) -> list[str]:
        """All notes of a change's ticket."""
        (ticket,) = self.tickets.tickets(number)
        return [text for _key, text in self.tickets.kept[ticket].notes]

    def keys(self, number: str) -> list[int]:
        """The entries that arrived, in the order in which they came."""
        (ticket,) = self.tickets.tickets(number)
        notes = self.tickets.kept[ticket].notes
        return [int(key.removeprefix(f"{number}/").partition("-")[0]) for key, _text in notes]

    def expected(self, number: str) -> list[int]:
        """The entries that must arrive: all but the note of this very ticket."""
        return [
            entry.sequence
            for entry in self.ledger.changes.history(number)
            if entry.kind != "change ticket opened"
        ]
