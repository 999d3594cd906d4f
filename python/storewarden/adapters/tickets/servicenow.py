# SPDX-License-Identifier: GPL-3.0-or-later
"""ServiceNow change requests over the Table API.

Its lies: fields that do not exist or may not be written are left out of a write without a
word, texts are cut at the field's length, a query by a field that does not exist finds
every record, and ``sys_journal_field``, from which work notes are read, is empty for users
who may not see it. So records found are compared, writes are read back, long texts become
documents, and nothing is noted on a record whose notes we cannot read.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from storewarden.adapters.settings import ListOf, Named, at_least, wrong
from storewarden.adapters.tickets.apart import ApartTickets
from storewarden.adapters.tickets.credentials import AccountSettings, by_account
from storewarden.adapters.tickets.documents import Paper, composed, one_line, paper
from storewarden.adapters.tickets.fields import Compared, PerField, check_made, mapped, part, plain
from storewarden.adapters.tickets.marks import same_text
from storewarden.adapters.tickets.transport import Call, Reply, Transport
from storewarden.domain.errors import AdapterError
from storewarden.ports.secrets import Secrets
from storewarden.ports.tickets import Attachment, Ticket, TicketDraft

_API = "api/now"
_PAGE = 500


class Settings(AccountSettings):
    """``token`` is one of OAuth. Field names are columns.

    ``close_path`` are the states through which a change is led to its end, in order, as the
    instance's state model allows; the last is the one that means closed. ``close_codes``
    maps the words with which a resolution begins to close codes, "" to the one for all else.
    """

    table: str = "change_request"
    run_id_field: str = "correlation_id"
    fields: PerField[str] = Field(default_factory=dict)
    values: PerField[Named[str]] = Field(default_factory=dict)
    extra: Named[str] = Field(default_factory=dict)  # the same for every new record
    closed: ListOf[str] = ("3", "4")
    close_path: ListOf[str] = ("3",)
    close_codes: Named[str] = Field(
        default_factory=lambda: {"successful": "successful", "": "unsuccessful"}
    )
    title_limit: int = 160  # short_description in the base system
    # description and journal entries in the base system
    text_limit: Annotated[int, at_least(1000)] = 4000

    @model_validator(mode="after")
    def _path_ends(self) -> Self:
        if not self.close_path or self.close_path[-1] not in self.closed:
            raise wrong("must end with one of the states under closed", key="close_path")
        return self


def connect(settings: Settings, secrets: Secrets) -> ServiceNowTickets:
    """The system; nothing is asked yet."""
    return ServiceNowTickets(
        settings, Transport("servicenow", settings, by_account(secrets, settings))
    )


class ServiceNowTickets(ApartTickets):
    """The adapter. Ticket ids are ``sys_id``."""

    name = "servicenow"
    thing = "record"
    saying = "note"

    def __init__(self, settings: Settings, transport: Transport) -> None:
        super().__init__(transport, settings.text_limit)
        self._settings = settings
        self._records = f"{_API}/table/{settings.table}"

    def find(self, run_id: str) -> Ticket | None:
        """Several: the one created first."""
        if not plain(run_id):
            return None
        column = self._settings.run_id_field
        rows = self._rows(
            self._records, f"{column}={run_id}^ORDERBYsys_created_on^ORDERBYnumber", 10
        )
        found = [row for row in rows if _value(row, column) == run_id]
        if any(_value(row, column).casefold() != run_id.casefold() for row in rows):
            raise AdapterError(
                f"the search by {column} finds other records",
                where=self.name,
                hint=f"does {self._settings.table} have that column?",
            )
        return self._ticket(found[0]) if found else None

    def close(self, ticket: str, resolution: str) -> Ticket:
        """Along ``close_path``, every state read back; code and notes go with the last."""
        record = self._record(ticket)
        if _value(record, "state") in self._settings.closed:
            return self._ticket(record)
        text, documents = composed("", resolution, (), self._room("resolution"))
        self._complete(ticket, documents)
        for state in self._way(_value(record, "state")):
            last = state == self._settings.close_path[-1]
            words = {"close_code": self._code(resolution), "close_notes": text} if last else {}
            self._patch(ticket, {"state": state, **words})
            record = self._record(ticket)
            wrong = [
                name for name, sent in {"state": state, **words}.items()
                if not same_text(sent, _value(record, name))
            ]  # fmt: skip
            if wrong:
                raise self._transport.unconfirmed(
                    f"record {ticket} does not show the new {', '.join(wrong)}"
                )
        return self._ticket(record)

    def check(self) -> None:
        """Credentials, the table, its columns as far as a record shows them, the journal."""
        rows = self._rows(self._records, "ORDERBYDESCsys_created_on", 1)
        wanted = {self._settings.run_id_field, *self._settings.fields.values()}
        absent = sorted(wanted - set(rows[0])) if rows else []
        if absent:
            raise AdapterError(
                f"{self._settings.table} has no column that we may read: {', '.join(absent)}",
                where=self.name,
            )
        self._rows(f"{_API}/table/sys_journal_field", "element=work_notes", 1)
        self.find("storewarden-check")

    # Reading

    def _rows(self, path: str, query: str, limit: int, offset: int = 0) -> list[Any]:
        reply = self._transport.get(
            path,
            {
                "sysparm_query": query, "sysparm_display_value": "all",
                "sysparm_exclude_reference_link": "true",
                "sysparm_limit": str(limit), "sysparm_offset": str(offset),
            },
        )  # fmt: skip
        rows = part(reply, "result")
        if not isinstance(rows, list):
            raise self._transport.unconfirmed("the answer is no list", reply.where)
        return rows

    def _all_rows(self, path: str, query: str) -> list[Any]:
        rows: list[Any] = []
        while True:
            page = self._rows(path, query, _PAGE, len(rows))
            rows.extend(page)
            if len(page) < _PAGE:
                return rows

    def _record(self, ticket: str) -> Any:
        reply = self._transport.get(f"{self._records}/{quote(ticket, safe='')}", _BOTH)
        return part(reply, "result")

    def _texts(self, ticket: str) -> list[str]:
        """The work notes, oldest first. A record that shows notes which the journal does not
        is one whose journal we may not read: noting on it would repeat itself for ever."""
        shown = _value(self._record(ticket), "work_notes", "display_value")
        rows = self._all_rows(
            f"{_API}/table/sys_journal_field",
            f"element_id={ticket}^element=work_notes^ORDERBYsys_created_on",
        )
        ours = [row for row in rows if _value(row, "element_id") == ticket]
        if shown.strip() and not ours:
            raise AdapterError(
                "the work notes cannot be read",
                where=f"{self.name}: record {ticket}",
                hint="grant the user read access to sys_journal_field",
            )
        return [_value(row, "value") for row in ours]

    def _papers(self, ticket: str, wanted: tuple[Attachment, ...]) -> list[Paper]:
        if not wanted:
            return []
        sizes = {(paper(document)[0], str(len(document.content))) for document in wanted}
        rows = self._all_rows(
            f"{_API}/attachment",
            f"table_name={self._settings.table}^table_sys_id={ticket}^ORDERBYsys_created_on",
        )
        return [
            (_value(row, "file_name"), self._digest(row))
            for row in rows
            if (_value(row, "file_name"), _value(row, "size_bytes")) in sizes
            and _value(row, "table_sys_id") == ticket
        ]

    def _digest(self, row: Any) -> str:
        """As the instance tells it; older releases do not, so the bytes are read."""
        told = _value(row, "hash")
        if len(told) == 64:
            return told
        reply = self._transport.get(f"{_API}/attachment/{_value(row, 'sys_id')}/file")
        return sha256(reply.content).hexdigest()

    # Writing

    def _created(self, draft: TicketDraft, body: str) -> Ticket:
        values = {
            **self._settings.extra,
            "short_description": one_line(draft.title, self._settings.title_limit),
            "description": body,
            self._settings.run_id_field: draft.run_id,
            **dict(mapped(draft, self._settings.fields, self._settings.values)),
        }
        reply = self._transport.send(
            Call(method="POST", path=self._records, params=_BOTH, json=values)
        )
        record = self._read_new(reply)
        pairs = [
            Compared(name, sent, _nearest(record, name, sent)) for name, sent in values.items()
        ]
        check_made(
            reply.where, _value(record, "number", "display_value"), pairs, self._transport.clean
        )
        return self._oldest(draft.run_id, self._ticket(record))

    def _read_new(self, reply: Reply) -> Any:
        made = part(reply, "result")
        number = _value(made, "sys_id") if isinstance(made, dict) else ""
        if not number:
            raise self._transport.unconfirmed("the new record has no sys_id", reply.where)
        again = self._transport.send(
            Call(method="GET", path=f"{self._records}/{number}", params=_BOTH, accept={404})
        )
        if again.status == 404:
            raise self._transport.unconfirmed("the new record is not there", reply.where)
        return part(again, "result")

    def _patch(self, ticket: str, values: Mapping[str, str]) -> None:
        self._transport.send(
            Call(
                method="PATCH",
                path=f"{self._records}/{quote(ticket, safe='')}",
                params=_BOTH,
                json=values,
            )
        )

    def _write(self, ticket: str, text: str) -> None:
        self._patch(ticket, {"work_notes": text})

    def _upload(self, ticket: str, document: Attachment) -> None:
        self._transport.send(
            Call(
                method="POST",
                path=f"{_API}/attachment/file",
                params={
                    "table_name": self._settings.table, "table_sys_id": ticket,
                    "file_name": paper(document)[0],
                },
                content=document.content,
                headers={"Content-Type": document.media_type},
            )
        )  # fmt: skip

    def _shown(self, ticket: Ticket) -> str:
        return ticket.url

    def _way(self, state: str) -> tuple[str, ...]:
        """What is left of the path from ``state``; all of it from a state that is not on it."""
        path = self._settings.close_path
        return path[path.index(state) + 1 :] if state in path else path

    def _code(self, resolution: str) -> str:
        codes = self._settings.close_codes
        begins = [word for word in codes if resolution.startswith(word)]
        return codes[max(begins, key=len)] if begins else ""

    def _ticket(self, record: Any) -> Ticket:
        number = _value(record, "sys_id")
        return Ticket(
            id=number,
            run_id=_value(record, self._settings.run_id_field),
            title=_value(record, "short_description"),
            open=_value(record, "state") not in self._settings.closed,
            url=f"{self._transport.base}/nav_to.do?uri="
            + quote(f"{self._settings.table}.do?sys_id={number}", safe=""),
        )


_BOTH = {"sysparm_display_value": "all", "sysparm_exclude_reference_link": "true"}


def _value(record: Any, name: str, which: str = "value") -> str:
    """A field's value; fields come as texts or as pairs of value and display value."""
    held = record.get(name) if isinstance(record, dict) else None
    if isinstance(held, dict):
        held = held.get(which)
    return "" if held is None else str(held)


def _nearest(record: Any, name: str, sent: str) -> str:
    """What was read, in the spelling in which it was sent: people configure either."""
    shown = _value(record, name, "display_value")
    return shown if shown == sent else _value(record, name)
