# SPDX-License-Identifier: GPL-3.0-or-later
"""Systems in which a ticket, each text and each document are requests of their own.

The line may be cut between any two of them. So there is one order that can be taken up again:
the ticket before the document of its description, documents before the note that speaks of
them; everything is looked for before it is written, and looked for again afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from storewarden.adapters.tickets.documents import Paper, Room, composed, left_to_send, paper
from storewarden.adapters.tickets.fields import refuse_odd
from storewarden.adapters.tickets.marks import Mark, mark_of, noted_keys, same_text
from storewarden.adapters.tickets.transport import Transport
from storewarden.domain.errors import AdapterError
from storewarden.ports.tickets import Attachment, Ticket, TicketDraft, TicketNote


class ApartTickets(ABC):
    """A TicketSystem but for its requests. ``thing`` and ``saying`` are what the system calls
    a ticket and a note."""

    name: str
    thing: str
    saying: str

    def __init__(self, transport: Transport, text_limit: int) -> None:
        self._transport = transport
        self._text_limit = text_limit

    def __repr__(self) -> str:
        """Which server."""
        return f"<{type(self).__name__} {self._transport.base}>"

    def open(self, draft: TicketDraft) -> Ticket:
        """The ticket, and after it the document of a description that was too long."""
        refuse_odd(self.name, draft.run_id)
        body, documents = composed("", draft.body, (), self._room("description"))
        ticket = self.find(draft.run_id) or self._created(draft, body)
        self._complete(ticket.id, documents)
        return ticket

    def note(self, ticket: str, note: TicketNote) -> None:
        """Documents first, the note that speaks of them last."""
        texts = self._texts(ticket)
        if note.key in noted_keys(texts):
            return
        text, documents = composed(
            Mark(note.key).line, note.text, note.attachments, self._room("note")
        )
        ours = [each for each in texts if mark_of(each)]
        self._attach(ticket, left_to_send(documents, self._papers(ticket, documents), ours))
        self._say(ticket, text)

    def noted(self, ticket: str) -> tuple[str, ...]:
        """By the marks of the ticket's notes."""
        return noted_keys(self._texts(ticket))

    def shut(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    @abstractmethod
    def find(self, run_id: str) -> Ticket | None:
        """As the port says."""

    @abstractmethod
    def _created(self, draft: TicketDraft, body: str) -> Ticket:
        """A new ticket, compared with what was sent."""

    @abstractmethod
    def _texts(self, ticket: str) -> list[str]:
        """All notes, oldest first."""

    @abstractmethod
    def _papers(self, ticket: str, wanted: tuple[Attachment, ...]) -> list[Paper]:
        """The ticket's documents that have the name and size of a wanted one."""

    @abstractmethod
    def _write(self, ticket: str, text: str) -> None:
        """One request that writes a note."""

    @abstractmethod
    def _upload(self, ticket: str, document: Attachment) -> None:
        """One request that brings a document."""

    @abstractmethod
    def _shown(self, ticket: Ticket) -> str:
        """How people are pointed to a ticket."""

    def _room(self, name: str) -> Room:
        return Room(limit=self._text_limit, name=name)

    def _say(self, ticket: str, text: str) -> None:
        self._write(ticket, text)
        if not any(same_text(text, each) for each in self._texts(ticket)):
            raise self._unseen(ticket, self.saying)

    def _complete(self, ticket: str, documents: tuple[Attachment, ...]) -> None:
        """Bring the documents that are not there yet."""
        there = self._papers(ticket, documents)
        self._attach(ticket, (each for each in documents if paper(each) not in there))

    def _attach(self, ticket: str, documents: Iterable[Attachment]) -> None:
        for document in documents:
            before = self._papers(ticket, (document,)).count(paper(document))
            self._upload(ticket, document)
            if self._papers(ticket, (document,)).count(paper(document)) <= before:
                raise self._unseen(ticket, f"document {document.name}")

    def _unseen(self, ticket: str, what: str) -> AdapterError:
        return self._transport.unconfirmed(f"{self.thing} {ticket} does not show the {what}")

    def _oldest(self, run_id: str, made: Ticket) -> Ticket:
        """Somebody may have made one at the same moment; then ours says where to look."""
        first = self.find(run_id) or made
        if first.id != made.id:
            words = f"A double of {self._shown(first)}; nothing more will be written here."
            self.note(made.id, TicketNote(key=f"{run_id}/double", text=words))
        return first
