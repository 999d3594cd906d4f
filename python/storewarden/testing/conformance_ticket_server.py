# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contract of ticket systems is tested with: texts, documents, and the server's side."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from storewarden.domain.errors import AdapterError
from storewarden.ports.tickets import Attachment, TicketDraft, TicketNote, TicketSystem

CHINESE = "门店 0001 收银机补丁：已批准。𠮷野家，“引号”、全角（括号）😀"
AWKWARD = (
    "<script>alert('x')</script> &amp; &lt;b&gt; \"quoted\" \\n {{ 7 * 7 }} ${HOME} %s %(x)s\n"
    "    four spaces in front\n"
    "#1 r1 msg1 issue1\n"
    "-- \n"
    "> quoted\n"
    "the end"
)
LARGE = "\n".join(f"line {n:05d} 已检查 {'x' * 30}" for n in range(2000))  # over 100 KB
REPORT = Attachment(
    name="audit-report.html",
    media_type="text/html",
    content="<!doctype html>\r\n<meta charset=utf-8>\r\n\r\n<p>得分 97 %</p>\n\n".encode(),
)
BINARY = Attachment(
    name="证据.bin", media_type="application/octet-stream", content=bytes(range(256)) * 40
)


class Faults(Protocol):
    """What can be done to the line between the adapter and its server."""

    def down(self) -> AbstractContextManager[None]:
        """Nobody listens."""
        ...

    def answering(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[None]:
        """Every request gets this answer and never reaches the server."""
        ...

    def losing_answers(self, nth: int = 0) -> AbstractContextManager[None]:
        """Writes reach the server, their answers do not come back; ``nth``: only that write."""
        ...

    def failing(self, nth: int) -> AbstractContextManager[None]:
        """The ``nth`` write (from 1) gets a 503 and does not reach the server."""
        ...

    def lying(self) -> AbstractContextManager[None]:
        """Every write is answered with success and changes nothing."""
        ...

    @property
    def writes(self) -> int:
        """How many writes were asked for so far."""
        ...


class TicketServer(Protocol):
    """The server, seen without the adapter. Ids are the ones of ``Ticket.id``."""

    secret: str
    """The adapter's password or token, as text."""
    faults: Faults

    def stranger(self) -> TicketSystem:
        """An adapter with credentials that the server does not know."""
        ...

    def plant(self, run_id: str, title: str) -> str:
        """Make an open ticket with that run id by hand; its id."""
        ...

    def tickets(self, run_id: str) -> tuple[str, ...]:
        """The ids of all tickets with exactly that run id."""
        ...

    def texts(self, ticket: str) -> tuple[str, ...]:
        """What people read in it, oldest first: its description, then every note."""
        ...

    def documents(self, ticket: str) -> tuple[tuple[str, bytes], ...]:
        """Name and bytes of everything attached, in any order."""
        ...


def a_run() -> str:
    """A run id that no other test uses, in the shape of a change number."""
    number = uuid.uuid4().int
    return f"T{number % 10**8:08d}-20260601-{number // 10**8 % 10**6:06d}"


def draft(run_id: str, **other: str) -> TicketDraft:
    """A small ticket."""
    return TicketDraft(
        run_id=run_id,
        title=other.get("title", f"Patch the tills ({run_id})"),
        body=other.get("body", "Three hosts, tonight."),
        fields={"kind": "standard", "risk": "low", "requester": "li.na", "hosts": "pos-0001"},
    )


def failure(call: Callable[[], object]) -> AdapterError:
    """The error with which ``call`` fails, checked to be one short line."""
    try:
        call()
    except AdapterError as error:
        assert str(error)
        assert "\n" not in str(error)
        assert len(str(error)) <= 600
        return error
    raise AssertionError("expected AdapterError")


class Records(logging.Handler):
    """Every record, as any handler would show it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.args!r}")


def calls_of(system: TicketSystem, run_id: str, ticket: str) -> tuple[Callable[[], object], ...]:
    note = TicketNote(key=f"{run_id}/77", text="a note")
    return (
        lambda: system.find(run_id),
        lambda: system.open(draft(run_id)),
        lambda: system.note(ticket, note),
        lambda: system.noted(ticket),
        lambda: system.close(ticket, "done"),
    )


def until_done(
    call: Callable[[], object], fault: Callable[[int], AbstractContextManager[None]]
) -> None:
    """Disturb the first write of each attempt, then the second, and so on; then let it be."""
    for nth in range(1, 20):
        try:
            with fault(nth):
                call()
        except AdapterError as error:
            assert error.retryable, error
    call()


def all_text(server: TicketServer, ticket: str) -> str:
    documents = [content.decode("utf-8", "replace") for _, content in server.documents(ticket)]
    return "\n".join([*server.texts(ticket), *documents])


def numbered_lines(text: str) -> int:
    """How many of the numbered lines of ``LARGE`` are in the text; they must be in order."""
    expected = LARGE.split("\n")
    found = [line.strip() for line in text.splitlines() if line.strip() in set(expected)]
    assert found == expected * (len(found) // len(expected))
    return len(found)
