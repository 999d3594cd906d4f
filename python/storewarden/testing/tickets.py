# SPDX-License-Identifier: GPL-3.0-or-later
"""A ticket system in memory that can fail in every way a real one can.

``MemoryTickets`` is adapter and server in one: for tests of flows, which want to know what
arrived. It keeps the same promises as the real adapters (``conformance_tickets``) and fails
on demand (``faults``), before a write, after it, or by only pretending.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from storewarden.domain.errors import AdapterError
from storewarden.ports.tickets import Attachment, Ticket, TicketDraft, TicketNote

_SERVER_ERROR = 500


@dataclass(slots=True, kw_only=True)
class KeptTicket:
    """What people would see. ``notes`` are key and text, in the order in which they came."""

    id: str
    run_id: str
    title: str
    body: str
    fields: dict[str, str] = field(default_factory=dict)
    open: bool = True
    resolution: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)
    files: list[tuple[str, Attachment]] = field(default_factory=list)


type _Fault = Callable[[int], str]
"""What happens to the nth write of a fault: "" (nothing), "fail", "lose" or "lie"."""


class MemoryFaults:
    """``conformance_tickets.Faults`` without a network."""

    def __init__(self) -> None:
        self.writes = 0
        self._since = 0
        self._fault: _Fault = _healthy
        self._answer: AdapterError | None = None

    def down(self) -> AbstractContextManager[None]:
        """Nobody listens."""
        error = AdapterError("cannot be reached", where="memory", retryable=True)
        return self._suffering(_healthy, error)

    def answering(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[None]:
        """Every call ends with this answer. A success that is none is an outage."""
        said = " ".join(body.decode("utf-8", "replace").split())[:200]
        pause = (headers or {}).get("Retry-After", "")
        error = AdapterError(
            f"answered {status}: {said.replace(MemoryTickets.secret, '***')}",
            where="memory",
            retryable=status in (200, 429) or status >= _SERVER_ERROR,
            retry_after=timedelta(seconds=int(pause)) if pause else None,
        )
        return self._suffering(_healthy, error)

    def losing_answers(self, nth: int = 0) -> AbstractContextManager[None]:
        """Writes are done and end with an error: all, or only the ``nth``."""
        return self._suffering(lambda n: "lose" if nth in (0, n) else "")

    def failing(self, nth: int) -> AbstractContextManager[None]:
        """The ``nth`` write is not done."""
        return self._suffering(lambda n: "fail" if n == nth else "")

    def lying(self) -> AbstractContextManager[None]:
        """Writes end well and are not done."""
        return self._suffering(lambda _n: "lie")

    @contextmanager
    def _suffering(self, fault: _Fault, answer: AdapterError | None = None) -> Iterator[None]:
        self._fault, self._answer, self._since = fault, answer, 0
        try:
            yield
        finally:
            self._fault, self._answer = _healthy, None

    def reached(self) -> None:
        """Raises what any call gets now."""
        if self._answer is not None:
            now = self._answer
            raise AdapterError(
                now.what, where=now.where, retryable=now.retryable, retry_after=now.retry_after
            )

    def write(self, action: Callable[[], object]) -> None:
        """Do it, or what the fault makes of it."""
        self.writes += 1
        self._since += 1
        outcome = self._fault(self._since)
        if outcome in ("", "lose"):
            action()
        if outcome in ("fail", "lose"):
            raise AdapterError("the answer did not come", where="memory", retryable=True)


class MemoryTickets:
    """A TicketSystem and its ``TicketServer``; ids are "1", "2" and so on."""

    name = "memory"
    secret = "memory-pa55word"

    def __init__(self, *, known: bool = True, store: MemoryTickets | None = None) -> None:
        self.kept: dict[str, KeptTicket] = store.kept if store else {}
        self.faults: MemoryFaults = store.faults if store else MemoryFaults()
        self._known = known
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        """How much it holds."""
        return f"<MemoryTickets {len(self.kept)}>"

    # As a TicketSystem

    def find(self, run_id: str) -> Ticket | None:
        """The oldest with that run id."""
        with self._asked():
            kept = next((one for one in self.kept.values() if one.run_id == run_id), None)
            return _shown(kept) if kept else None

    def open(self, draft: TicketDraft) -> Ticket:
        """Find it or create it."""
        with self._asked():
            found = self.find(draft.run_id)
            if found is None:
                self.faults.write(lambda: self._make(draft))
                found = self.find(draft.run_id)
            if found is None:
                raise _unconfirmed()
            return found

    def note(self, ticket: str, note: TicketNote) -> None:
        """Files one by one, then the text."""
        with self._asked():
            kept = self._ticket(ticket)
            if note.key in self.noted(ticket):
                return
            there = sum(key == note.key for key, _ in kept.files)
            for attachment in note.attachments[there:]:
                self.faults.write(lambda one=attachment: kept.files.append((note.key, one)))  # type: ignore[misc]
            self.faults.write(lambda: kept.notes.append((note.key, note.text)))
            files = sum(key == note.key for key, _ in kept.files)
            if note.key not in self.noted(ticket) or files != len(note.attachments):
                raise _unconfirmed()

    def noted(self, ticket: str) -> tuple[str, ...]:
        """In order."""
        with self._asked():
            return tuple(key for key, _ in self._ticket(ticket).notes)

    def close(self, ticket: str, resolution: str) -> Ticket:
        """Once."""
        with self._asked():
            kept = self._ticket(ticket)
            if kept.open:
                self.faults.write(lambda: _closed(kept, resolution))
            if kept.open:
                raise _unconfirmed()
            return _shown(kept)

    def check(self) -> None:
        """Whether it answers."""
        with self._asked():
            pass

    def shut(self) -> None:
        """Nothing to let go of."""

    # As a TicketServer

    def stranger(self) -> Self:
        """The same store, refused."""
        return type(self)(known=False, store=self)

    def plant(self, run_id: str, title: str) -> str:
        """By hand."""
        return self._make(TicketDraft(run_id=run_id, title=title, body="")).id

    def tickets(self, run_id: str) -> tuple[str, ...]:
        """All with that run id."""
        return tuple(one.id for one in self.kept.values() if one.run_id == run_id)

    def texts(self, ticket: str) -> tuple[str, ...]:
        """Body, notes, resolution."""
        kept = self.kept[ticket]
        return (kept.body, *(text for _, text in kept.notes), kept.resolution)

    def documents(self, ticket: str) -> tuple[tuple[str, bytes], ...]:
        """Everything attached."""
        return tuple((one.name, one.content) for _, one in self.kept[ticket].files)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        with self._lock:
            self.faults.reached()
            if not self._known:
                raise AdapterError("answered 401: no such user", where="memory")
            yield

    def _ticket(self, ticket: str) -> KeptTicket:
        if ticket not in self.kept:
            raise AdapterError(f"no ticket {ticket}", where="memory")
        return self.kept[ticket]

    def _make(self, draft: TicketDraft) -> KeptTicket:
        kept = KeptTicket(
            id=str(len(self.kept) + 1),
            run_id=draft.run_id,
            title=draft.title,
            body=draft.body,
            fields=dict(draft.fields),
        )
        self.kept[kept.id] = kept
        return kept


def _healthy(_nth: int) -> str:
    return ""


def _closed(kept: KeptTicket, resolution: str) -> None:
    kept.open, kept.resolution = False, resolution


def _shown(kept: KeptTicket) -> Ticket:
    return Ticket(
        id=kept.id,
        run_id=kept.run_id,
        title=kept.title,
        open=kept.open,
        url=f"http://memory.invalid/{kept.id}",
    )


def _unconfirmed() -> AdapterError:
    return AdapterError("not recorded", where="memory", retryable=True)
