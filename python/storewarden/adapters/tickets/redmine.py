# SPDX-License-Identifier: GPL-3.0-or-later
"""Redmine 5 and later over its REST API.

Its lies: a status or a custom field that does not exist is answered with success and
changes nothing; a filter that does not exist is ignored, so that a search finds every
issue; a wrong API key makes an anonymous user of us, who sees an empty public project.
So the key is asked for its user first, every issue found is compared, every write is read
back. A note, its documents and a change of status are one request, hence all or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import Field

from storewarden.adapters.settings import Named, SecretRef
from storewarden.adapters.tickets.credentials import by_header
from storewarden.adapters.tickets.documents import Room, composed, octets, one_line, paper
from storewarden.adapters.tickets.fields import Compared, PerField, check_made, mapped, part
from storewarden.adapters.tickets.marks import Mark, noted_keys, same_text
from storewarden.adapters.tickets.settings import RestSettings
from storewarden.adapters.tickets.transport import Call, Reply, Transport
from storewarden.domain.errors import AdapterError
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import Attachment, Ticket, TicketDraft, TicketNote

_TITLE = 255  # issues.subject
_RESOLUTION = "[storewarden: closed]"


class Settings(RestSettings):
    """``run_id_field`` and the values of ``fields`` are ids of custom fields (the number in
    the url of their page); ids are administrators' knowledge, the API does not tell them."""

    api_key: SecretRef
    project: str
    tracker: int
    run_id_field: int
    closed_status: int
    fields: PerField[int] = Field(default_factory=dict)
    values: PerField[Named[str]] = Field(default_factory=dict)
    text_limit: int = 60_000  # octets; MySQL's TEXT holds 65,535


def connect(settings: Settings, secrets: Secrets) -> RedmineTickets:
    """The system; nothing is asked yet."""
    access = by_header(secrets, settings.api_key, name="X-Redmine-API-Key", prefix="")
    return RedmineTickets(settings, Transport("redmine", settings, access))


class RedmineTickets:
    """The adapter."""

    name = "redmine"

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport
        self._closed: frozenset[int] | None = None

    def __repr__(self) -> str:
        """Which server."""
        return f"<RedmineTickets {self._transport.base}>"

    def find(self, run_id: str) -> Ticket | None:
        """Several: the one with the lowest number."""
        self._ready()
        found = [issue for issue in self._searched(run_id) if self._run_id(issue) == run_id]
        return self._ticket(min(found, key=lambda issue: int(issue["id"]))) if found else None

    def open(self, draft: TicketDraft) -> Ticket:
        """One request makes the issue with everything in it."""
        return self.find(draft.run_id) or self._created(draft)

    def note(self, ticket: str, note: TicketNote) -> None:
        """One request writes the note with its documents."""
        self._ready()
        if note.key in noted_keys(_texts(self._issue(ticket))):
            return
        room = Room(limit=self._settings.text_limit, name="note", size=octets)
        text, documents = composed(Mark(note.key).line, note.text, note.attachments, room)
        self._put(ticket, {"notes": text, "uploads": self._uploads(documents)})
        self._confirm_note(ticket, text, documents)

    def noted(self, ticket: str) -> tuple[str, ...]:
        """By the marks of the issue's journals."""
        self._ready()
        return noted_keys(_texts(self._issue(ticket)))

    def close(self, ticket: str, resolution: str) -> Ticket:
        """The status and, unless an earlier attempt left it there, the resolution."""
        self._ready()
        issue = self._issue(ticket)
        if not self._ticket(issue).open:
            return self._ticket(issue)
        self._refuse_forbidden(issue)
        room = Room(limit=self._settings.text_limit, name="resolution", size=octets)
        text, documents = composed(_RESOLUTION, resolution, (), room)
        changes: dict[str, object] = {"status_id": self._settings.closed_status}
        if not any(same_text(text, other) for other in _texts(issue)):
            changes |= {"notes": text, "uploads": self._uploads(documents)}
        self._put(ticket, changes)
        return self._confirm_closed(ticket, text)

    def check(self) -> None:
        """Key, project, tracker, custom fields and the closing status."""
        self._closed = None
        self._ready()
        project = self._project()
        trackers = {each["id"] for each in project.get("trackers", ())}
        if self._settings.tracker not in trackers:
            raise self._wrong("tracker", self._settings.tracker, "is not one of the project's")
        self._check_fields()
        self._searched("storewarden-check")

    def shut(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def _ready(self) -> None:
        """Once: that the key belongs to somebody, and which statuses mean closed."""
        if self._closed is not None:
            return
        part(self._transport.get("users/current.json"), "user")
        statuses = part(self._transport.get("issue_statuses.json"), "issue_statuses")
        closed = frozenset(int(each["id"]) for each in statuses if each.get("is_closed"))
        if self._settings.closed_status not in closed:
            raise self._wrong("status", self._settings.closed_status, "is none that closes")
        self._closed = closed

    def _check_fields(self) -> None:
        """An issue shows the fields it has, also empty ones; without any issue nobody tells
        which exist, and the first one made is compared."""
        query = {"tracker_id": str(self._settings.tracker), "status_id": "*", "limit": "1"}
        for issue in part(self._transport.get(f"{self._path()}/issues.json", query), "issues"):
            there = _custom(issue)
            for wanted in (self._settings.run_id_field, *self._settings.fields.values()):
                if wanted not in there:
                    raise self._wrong("custom field", wanted, "is not one of the tracker's")

    def _path(self) -> str:
        return f"projects/{quote(self._settings.project, safe='')}"

    def _project(self) -> Any:
        reply = self._transport.get(f"{self._path()}.json", {"include": "trackers"})
        return part(reply, "project")

    def _wrong(self, what: str, number: int, why: str) -> AdapterError:
        return AdapterError(f"{what} {number} {why}", where=self.name, hint="see the settings")

    def _searched(self, run_id: str) -> list[Any]:
        """What the search finds. Issues of other run ids in it mean that it did not filter."""
        column = f"cf_{self._settings.run_id_field}"
        reply = self._transport.get(
            f"{self._path()}/issues.json",
            [
                ("set_filter", "1"), ("f[]", column), (f"op[{column}]", "="),
                (f"v[{column}][]", run_id), ("f[]", "status_id"), ("op[status_id]", "*"),
                ("sort", "id"), ("limit", "100"),
            ],
        )  # fmt: skip
        issues: list[Any] = part(reply, "issues")
        if any(self._run_id(issue).casefold() != run_id.casefold() for issue in issues):
            raise AdapterError(
                f"the search by custom field {self._settings.run_id_field} finds other issues",
                where=reply.where,
                hint="in Redmine, make it a filter and visible to the user of the API key",
            )
        return issues

    def _run_id(self, issue: Any) -> str:
        return _custom(issue).get(self._settings.run_id_field, "")

    def _created(self, draft: TicketDraft) -> Ticket:
        room = Room(limit=self._settings.text_limit, name="description", size=octets)
        body, documents = composed("", draft.body, (), room)
        custom = {self._settings.run_id_field: draft.run_id}
        custom |= dict(mapped(draft, self._settings.fields, self._settings.values))
        title = one_line(draft.title, _TITLE)
        reply = self._transport.send(
            Call(method="POST", path="issues.json", json={"issue": {
                "project_id": self._settings.project, "tracker_id": self._settings.tracker,
                "subject": title, "description": body, "uploads": self._uploads(documents),
                "custom_fields": [{"id": n, "value": value} for n, value in custom.items()],
            }})
        )  # fmt: skip
        issue = self._read_new(reply)
        there = _custom(issue)
        pairs = [
            Compared("title", title, str(issue.get("subject") or "")),
            Compared("description", body, str(issue.get("description") or "")),
            *(Compared(f"custom field {n}", v, there.get(n, "")) for n, v in custom.items()),
            Compared("documents", _sizes(documents), _attached(issue)),
        ]
        check_made(reply.where, str(issue["id"]), pairs, self._transport.clean)
        return self.find(draft.run_id) or self._ticket(issue)

    def _read_new(self, reply: Reply) -> Any:
        """The issue that a create speaks of, asked for anew."""
        made = reply.json()
        number = made.get("issue", {}).get("id") if isinstance(made, dict) else None
        if number is None:
            raise self._transport.unconfirmed("the new issue has no number", reply.where)
        again = self._transport.send(
            Call(method="GET", path=f"issues/{number}.json",
                 params={"include": "attachments"}, accept={404})
        )  # fmt: skip
        if again.status == 404:
            raise self._transport.unconfirmed(f"issue {number} is not there", reply.where)
        return part(again, "issue")

    def _issue(self, ticket: str) -> Any:
        reply = self._transport.get(
            f"issues/{quote(ticket, safe='')}.json",
            {"include": "journals,attachments,allowed_statuses"},
        )
        return part(reply, "issue")

    def _put(self, ticket: str, changes: Mapping[str, object]) -> None:
        path = f"issues/{quote(ticket, safe='')}.json"
        self._transport.send(Call(method="PUT", path=path, json={"issue": changes}))

    def _uploads(self, documents: tuple[Attachment, ...]) -> list[dict[str, str]]:
        """Documents wait on the server under tokens until an issue takes them."""
        return [self._upload(document) for document in documents]

    def _upload(self, document: Attachment) -> dict[str, str]:
        name, _ = paper(document)
        reply = self._transport.send(
            Call(
                method="POST",
                path="uploads.json",
                params={"filename": name},
                content=document.content,
                headers={"Content-Type": "application/octet-stream"},
            )
        )
        answer = reply.json()
        token = answer.get("upload", {}).get("token") if isinstance(answer, dict) else None
        if not token:
            raise self._transport.unconfirmed(f"no token for document {name}", reply.where)
        return {"token": token, "filename": name, "content_type": document.media_type}

    def _confirm_note(self, ticket: str, text: str, documents: tuple[Attachment, ...]) -> None:
        issue = self._issue(ticket)
        journal = next((j for j in _journals(issue) if same_text(text, j["notes"])), None)
        if journal is None:
            raise self._transport.unconfirmed(f"issue {ticket} does not show the note")
        ids = {
            str(detail["name"])
            for detail in journal.get("details", ())
            if detail.get("property") == "attachment"
        }
        if _sizes(documents) != _attached(issue, ids):
            raise self._transport.unconfirmed(f"issue {ticket} does not show all documents")

    def _confirm_closed(self, ticket: str, text: str) -> Ticket:
        issue = self._issue(ticket)
        seen = self._ticket(issue)
        if seen.open:
            raise self._transport.unconfirmed(f"issue {ticket} is still {issue['status']['name']}")
        if not any(same_text(text, other) for other in _texts(issue)):
            raise self._transport.unconfirmed(f"issue {ticket} does not show the resolution")
        return seen

    def _refuse_forbidden(self, issue: Any) -> None:
        """A status that the workflow does not allow would be answered with success."""
        allowed = issue.get("allowed_statuses")
        if allowed is None or self._settings.closed_status in {each["id"] for each in allowed}:
            return
        offered = ", ".join(f"{each['id']} {each['name']}" for each in allowed)
        raise AdapterError(
            f"the workflow does not let us go from {issue['status']['name']} to status "
            f"{self._settings.closed_status}",
            where=f"{self.name}: issue {issue['id']}",
            hint=f"allowed: {offered or 'none'}",
        )

    def _ticket(self, issue: Any) -> Ticket:
        return Ticket(
            id=str(issue["id"]),
            run_id=self._run_id(issue),
            title=str(issue["subject"]),
            open=int(issue["status"]["id"]) not in (self._closed or ()),
            url=f"{self._transport.base}/issues/{issue['id']}",
        )


def _custom(issue: Any) -> dict[int, str]:
    """Custom field id -> value; several values are joined."""
    return {
        int(each["id"]): ", ".join(value) if isinstance(value, list) else str(value or "")
        for each in issue.get("custom_fields", ())
        for value in [each.get("value")]
    }


def _journals(issue: Any) -> list[Any]:
    """Those with words in them, oldest first."""
    found = [journal for journal in issue.get("journals", ()) if journal.get("notes")]
    return sorted(found, key=lambda journal: int(journal["id"]))


def _texts(issue: Any) -> list[str]:
    return [str(journal["notes"]) for journal in _journals(issue)]


def _sizes(documents: tuple[Attachment, ...]) -> str:
    """Names and sizes, to be compared with what hangs on the issue."""
    return "\n".join(sorted(f"{paper(d)[0]} {len(d.content)}" for d in documents))


def _attached(issue: Any, ids: set[str] | None = None) -> str:
    return "\n".join(
        sorted(
            f"{each['filename']} {each['filesize']}"
            for each in issue.get("attachments", ())
            if ids is None or str(each["id"]) in ids
        )
    )
