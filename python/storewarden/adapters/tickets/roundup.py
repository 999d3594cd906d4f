# SPDX-License-Identifier: GPL-3.0-or-later
"""Roundup, over its REST interface.

A note is a message of the issue. Its key stands in the message's ``messageid``, which people
do not see or edit and which can be searched: a message that was written but not yet linked
(the line was cut in between) is found again and linked. The message carries its files, so
linking it is one conditional write (``If-Match``) that brings text and files at once; only
then does anybody see them. A file whose upload was interrupted is uploaded again; the first
one stays behind unlinked and unseen. New issues and messages go through a ``@poe`` link,
which a proxy that repeats requests can use only once.

Roundup wakes a resolved issue up when a message arrives without a status, so every write
names the status it wants.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote

from storewarden.adapters.tickets.credentials import by_password
from storewarden.adapters.tickets.marks import normal, same_text
from storewarden.adapters.tickets.roundup_tracker import (
    DATA,
    NAME,
    Issue,
    Settings,
    Tracker,
    ids_of,
)
from storewarden.adapters.tickets.settings import key_of
from storewarden.adapters.tickets.transport import Call, Transport
from storewarden.domain.errors import AdapterError
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import Attachment, Ticket, TicketDraft, TicketNote

_TRIES = 4  # for an issue that somebody else edits at the same moment
_HOST = "@storewarden.invalid>"


__all__ = ["Roundup", "Settings", "connect"]


def connect(settings: Settings, secrets: Secrets) -> Roundup:
    """The adapter; nothing is asked of the tracker yet."""
    access = by_password(secrets, settings.user, settings.password)
    return Roundup(settings, Transport(NAME, settings, access))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saying:
    """A message to be written once; ``status`` is set together with it."""

    key: str
    text: str
    attachments: tuple[Attachment, ...] = ()
    status: str = ""


class Roundup:
    """A TicketSystem."""

    name = NAME

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._tracker = Tracker(settings, transport)

    def __repr__(self) -> str:
        """Which tracker."""
        return f"<Roundup {self._tracker.transport.base}>"

    def find(self, run_id: str) -> Ticket | None:
        """By the run id property, compared exactly; the lowest number of several."""
        found = self._tracker.search(
            self._settings.issue_class, self._settings.run_id_property, run_id
        )
        return self._ticket(self._tracker.issue(min(found, key=int))) if found else None

    def open(self, draft: TicketDraft) -> Ticket:
        """The issue and its first message, which is the description."""
        found = self.find(draft.run_id)
        if found is None:
            self._tracker.create(self._settings.issue_class, self._properties(draft))
            found = self.find(draft.run_id)
        if found is None:
            raise self._tracker.transport.unconfirmed(f"no issue with run id {draft.run_id}")
        key = _message_id("opening", draft.run_id)
        self._say(self._tracker.issue(found.id), _Saying(key=key, text=draft.body))
        return found

    def note(self, ticket: str, note: TicketNote) -> None:
        """One message with its files."""
        key = _message_id("note", note.key)
        saying = _Saying(key=key, text=note.text, attachments=note.attachments)
        self._say(self._tracker.issue(ticket), saying)

    def noted(self, ticket: str) -> tuple[str, ...]:
        """From the linked messages, in the order in which they were written."""
        ids = self._tracker.issue(ticket).messages
        read = [
            _key_of("note", message_id) for message_id in self._tracker.message_ids(ids).values()
        ]
        return tuple(key for key in read if key)

    def close(self, ticket: str, resolution: str) -> Ticket:
        """The resolution as a message, and the status that means closed."""
        issue = self._tracker.issue(ticket)
        if issue.status not in self._settings.closed:
            digest = hashlib.sha256(normal(resolution).encode()).hexdigest()[:16]
            key = _message_id("closing", f"{ticket}/{digest}")
            saying = _Saying(key=key, text=resolution, status=self._settings.closed[0])
            self._say(issue, saying)
            issue = self._tracker.issue(ticket)
        if issue.status not in self._settings.closed:
            raise self._tracker.transport.unconfirmed(f"issue {ticket} is still {issue.status}")
        return self._ticket(issue)

    def check(self) -> None:
        """Credentials, the run id property, mapped properties, the closing status."""
        self._tracker.own_id()
        wanted = (self._settings.run_id_property, *self._settings.fields.values())
        for name in dict.fromkeys(wanted):
            self._tracker.check_property(name)
        if not self._tracker.search("status", "name", self._settings.closed[0]):
            raise AdapterError(
                f"has no status {self._settings.closed[0]}",
                where=key_of(NAME, "closed"),
                hint="name the statuses of your tracker that mean closed",
            )

    def shut(self) -> None:
        """Close the connections."""
        self._tracker.transport.close()

    def _ticket(self, issue: Issue) -> Ticket:
        return Ticket(
            id=issue.id,
            run_id=issue.run_id,
            title=issue.title,
            open=issue.status not in self._settings.closed,
            url=f"{self._tracker.transport.base}/{self._settings.issue_class}{issue.id}",
        )

    # Writing

    def _properties(self, draft: TicketDraft) -> dict[str, str]:
        mapped = {
            prop: draft.fields[name]
            for name, prop in self._settings.fields.items()
            if draft.fields.get(name)
        }
        return {
            **mapped,
            "title": " ".join(draft.title.split()),
            self._settings.run_id_property: draft.run_id,
        }

    def _say(self, issue: Issue, saying: _Saying) -> None:
        """Write a message unless it is there, link it, and look at what people now see."""
        found = self._tracker.search("msg", "messageid", saying.key)
        if not saying.status and set(found) & set(issue.messages):
            return
        number = found[0] if found else self._message(saying)
        files = self._check_message(number, saying.text, new=not found)
        for _ in range(_TRIES):
            if self._link(issue, number, files, saying.status):
                break
            issue = self._tracker.issue(issue.id)
        else:
            raise AdapterError(
                "is being edited by somebody else", where=f"issue {issue.id}", retryable=True
            )
        seen = self._tracker.issue(issue.id)
        if number not in seen.messages or not set(files) <= set(seen.files):
            raise self._tracker.transport.unconfirmed(
                f"issue {issue.id} does not show message {number}"
            )

    def _message(self, saying: _Saying) -> str:
        files = [self._upload(attachment) for attachment in saying.attachments]
        return self._tracker.create(
            "msg",
            {
                "content": normal(saying.text),
                "messageid": saying.key,
                "author": self._tracker.own_id(),
                "type": "text/plain",
                **({"files": ",".join(files)} if files else {}),
            },
        )

    def _upload(self, attachment: Attachment) -> str:
        number = self._tracker.post_once(
            "file",
            Call(
                method="POST",
                path="",
                form={"name": attachment.name, "type": attachment.media_type},
                files=(("content", ("content", attachment.content, "application/octet-stream")),),
            ),
        )
        path = f"file{number}/{quote(attachment.name, safe='')}"
        if self._tracker.send(Call(method="GET", path=path)).content != attachment.content:
            raise self._tracker.transport.unconfirmed(f"file {number} holds other bytes")
        return number

    def _check_message(self, number: str, text: str, *, new: bool) -> tuple[str, ...]:
        """The message's files. An older one keeps its text: the first with a key counts."""
        said = self._tracker.data(self._tracker.get(f"msg/{number}", [("@verbose", "3")])).get(
            "attributes", {}
        )
        if new and not same_text(text, str(said.get("content", ""))):
            raise self._tracker.transport.unconfirmed(f"message {number} holds another text")
        return ids_of(said.get("files"))

    def _link(self, issue: Issue, number: str, files: Iterable[str], status: str) -> bool:
        """False when the issue has become another one since it was read."""
        change = {
            "messages": ",".join(dict.fromkeys((*issue.messages, number))),
            "status": status or issue.status,
        }
        if all_files := ",".join(dict.fromkeys((*issue.files, *files))):
            change["files"] = all_files
        reply = self._tracker.send(
            Call(
                method="PATCH",
                path=f"{DATA}/{self._settings.issue_class}/{issue.id}",
                json={name: value for name, value in change.items() if value},
                headers={"If-Match": issue.etag},
                accept=(412,),
            )
        )
        return reply.status != 412


def _message_id(what: str, key: str) -> str:
    """A valid Message-ID: Roundup puts it into the mails it sends about the message."""
    return f"<storewarden.{what}.{quote(key, safe='/')}{_HOST}"


def _key_of(what: str, message_id: str) -> str:
    prefix = f"<storewarden.{what}."
    if not (message_id.startswith(prefix) and message_id.endswith(_HOST)):
        return ""
    return unquote(message_id[len(prefix) : -len(_HOST)])
