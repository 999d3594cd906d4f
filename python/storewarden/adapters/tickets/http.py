# SPDX-License-Identifier: GPL-3.0-or-later
"""Any ticket system with a REST interface, described by the site's own templates.

Nothing is taken on trust, because nothing is known about the other side: a created ticket is
read by its id and must carry our run id; a note must be among the notes; a file among the
files. Filters that are ignored do no harm: every record is compared here.

A text above ``note_limit`` goes into several notes. A note names its files with their digests,
and that is how an upload whose answer was lost is recognised: a file that no note speaks of
was left by the attempt before. Without ``attach`` the note says what stays in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from storewarden.adapters.tickets.http_files import TicketFiles, file_line
from storewarden.adapters.tickets.http_line import Gatekeeper, Line
from storewarden.adapters.tickets.http_settings import Compiled, Settings
from storewarden.adapters.tickets.marks import cut, mark_of, marked, normal, noted_keys, same_text
from storewarden.adapters.tickets.templates import NAME, plain
from storewarden.domain.errors import AdapterError
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import Attachment, Ticket, TicketDraft, TicketNote

_FIELDS = {"kind": "", "risk": "", "requester": "", "hosts": ""}
_OPENING, _CLOSING = "storewarden:opening", "storewarden:closing"
_OURS = (_OPENING, _CLOSING)

__all__ = ["HttpTickets", "Settings", "connect"]


def connect(settings: Settings, secrets: Secrets) -> HttpTickets:
    """The adapter; nothing is asked of the other side yet."""
    compiled = Compiled(settings)
    gatekeeper = Gatekeeper(compiled, secrets)
    try:
        gatekeeper.check()
    except AdapterError as error:
        if not error.retryable:  # a vault that is away is asked again at the first request
            raise
    return HttpTickets(compiled, Line(compiled, gatekeeper))


class HttpTickets:
    """A TicketSystem."""

    name = NAME

    def __init__(self, compiled: Compiled, line: Line) -> None:
        self._compiled = compiled
        self._line = line
        self._files = TicketFiles(compiled, line, compiled.files) if compiled.files else None

    def __repr__(self) -> str:
        """Where it leads."""
        return f"<HttpTickets {self._line.transport.base}>"

    def find(self, run_id: str) -> Ticket | None:
        """Of the records with exactly that run id the one with the lowest number, or the first."""
        query = self._compiled.query("find.list")
        records = self._line.records(self._compiled.find, query, {"run_id": run_id})
        found = [ticket for ticket in map(self._ticket, records) if ticket.run_id == run_id]
        if all(ticket.id.isdecimal() for ticket in found):
            found.sort(key=lambda ticket: int(ticket.id))
        return found[0] if found else None

    def open(self, draft: TicketDraft) -> Ticket:
        """Find or create; what does not fit into the body follows as notes."""
        first, *rest = cut(normal(draft.body), self._compiled.settings.note_limit)
        ticket = self.find(draft.run_id) or self._created(draft, first)
        if rest:
            self._write(ticket.id, _OPENING, "".join(rest))
        return ticket

    def note(self, ticket: str, note: TicketNote) -> None:
        """Files first; the note's last part makes it complete."""
        texts = self._texts(ticket)
        if note.key in noted_keys(texts):
            return
        if self._files is not None:
            self._files.bring(ticket, note, texts)
        lines = [note.text, *(self._told(attachment) for attachment in note.attachments)]
        self._write(ticket, note.key, "\n".join(lines))

    def noted(self, ticket: str) -> tuple[str, ...]:
        """The keys of the notes that are complete."""
        return tuple(key for key in noted_keys(self._texts(ticket)) if key not in _OURS)

    def close(self, ticket: str, resolution: str) -> Ticket:
        """Close it if it is open; a long resolution stands whole in a note."""
        seen = self._read(ticket)
        if seen.open:
            first, *rest = cut(normal(resolution), self._compiled.settings.note_limit)
            if rest:
                self._write(ticket, _CLOSING, resolution)
            values = {"id": ticket, "run_id": seen.run_id, "resolution": first}
            self._line.tell(self._compiled.close, values)
            seen = self._read(ticket)
        if seen.open:
            raise self._line.transport.unconfirmed(f"ticket {ticket} is still open")
        return seen

    def check(self) -> None:
        """That a search for something that cannot be there answers with a list."""
        if self.find("storewarden-check") is not None:
            raise AdapterError(
                "finds a ticket with the run id storewarden-check, which nobody made", where=NAME
            )

    def shut(self) -> None:
        """Close the connections."""
        self._line.transport.close()

    # Tickets

    def _created(self, draft: TicketDraft, body: str) -> Ticket:
        values = {
            "run_id": draft.run_id,
            "title": " ".join(draft.title.split()),
            "body": body,
            "fields": {**_FIELDS, **draft.fields},
        }
        answer = self._line.tell(self._compiled.create, values)
        number = self._compiled.query("create.id").text(answer)
        if not number:
            raise self._line.transport.unconfirmed("the answer names no new ticket", NAME)
        try:
            record = self._record(number)
        except AdapterError as error:
            if error.retryable:
                raise
            raise self._line.transport.unconfirmed(f"ticket {number} is not there") from None
        ticket = self._ticket(record)
        self._compare(ticket, values)
        self._compare_body(ticket, record, body)
        return ticket

    def _compare(self, ticket: Ticket, sent: Mapping[str, object]) -> None:
        """The run id must be ours; a title may have been cut, or got something in front."""
        if ticket.run_id != sent["run_id"]:
            raise self._line.transport.unconfirmed(f"ticket {ticket.id} lacks the run id")
        title = str(sent["title"])
        if not ticket.title or not (title in ticket.title or title.startswith(ticket.title)):
            raise self._line.transport.unconfirmed(f"ticket {ticket.id} has another title")

    def _compare_body(self, ticket: Ticket, record: object, sent: str) -> None:
        fields = self._compiled.settings.ticket
        seen = self._compiled.query("ticket.body").text(record)
        if fields.body and not same_text(sent, plain(seen) if fields.html else seen):
            raise self._line.transport.unconfirmed(f"ticket {ticket.id} has another text")

    def _read(self, ticket: str) -> Ticket:
        return self._ticket(self._record(ticket))

    def _record(self, ticket: str) -> object:
        answer = self._line.ask(self._compiled.read, {"id": ticket})
        record: object = self._compiled.query("read.record").of(answer)
        if not record:
            raise AdapterError(f"no ticket {ticket}", where=NAME)
        return record

    def _ticket(self, record: object) -> Ticket:
        query = self._compiled.query
        is_open = query("ticket.open").of(record)
        if not isinstance(is_open, bool):
            raise AdapterError("is neither true nor false", where=query("ticket.open").key)
        number, run_id = (query(f"ticket.{name}").text(record) for name in ("id", "run_id"))
        return Ticket(
            id=number,
            run_id=run_id,
            title=query("ticket.title").text(record),
            open=is_open,
            url=self._page(number, run_id),
        )

    def _page(self, number: str, run_id: str) -> str:
        """Where people look; a path without a host is on the system's own."""
        page = self._compiled.url.fill({"id": number, "run_id": run_id})
        return page if urlsplit(page).scheme else f"{self._line.transport.base}/{page.lstrip('/')}"

    # Notes

    def _texts(self, ticket: str) -> list[str]:
        listing = self._compiled.settings.notes
        query, text = self._compiled.query("notes.list"), self._compiled.query("notes.text")
        records = self._line.records(self._compiled.notes, query, {"id": ticket})
        texts = [text.text(record) for record in records]
        if listing.newest_first:
            texts.reverse()
        return [plain(one) for one in texts] if listing.html else texts

    def _write(self, ticket: str, key: str, text: str) -> None:
        """All parts that are not there yet, then look whether all are."""
        parts = marked(key, text, self._compiled.settings.note_limit)
        there = {mark_of(seen) for seen in self._texts(ticket)}
        for part in parts:
            if mark_of(part) not in there:
                self._line.tell(self._compiled.note, {"id": ticket, "key": key, "text": part})
        seen = self._texts(ticket)
        for part in parts:
            same = (one for one in seen if mark_of(one) == mark_of(part))
            if not any(same_text(part, one) for one in same):
                raise self._line.transport.unconfirmed(f"ticket {ticket} does not show note {key}")

    def _told(self, attachment: Attachment) -> str:
        line = file_line(attachment)
        return line if self._files is not None else f"{line} kept in the ledger"
