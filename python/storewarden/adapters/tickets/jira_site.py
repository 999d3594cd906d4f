# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a Jira site: its settings, its index that is behind, its issues themselves.

A search that finds nothing proves nothing yet, because the index is filled after the
answer to a create was sent. Issues read by their keys come from the database; keys count
up within a project, so the newest issues can be looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field

from storewarden.adapters.settings import ListOf, Named, at_least, wrong
from storewarden.adapters.tickets.credentials import AccountSettings
from storewarden.adapters.tickets.documents import Paper, paper
from storewarden.adapters.tickets.fields import PerField, part
from storewarden.adapters.tickets.transport import Call, Reply, Transport
from storewarden.domain.errors import AdapterError
from storewarden.ports.tickets import Attachment, Ticket

API = "rest/api/2"
_PAGE = 100
_GAP = 3  # keys without an issue in a row: behind them there is nothing
_BEHIND = 50  # issues by which the index may be late


def _custom_field(name: str) -> str:
    number = name.removeprefix("customfield_")
    if name and (number == name or not number.isdecimal()):
        raise wrong("must be like customfield_10100, or absent")
    return name


class Settings(AccountSettings):
    """``token`` is a personal access token; in the Cloud ``user`` is an e-mail address and
    ``password`` an API token. ``run_id_field`` is a text field (``customfield_10100``); empty,
    the run id is a label. ``close_path`` names transitions or statuses on the way to the end."""

    project: str
    issue_type: str
    run_id_field: Annotated[str, AfterValidator(_custom_field)] = ""
    fields: PerField[str] = Field(default_factory=dict)
    values: PerField[Named[str]] = Field(default_factory=dict)
    close_path: ListOf[str] = ()
    cloud: bool = False
    text_limit: Annotated[int, at_least(1000)] = 32_767  # jira.text.field.character.limit


class Site:
    """A site through one connection; nothing here writes."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Reply:
        return self.known(self._transport.get(f"{API}/{path}", params or {}))

    def known(self, reply: Reply) -> Reply:
        """AdapterError when Jira took us for nobody in particular."""
        nobody = reply.headers.get("x-ausername", "") == "anonymous"
        failed = reply.headers.get("x-seraph-loginreason", "").upper()
        if nobody or "FAILED" in failed or "DENIED" in failed:
            raise AdapterError(
                "Jira takes us for an anonymous user",
                where=reply.where,
                hint="the credentials are wrong or have expired",
            )
        return reply

    def clause(self, run_id: str) -> str:
        project = _quoted(self._settings.project)
        if not self._settings.run_id_field:
            return f"project = {project} AND labels = {_quoted(run_id)}"
        number = self._settings.run_id_field.removeprefix("customfield_")
        phrase = _quoted(f'"{run_id}"')
        return f"project = {project} AND cf[{number}] ~ {phrase}"

    def searched(self, jql: str, limit: int = _PAGE) -> list[Any]:
        path = "search/jql" if self._settings.cloud else "search"
        reply = self.get(
            path, {"jql": jql, "maxResults": str(limit), "fields": ",".join(self.fields())}
        )
        return list(part(reply, "issues"))

    def not_indexed(self) -> Iterator[Any]:
        """The newest issues that the search does not know yet, read one by one.

        Keys count up within a project. Candidates are the gaps among the last ten keys that
        are indexed, and what follows them.
        """
        jql = f"project = {_quoted(self._settings.project)} ORDER BY key DESC"
        last = sorted(number_of(issue) for issue in self.searched(jql, 10))
        for number in set(range(last[0], last[-1])) - set(last) if last else ():
            yield from self._looked_at(number)
        missed, number = 0, last[-1] if last else 0
        end = number + _BEHIND
        while missed < _GAP:
            number += 1
            if number > end:
                raise AdapterError(
                    f"the search index is more than {_BEHIND} issues behind",
                    where="jira",
                    retryable=True,
                )
            found = list(self._looked_at(number))
            missed = 0 if found else missed + 1
            yield from found

    def _looked_at(self, number: int) -> Iterator[Any]:
        key = f"{self._settings.project}-{number}"
        reply = self._transport.send(
            Call(
                method="GET",
                path=f"{API}/issue/{quote(key, safe='')}",
                params={"fields": ",".join(self.fields())},
                accept={403, 404},
            )
        )
        if reply.status == 200:
            part(self.known(reply), "fields")
            yield reply.json()

    def fields(self) -> tuple[str, ...]:
        own = [self._settings.run_id_field] if self._settings.run_id_field else []
        return ("summary", "status", "labels", "description", "attachment", *own,
                *self._settings.fields.values())  # fmt: skip

    def issue(self, ticket: str) -> Any:
        reply = self.get(f"issue/{quote(ticket, safe='')}", {"fields": ",".join(self.fields())})
        part(reply, "fields")
        return reply.json()

    def carries(self, issue: Any, run_id: str) -> bool:
        fields = issue["fields"]
        if self._settings.run_id_field:
            return text_of(fields.get(self._settings.run_id_field)) == run_id
        return run_id in (fields.get("labels") or ())

    def texts(self, ticket: str) -> list[str]:
        """All comments, oldest first."""
        texts: list[str] = []
        while True:
            reply = self.get(
                f"issue/{quote(ticket, safe='')}/comment",
                {"startAt": str(len(texts)), "maxResults": str(_PAGE), "orderBy": "created"},
            )
            page = part(reply, "comments")
            texts.extend(str(each.get("body") or "") for each in page)
            if not page or len(texts) >= int(part(reply, "total")):
                return texts

    def papers(self, ticket: str, wanted: tuple[Attachment, ...]) -> list[Paper]:
        """Name and digest of the issue's documents that have the name and size of a wanted
        one. Jira tells no digests, so their bytes are read."""
        if not wanted:
            return []
        sizes = {(paper(document)[0], len(document.content)) for document in wanted}
        return [
            (str(each["filename"]), sha256(self._content(each)).hexdigest())
            for each in self.issue(ticket)["fields"].get("attachment") or ()
            if (each["filename"], each["size"]) in sizes
        ]

    def _content(self, attachment: Any) -> bytes:
        """Through our own url: the address in the answer is the one that people use."""
        if self._settings.cloud:
            path = f"{API}/attachment/content/{attachment['id']}"
            return self._transport.get(path, {"redirect": "false"}).content
        path = urlsplit(str(attachment["content"])).path
        below = urlsplit(self._transport.base).path
        return self._transport.get(path.removeprefix(below)).content

    def ticket(self, issue: Any, run_id: str = "") -> Ticket:
        fields = issue["fields"]
        return Ticket(
            id=str(issue["key"]),
            run_id=run_id or self._own_run_id(fields),
            title=text_of(fields.get("summary")),
            open=not ended(issue),
            url=f"{self._transport.base}/browse/{issue['key']}",
        )

    def _own_run_id(self, fields: Any) -> str:
        """Of an issue read by its key. As a label it is the one in a change number's shape."""
        if self._settings.run_id_field:
            return text_of(fields.get(self._settings.run_id_field))
        labels = [str(label) for label in fields.get("labels") or ()]
        return next((label for label in labels if _looks_like_a_number(label)), "")


def _looks_like_a_number(label: str) -> bool:
    """PREFIX-YYYYMMDD-NNN."""
    parts = label.rsplit("-", 2)
    return len(parts) == 3 and len(parts[1]) == 8 and all(p.isdecimal() for p in parts[1:])


def _quoted(text: str) -> str:
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def number_of(issue: Any) -> int:
    return int(str(issue["key"]).rsplit("-", 1)[1])


def status_of(issue: Any) -> str:
    return str(issue["fields"]["status"]["name"])


def category_of(status: Any) -> str:
    return str((status.get("statusCategory") or {}).get("key", ""))


def ended(issue: Any) -> bool:
    return category_of(issue["fields"]["status"]) == "done"


def text_of(value: Any) -> str:
    """A field's value as text; choices come as objects."""
    if isinstance(value, dict):
        value = value.get("value", value.get("name"))
    return "" if value is None else str(value)
