# SPDX-License-Identifier: GPL-3.0-or-later
"""A Roundup tracker as its REST interface shows it: issues, messages, links that work once.

Roundup wants three headers of programs that write, against forged requests: X-Requested-With,
and Referer and Origin that fit the tracker's own address. Ids of other classes are not
guessed from links, because links hold the address the tracker believes to have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import Field

from storewarden.adapters.settings import Named, SecretRef
from storewarden.adapters.tickets.settings import RestSettings, Statuses, key_of
from storewarden.adapters.tickets.transport import Call, Reply, Transport
from storewarden.domain.errors import AdapterError

NAME = "roundup"
DATA = "rest/data"
_PAGE = 100  # messages per request; their ids stand in the url


class Settings(RestSettings):
    """``url`` is the tracker's own address, as in its config.ini (``[tracker] web``).

    ``fields`` maps kind, risk, requester and hosts to properties of the issue class;
    ``closed`` are the statuses that count as closed, the first is the one we set.
    """

    user: str
    password: SecretRef
    issue_class: str = "issue"
    run_id_property: str = "runid"
    closed: Statuses = ("resolved", "done-cbb")
    fields: Named[str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as read, with the version it had then."""

    id: str
    etag: str
    run_id: str
    title: str
    status: str
    messages: tuple[str, ...]
    files: tuple[str, ...]


class Tracker:
    """Reads and creates; what a ticket means is the adapter's."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._user = ""
        self.transport = transport

    def get(self, path: str, params: Iterable[tuple[str, str]] = ()) -> Reply:
        """GET below rest/data."""
        return self.send(Call(method="GET", path=f"{DATA}/{path}", params=tuple(params)))

    def send(self, call: Call) -> Reply:
        """With the headers that Roundup wants of programs, against forged requests."""
        ours = {
            "X-Requested-With": "storewarden",
            "Referer": f"{self.transport.base}/",
            "Origin": "{0.scheme}://{0.netloc}".format(urlsplit(self.transport.base)),
        }
        return self.transport.send(replace(call, headers={**ours, **call.headers}))

    def data(self, reply: Reply) -> Mapping[str, Any]:
        """What an answer holds; AdapterError for one that holds none."""
        answer = reply.json()
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise self.transport.unconfirmed("the answer holds no data", reply.where)
        return data

    def collection(self, path: str, *params: tuple[str, str]) -> list[Mapping[str, Any]]:
        """The items of a class that fit the parameters."""
        reply = self.get(path, params)
        found = self.data(reply).get("collection")
        if not isinstance(found, list):
            raise self.transport.unconfirmed("the answer is no collection", reply.where)
        return found

    def search(self, name: str, prop: str, value: str) -> list[str]:
        """Ids of the items of which ``prop`` is exactly ``value``."""
        found = self.collection(name, (f"{prop}:", value), ("@fields", prop))
        return [str(item["id"]) for item in found if item.get(prop) == value]

    def issue(self, ticket: str) -> Issue:
        """An issue with its version; AdapterError when there is none."""
        reply = self.get(
            f"{self._settings.issue_class}/{quote(ticket, safe='')}", [("@verbose", "2")]
        )
        data = self.data(reply)
        said = data.get("attributes", {})
        status = said.get("status") or {}
        return Issue(
            id=str(data.get("id", "")),
            etag=str(data.get("@etag", "")),
            run_id=said.get(self._settings.run_id_property) or "",
            title=said.get("title") or "",
            status=status.get("name", "") if isinstance(status, dict) else str(status),
            messages=ids_of(said.get("messages")),
            files=ids_of(said.get("files")),
        )

    def message_ids(self, ids: Iterable[str]) -> dict[str, str]:
        """Message -> its messageid, in the order of the messages' numbers."""
        wanted = sorted(ids, key=int)
        read: dict[str, str] = {}
        for start in range(0, len(wanted), _PAGE):
            page = [("id", number) for number in wanted[start : start + _PAGE]]
            for item in self.collection("msg", *page, ("@fields", "messageid")):
                read[str(item["id"])] = item.get("messageid") or ""
        return {number: read[number] for number in wanted if number in read}

    def own_id(self) -> str:
        """The id of the user we log in as; messages must name their author."""
        if not self._user:
            found = self.search("user", "username", self._settings.user)
            if not found:
                raise AdapterError("the user is not found", where=key_of(NAME, "user"))
            self._user = found[0]
        return self._user

    def check_property(self, name: str) -> None:
        """AdapterError that says how to add a property which issues lack."""
        issues = self._settings.issue_class
        reply = self.send(
            Call(
                method="GET",
                path=f"{DATA}/{issues}",
                params=(("@fields", name), ("@page_size", "1")),
                accept=(400, 404),
            )
        )
        if reply.status != 200:
            raise AdapterError(
                f"class {issues} has no property {name}: {self.transport.said(reply)}",
                where=NAME,
                hint=f"add {name}=String() to {issues} in the tracker's schema.py, then reindex",
            )

    def create(self, name: str, properties: Mapping[str, str]) -> str:
        """A new item; its id."""
        return self.post_once(name, Call(method="POST", path="", json=dict(properties)))

    def post_once(self, name: str, call: Call) -> str:
        """Through a link that works once. A used one means that it was created: look again."""
        once = self.data(self.send(Call(method="POST", path=f"{DATA}/{name}/@poe", json={})))
        token = str(once.get("link", "")).rpartition("/@poe/")[2]
        if not token:
            raise self.transport.unconfirmed(f"no link to create a {name}")
        path = f"{DATA}/{name}/@poe/{quote(token, safe='')}"
        reply = self.send(replace(call, path=path, accept=(400,)))
        if reply.status == 400:
            if "POE token" in reply.text:
                raise self.transport.unconfirmed("the link was used before")
            raise self.transport.refusal(reply)
        number = str(self.data(reply).get("id", ""))
        if not number.isdecimal():
            raise self.transport.unconfirmed(f"no number for a new {name}", reply.where)
        return number


def ids_of(value: object) -> tuple[str, ...]:
    """A multilink as Roundup shows it: a list of ids, or of records with ids."""
    found = value if isinstance(value, list) else []
    return tuple(str(item["id"] if isinstance(item, dict) else item) for item in found)
