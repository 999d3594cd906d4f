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

from typing import Any
from urllib.parse import quote

from storewarden.adapters.tickets.apart import ApartTickets
from storewarden.adapters.tickets.credentials import by_account
from storewarden.adapters.tickets.documents import Paper, composed, one_line, paper
from storewarden.adapters.tickets.fields import Compared, check_made, mapped, part, plain
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
from storewarden.adapters.tickets.marks import same_text
from storewarden.adapters.tickets.transport import Call, Reply, Transport
from storewarden.domain.errors import AdapterError
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import Attachment, Ticket, TicketDraft

_TITLE = 255
_STEPS = 10  # transitions to the end; more is a workflow that goes in circles
_RESOLUTION = "[storewarden: closed]"

__all__ = ["JiraTickets", "Settings", "connect"]


def connect(settings: Settings, secrets: Secrets) -> JiraTickets:
    """The system; nothing is asked yet."""
    return JiraTickets(settings, Transport("jira", settings, by_account(secrets, settings)))


class JiraTickets(ApartTickets):
    """The adapter. Ticket ids are issue keys."""

    name = "jira"
    thing = "issue"
    saying = "comment"

    def __init__(self, settings: Settings, transport: Transport) -> None:
        super().__init__(transport, settings.text_limit)
        self._settings = settings
        self._site = Site(settings, transport)

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

    def close(self, ticket: str, resolution: str) -> Ticket:
        """The resolution as a comment, unless it is there; then transitions to the end."""
        issue = self._site.issue(ticket)
        if ended(issue):
            return self._site.ticket(issue)
        text, documents = composed(_RESOLUTION, resolution, (), self._room("resolution"))
        self._complete(ticket, documents)
        if not any(same_text(text, each) for each in self._texts(ticket)):
            self._say(ticket, text)
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

    def _texts(self, ticket: str) -> list[str]:
        return self._site.texts(ticket)

    def _papers(self, ticket: str, wanted: tuple[Attachment, ...]) -> list[Paper]:
        return self._site.papers(ticket, wanted)

    def _shown(self, ticket: Ticket) -> str:
        return ticket.id

    def _write(self, ticket: str, text: str) -> None:
        path = f"{API}/issue/{quote(ticket, safe='')}/comment"
        self._send(Call(method="POST", path=path, json={"body": text}))

    def _upload(self, ticket: str, document: Attachment) -> None:
        upload = (paper(document)[0], document.content, document.media_type)
        self._send(
            Call(
                method="POST",
                path=f"{API}/issue/{quote(ticket, safe='')}/attachments",
                files=[("file", upload)],
                headers={"X-Atlassian-Token": "no-check"},
            )
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
