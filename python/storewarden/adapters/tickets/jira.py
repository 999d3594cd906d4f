# SPDX-License-Identifier: GPL-3.0-or-later
"""Jira over its REST API version 2 (Server, Data Center; Cloud speaks it too).

Its lies: a search reads an index that is behind, so an issue made a moment ago is not
found; expired credentials may get an anonymous user's empty answers; a comment inside a
transition can be dropped. So a search that finds nothing is followed by a look at the
newest issues themselves (``jira_site``), the name that Jira gives us is watched, and
comments, documents and transitions are requests of their own, in an order that can be
taken up again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from storewarden.adapters.tickets.credentials import by_header, by_password
from storewarden.adapters.tickets.documents import (
    Room,
    composed,
    left_to_send,
    one_line,
    paper,
)
from storewarden.adapters.tickets.fields import (
    Compared,
    check_made,
    mapped,
    part,
    plain,
    refuse_odd,
)
from storewarden.adapters.tickets.jira_site import (
    API,
    Settings,
    Site,
    category_of,
    ended,
    number_of,
    status_of,
    text_of,
)
from storewarden.adapters.tickets.marks import Mark, mark_of, noted_keys, same_text
from storewarden.adapters.tickets.transport import Access, Call, Reply, Transport
from storewarden.domain.errors import AdapterError
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import Attachment, Ticket, TicketDraft, TicketNote

_TITLE = 255
_STEPS = 10  # transitions to the end; more is a workflow that goes in circles
_RESOLUTION = "[storewarden: closed]"

__all__ = ["JiraTickets", "Settings", "connect"]


def connect(settings: Settings, secrets: Secrets) -> JiraTickets:
    """The system; nothing is asked yet."""
    return JiraTickets(settings, Transport("jira", settings, _access(settings, secrets)))


def _access(settings: Settings, secrets: Secrets) -> Callable[[], Access]:
    if settings.token is not None:
        return by_header(secrets, settings.token)
    return by_password(secrets, settings.user, settings.password or "")


class JiraTickets:
    """The adapter. Ticket ids are issue keys."""

    name = "jira"

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport
        self._site = Site(settings, transport)

    def __repr__(self) -> str:
        """Which site."""
        return f"<JiraTickets {self._transport.base}>"

    def find(self, run_id: str) -> Ticket | None:
        """Several: the one with the lowest number."""
        if not plain(run_id):
            return None
        issues = self._site.searched(f"{self._site.clause(run_id)} ORDER BY key ASC")
        found = [issue for issue in issues if self._site.carries(issue, run_id)]
        if not found:
            found = [
                issue for issue in self._site.not_indexed() if self._site.carries(issue, run_id)
            ]
        return self._site.ticket(min(found, key=number_of), run_id) if found else None

    def open(self, draft: TicketDraft) -> Ticket:
        """The issue, and after it the document of a description that was too long."""
        refuse_odd(self.name, draft.run_id)
        body, documents = composed("", draft.body, (), self._room("description"))
        ticket = self.find(draft.run_id) or self._created(draft, body)
        there = self._site.papers(ticket.id, documents)
        self._attach(ticket.id, tuple(d for d in documents if paper(d) not in there))
        return ticket

    def note(self, ticket: str, note: TicketNote) -> None:
        """Documents first, the comment that speaks of them last."""
        texts = self._site.texts(ticket)
        if note.key in noted_keys(texts):
            return
        text, documents = composed(
            Mark(note.key).line, note.text, note.attachments, self._room("note")
        )
        ours = [each for each in texts if mark_of(each)]
        self._attach(ticket, left_to_send(documents, self._site.papers(ticket, documents), ours))
        self._comment(ticket, text)

    def noted(self, ticket: str) -> tuple[str, ...]:
        """By the marks of the issue's comments."""
        return noted_keys(self._site.texts(ticket))

    def close(self, ticket: str, resolution: str) -> Ticket:
        """The resolution as a comment, unless it is there; then transitions to the end."""
        issue = self._site.issue(ticket)
        if ended(issue):
            return self._site.ticket(issue)
        text, documents = composed(_RESOLUTION, resolution, (), self._room("resolution"))
        there = self._site.papers(ticket, documents)
        self._attach(ticket, tuple(d for d in documents if paper(d) not in there))
        if not any(same_text(text, each) for each in self._site.texts(ticket)):
            self._comment(ticket, text)
        return self._site.ticket(self._led_to_the_end(ticket, issue))

    def check(self) -> None:
        """Credentials, project, issue type, and that the fields exist."""
        part(self._site.get("myself"), "name" if not self._settings.cloud else "accountId")
        project = quote(self._settings.project, safe="")
        kinds = {
            str(each.get("name"))
            for each in part(self._site.get(f"project/{project}"), "issueTypes")
        }
        if self._settings.issue_type not in kinds:
            raise AdapterError(
                f"project {self._settings.project} has no issue type {self._settings.issue_type}",
                where=self.name,
            )
        known = {str(each.get("id")) for each in self._site.get("field").json()}
        for wanted in filter(None, (self._settings.run_id_field, *self._settings.fields.values())):
            if wanted not in known:
                raise AdapterError(f"there is no field {wanted}", where=self.name)
        self.find("storewarden-check")

    def shut(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def _send(self, call: Call) -> Reply:
        return self._site.known(self._transport.send(call))

    def _created(self, draft: TicketDraft, body: str) -> Ticket:
        sent = {
            "summary": one_line(draft.title, _TITLE),
            "description": body,
            **dict(mapped(draft, self._settings.fields, self._settings.values)),
        }
        fields: dict[str, object] = {
            "project": {"key": self._settings.project},
            "issuetype": {"name": self._settings.issue_type},
            **sent,
        }
        if self._settings.run_id_field:
            sent[self._settings.run_id_field] = draft.run_id
            fields[self._settings.run_id_field] = draft.run_id
        else:
            fields["labels"] = [draft.run_id]
        reply = self._send(Call(method="POST", path=f"{API}/issue", json={"fields": fields}))
        issue = self._read_new(reply)
        pairs = [Compared(n, v, text_of(issue["fields"].get(n))) for n, v in sent.items()]
        carried = draft.run_id if self._site.carries(issue, draft.run_id) else ""
        pairs.append(Compared("run id", draft.run_id, carried))
        check_made(reply.where, str(issue["key"]), pairs, self._transport.clean)
        return self._oldest(draft.run_id, self._site.ticket(issue, draft.run_id))

    def _read_new(self, reply: Reply) -> Any:
        made = reply.json()
        key = made.get("key") if isinstance(made, dict) else None
        if not key:
            raise self._transport.unconfirmed("the new issue has no key", reply.where)
        again = self._transport.send(
            Call(method="GET", path=f"{API}/issue/{quote(str(key), safe='')}", accept={404})
        )
        if again.status == 404:
            raise self._transport.unconfirmed(f"issue {key} is not there", reply.where)
        part(again, "fields")
        return again.json()

    def _oldest(self, run_id: str, made: Ticket) -> Ticket:
        """Somebody may have made one at the same moment; then ours says where to look."""
        first = self.find(run_id) or made
        if first.id != made.id:
            words = f"A double of {first.id}; nothing more will be written here."
            self.note(made.id, TicketNote(key=f"{run_id}/double", text=words))
        return first

    def _comment(self, ticket: str, text: str) -> None:
        path = f"{API}/issue/{quote(ticket, safe='')}/comment"
        self._send(Call(method="POST", path=path, json={"body": text}))
        if not any(same_text(text, each) for each in self._site.texts(ticket)):
            raise self._transport.unconfirmed(f"issue {ticket} does not show the comment")

    def _attach(self, ticket: str, documents: Iterable[Attachment]) -> None:
        for document in documents:
            before = self._site.papers(ticket, (document,)).count(paper(document))
            upload = (paper(document)[0], document.content, document.media_type)
            self._send(
                Call(
                    method="POST",
                    path=f"{API}/issue/{quote(ticket, safe='')}/attachments",
                    files=[("file", upload)],
                    headers={"X-Atlassian-Token": "no-check"},
                )
            )
            if self._site.papers(ticket, (document,)).count(paper(document)) <= before:
                raise self._transport.unconfirmed(
                    f"issue {ticket} does not show the document {document.name}"
                )

    def _led_to_the_end(self, ticket: str, issue: Any) -> Any:
        path = f"issue/{quote(ticket, safe='')}/transitions"
        been = {status_of(issue)}
        for _ in range(_STEPS):
            step = self._next(ticket, part(self._site.get(path), "transitions"), been)
            wanted = {"transition": {"id": str(step["id"])}}
            self._send(Call(method="POST", path=f"{API}/{path}", json=wanted))
            issue = self._site.issue(ticket)
            if ended(issue):
                return issue
            if status_of(issue) in been:
                raise self._transport.unconfirmed(f"issue {ticket} is still {status_of(issue)}")
            been.add(status_of(issue))
        raise AdapterError(f"no end after {_STEPS} transitions", where=f"jira: issue {ticket}")

    def _next(self, ticket: str, offered: list[Any], been: set[str]) -> Any:
        """Of the transitions offered, the one that comes last on the path; without a path,
        one that ends."""
        for name in reversed(self._settings.close_path):
            for each in offered:
                if name in (each["name"], each["to"]["name"]) and each["to"]["name"] not in been:
                    return each
        ending = [each for each in offered if category_of(each["to"]) == "done"]
        if ending:
            return ending[0]
        names = ", ".join(str(each["name"]) for each in offered)
        raise AdapterError(
            "no transition leads to the end from here",
            where=f"{self.name}: issue {ticket}",
            hint=f"set close_path; offered: {names or 'none'}",
        )

    def _room(self, name: str) -> Room:
        return Room(limit=self._settings.text_limit, name=name)
