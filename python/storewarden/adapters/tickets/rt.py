# SPDX-License-Identifier: GPL-3.0-or-later
"""Request Tracker 5 over REST 2.

Its lies: a PUT with a status or a custom field value that is not allowed answers 200 and
says so only in words; one with a field that does not exist answers 200 with an empty list.
So every write is read back. A search by a custom field that does not exist finds nothing,
so the queue is asked for its fields before the first ticket is made. Updates carry
``If-Match``, and 412 means that somebody else was faster. A comment and its files are one
request; the comment's key stands in its subject, so that all notes of a ticket are known
by one list of heads.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, Field

from storewarden.adapters.settings import Named, SecretRef, wrong
from storewarden.adapters.tickets.credentials import by_header
from storewarden.adapters.tickets.documents import Room, composed, octets, one_line, paper
from storewarden.adapters.tickets.fields import (
    Compared,
    PerField,
    check_made,
    mapped,
    part,
    plain,
    refuse_odd,
)
from storewarden.adapters.tickets.marks import Mark, normal, noted_keys, same_text
from storewarden.adapters.tickets.settings import RestSettings, Statuses
from storewarden.adapters.tickets.transport import Call, Reply, Transport
from storewarden.domain.errors import AdapterError
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import Attachment, Ticket, TicketDraft, TicketNote

_TITLE = 200  # Tickets.Subject
_PAGE = 100
_API = "REST/2.0"


def _quotable(name: str) -> str:
    if not name or set(name) & set("'\"\\{}"):
        raise wrong("holds a quote, brace or backslash")
    return name


class Settings(RestSettings):
    """``run_id_field`` and the values of ``fields`` are names of custom fields of the queue;
    ``closed`` are the statuses that count as closed, the first is the one we set."""

    token: SecretRef
    queue: Annotated[str, AfterValidator(_quotable)]
    run_id_field: Annotated[str, AfterValidator(_quotable)] = "RunID"
    closed: Statuses = ("resolved", "rejected", "deleted")
    fields: PerField[str] = Field(default_factory=dict)
    values: PerField[Named[str]] = Field(default_factory=dict)
    text_limit: int = 1_000_000  # octets; above RT's MaxAttachmentSize texts are cut or dropped


def connect(settings: Settings, secrets: Secrets) -> RtTickets:
    """The system; nothing is asked yet."""
    access = by_header(secrets, settings.token, prefix="token ")
    return RtTickets(settings, Transport("rt", settings, access))


class RtTickets:
    """The adapter."""

    name = "rt"

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport
        self._checked = False

    def __repr__(self) -> str:
        """Which server."""
        return f"<RtTickets {self._transport.base}>"

    def find(self, run_id: str) -> Ticket | None:
        """Several: the one with the lowest number."""
        if not plain(run_id):
            return None
        for number in sorted(self._searched(run_id), key=int):
            ticket = self._read(number)
            read = self._ticket(ticket)
            if read.run_id == run_id:
                return read
            if read.run_id.casefold() != run_id.casefold():
                raise AdapterError(
                    f"the search by {self._settings.run_id_field} finds other tickets",
                    where=self.name,
                    hint="in RT, does the queue have that custom field, and may we see it?",
                )
        return None

    def open(self, draft: TicketDraft) -> Ticket:
        """One request makes the ticket with its custom fields."""
        refuse_odd(self.name, draft.run_id)
        return self.find(draft.run_id) or self._created(draft)

    def note(self, ticket: str, note: TicketNote) -> None:
        """One request writes the comment with its files."""
        self._read(ticket)
        before = self._messages(ticket)
        if note.key not in noted_keys(_subjects(before)):
            self._comment(ticket, Mark(note.key).line, note, before)

    def noted(self, ticket: str) -> tuple[str, ...]:
        """By the subjects of the ticket's comments."""
        self._read(ticket)
        return noted_keys(_subjects(self._messages(ticket)))

    def close(self, ticket: str, resolution: str) -> Ticket:
        """The resolution as a comment, unless an earlier attempt left it there; the status."""
        if not (seen := self._ticket(self._read(ticket))).open:
            return seen
        before = self._messages(ticket)
        digest = sha256(normal(resolution).encode()).hexdigest()[:12]
        subject = f"[storewarden: closed {digest}]"
        if subject not in _subjects(before):
            self._comment(ticket, subject, TicketNote(key="", text=resolution), before)
        etag = self._reply(ticket).etag
        reply = self._transport.send(
            Call(
                method="PUT",
                path=self._path(ticket),
                json={"Status": self._settings.closed[0]},
                headers={"If-Match": etag} if etag else {},
                accept={412},
            )
        )
        seen = self._ticket(self._read(ticket))
        if seen.open:
            raise self._refused_status(ticket, reply)
        return seen

    def check(self) -> None:
        """The token, the queue and its custom fields."""
        self._checked = False
        self._check_fields()
        self._searched("storewarden-check")

    def shut(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    # Reading

    def _check_fields(self) -> None:
        """Once: that the queue has the fields, and we may see them."""
        if self._checked:
            return
        reply = self._transport.get(f"{_API}/queue/{quote(self._settings.queue, safe='')}")
        there = {str(each.get("name")) for each in part(reply, "TicketCustomFields")}
        for wanted in (self._settings.run_id_field, *self._settings.fields.values()):
            if wanted not in there:
                raise AdapterError(
                    f"queue {self._settings.queue} has no custom field {wanted} that we may see",
                    where=self.name,
                    hint="apply it to the queue and grant SeeCustomField and ModifyCustomField",
                )
        self._checked = True

    def _searched(self, run_id: str) -> list[str]:
        query = (
            f"Queue = '{self._settings.queue}' AND "
            f"'CF.{{{self._settings.run_id_field}}}' = '{run_id}'"
        )
        reply = self._transport.get(
            f"{_API}/tickets",
            {"query": query, "orderby": "id", "order": "ASC", "per_page": str(_PAGE)},
        )
        return [str(each["id"]) for each in part(reply, "items")]

    def _path(self, ticket: str) -> str:
        return f"{_API}/ticket/{quote(ticket, safe='')}"

    def _reply(self, ticket: str) -> Reply:
        return self._transport.get(self._path(ticket))

    def _read(self, ticket: str) -> Any:
        reply = self._reply(ticket)
        part(reply, "Subject")
        return reply.json()

    def _listed(self, path: str, fields: str) -> Iterable[Any]:
        """All items of a collection, page by page."""
        page = 1
        while True:
            reply = self._transport.get(
                path, {"fields": fields, "per_page": str(_PAGE), "page": str(page)}
            )
            items = part(reply, "items")
            yield from items
            # RT does not tell the number of pages to those who may not see everything.
            pages = reply.json().get("pages")
            if not items or (pages is not None and page >= int(pages)):
                return
            page += 1

    def _messages(self, ticket: str) -> list[Any]:
        """The heads of everything written or attached, oldest first."""
        path = f"{self._path(ticket)}/attachments"
        found = self._listed(path, "Subject,Filename,ContentType")
        return sorted(found, key=lambda each: int(each["id"]))

    def _content(self, attachment: Any) -> bytes:
        reply = self._transport.get(f"{_API}/attachment/{attachment['id']}")
        answer = reply.json()
        try:
            return base64.b64decode(str(answer.get("Content") or ""))
        except (binascii.Error, ValueError):
            return b""

    def _words(self, message: Any) -> str:
        return self._content(message).decode("utf-8", "replace")

    # Writing

    def _created(self, draft: TicketDraft) -> Ticket:
        self._check_fields()
        room = Room(limit=self._settings.text_limit, name="description", size=octets)
        body, documents = composed("", draft.body, (), room)
        title = one_line(draft.title, _TITLE)
        custom = {self._settings.run_id_field: draft.run_id}
        custom |= dict(mapped(draft, self._settings.fields, self._settings.values))
        reply = self._transport.send(
            _write(
                f"{_API}/ticket",
                {
                    "Queue": self._settings.queue, "Subject": title, "Content": body,
                    "ContentType": "text/plain", "CustomFields": custom,
                },
                documents,
            )
        )  # fmt: skip
        answer = reply.json()
        number = str(answer.get("id") or "") if isinstance(answer, dict) else ""
        if not number:
            raise self._transport.unconfirmed("the new ticket has no number", reply.where)
        self._check_made(reply.where, number, title, body, custom)
        return self.find(draft.run_id) or self._ticket(self._read(number))

    def _check_made(
        self, where: str, number: str, title: str, body: str, custom: Mapping[str, str]
    ) -> None:
        again = self._transport.send(Call(method="GET", path=self._path(number), accept={404}))
        if again.status == 404:
            raise self._transport.unconfirmed(f"ticket {number} is not there", where)
        there = _custom(again.json())
        words = [self._words(message) for message in self._messages(number) if _is_text(message)]
        pairs = [
            Compared("title", title, str(part(again, "Subject") or "")),
            Compared("description", body, words[0] if words else ""),
            *(Compared(name, value, there.get(name, "")) for name, value in custom.items()),
        ]
        check_made(where, number, pairs, self._transport.clean)

    def _comment(self, ticket: str, subject: str, note: TicketNote, before: Iterable[Any]) -> None:
        room = Room(limit=self._settings.text_limit, name="note", size=octets)
        words, documents = composed("", note.text, note.attachments, room)
        self._transport.send(
            _write(
                f"{self._path(ticket)}/comment",
                {"Subject": subject, "Content": words, "ContentType": "text/plain"},
                documents,
            )
        )
        known = {str(each["id"]) for each in before}
        new = [each for each in self._messages(ticket) if str(each["id"]) not in known]
        if not any(same_text(words, self._words(each)) for each in new if _is_text(each)):
            raise self._transport.unconfirmed(f"ticket {ticket} does not show the note")
        there = [(each["Filename"], self._content(each)) for each in new if each.get("Filename")]
        for document in documents:
            if (paper(document)[0], document.content) not in there:
                raise self._transport.unconfirmed(
                    f"ticket {ticket} does not show the document {document.name} as it was sent"
                )

    def _refused_status(self, ticket: str, reply: Reply) -> AdapterError:
        """412: somebody else wrote at the same moment. Else RT said why, with 200."""
        if reply.status == 412:
            return self._transport.unconfirmed(
                f"somebody else changed ticket {ticket} at the same moment", reply.where
            )
        return self._transport.unconfirmed(
            f"ticket {ticket} is not closed; RT says: {self._transport.said(reply)}", reply.where
        )

    def _ticket(self, ticket: Any) -> Ticket:
        number = str(ticket["id"])
        return Ticket(
            id=number,
            run_id=_custom(ticket).get(self._settings.run_id_field, ""),
            title=str(ticket.get("Subject") or ""),
            open=str(ticket.get("Status")) not in self._settings.closed,
            url=f"{self._transport.base}/Ticket/Display.html?id={number}",
        )


def _custom(ticket: Any) -> dict[str, str]:
    """Custom field name -> value; several values are joined."""
    return {
        str(each.get("name")): ", ".join(str(value) for value in each.get("values", ()))
        for each in ticket.get("CustomFields") or ()
    }


def _subjects(messages: Iterable[Any]) -> tuple[str, ...]:
    return tuple(str(message.get("Subject") or "") for message in messages)


def _is_text(message: Any) -> bool:
    """What was written, not what was attached or holds both together."""
    return message.get("ContentType") == "text/plain" and not message.get("Filename")


def _write(path: str, values: Mapping[str, object], documents: tuple[Attachment, ...]) -> Call:
    """A POST as JSON; with documents as a form that holds the JSON, because RT 5.0 fails (500)
    on names of documents inside JSON that are not plain ASCII."""
    if not documents:
        return Call(method="POST", path=path, json=values)
    uploads = tuple((paper(d)[0], d.content, d.media_type) for d in documents)
    return Call(
        method="POST",
        path=path,
        form={"JSON": json.dumps(values)},
        files=[("Attachments", upload) for upload in uploads],
    )
