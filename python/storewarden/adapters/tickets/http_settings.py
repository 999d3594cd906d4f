# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of ``system: http``, and the same compiled.

docs/operators/tickets.md explains them with an example; names of variables are part of the
interface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from storewarden.adapters.settings import (
    AdapterSettings,
    Named,
    SecretRef,
    at_least,
    wrong,
)
from storewarden.adapters.tickets.settings import RestSettings
from storewarden.adapters.tickets.templates import PATH, Query, Request, Step, Template


class Login(Request):
    """A request that gives a token, asked for again when the token has expired."""

    token: str


class Listing(Request):
    """A request that answers with records. With ``page`` in its path it is asked page by page
    until one brings nothing new."""

    list: str = "@"


class Reading(Request):
    """A request that answers with one record."""

    record: str = "@"


class Creating(Request):
    """A request that answers with the id of what it made."""

    id: str


class NoteListing(Listing):
    """The notes of a ticket; ``html`` says that their texts are HTML."""

    text: str
    html: bool = False
    newest_first: bool = False


class Attaching(Request):
    """An upload: as the form's file ``file_field``, or inside ``body`` as ``content_base64``."""

    file_field: str = ""


class FileListing(Listing):
    """The files of a ticket. ``id`` is what ``download`` gets as ``file``."""

    name: str
    size: str = ""
    id: str = ""


class TicketFields(AdapterSettings):
    """Where the parts of a ticket stand in a record; ``open`` must be true or false.

    With ``body`` the text of a new ticket is compared, too; ``html`` says that it is HTML.
    ``url`` is a template for the page that people open.
    """

    id: str
    run_id: str
    title: str
    open: str
    body: str = ""
    html: bool = False
    url: str = ""


class Settings(RestSettings):
    """``success``, ``expired`` and ``again`` are conditions on every JSON answer: it worked; the
    token is no longer valid; try later. ``note_limit`` is in characters."""

    find: Listing
    read: Reading
    ticket: TicketFields
    create: Creating
    note: Request
    notes: NoteListing
    close: Request
    attach: Attaching | None = None
    files: FileListing | None = None
    download: Request | None = None
    login: Login | None = None
    secrets: Named[SecretRef] = Field(default_factory=dict)
    headers: Named[str] = Field(default_factory=dict)
    success: str = ""
    expired: str = ""
    again: str = ""
    note_limit: Annotated[int, at_least(500)] = 60000

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Keys that need each other."""
        if (self.attach is None) != (self.files is None):
            raise wrong(
                "attach and files go together: what was sent is read back",
                key="files" if self.attach else "attach",
            )
        if self.download is not None and not (self.files and self.files.id):
            raise wrong("needs files.id", key="download")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSteps:
    """How files are brought and read back; ``field`` is the form's field for the file."""

    attach: Step
    field: str
    files: Step
    download: Step | None


class Compiled:
    """The settings with every template and expression ready for use."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigInvalid for the first that is wrong."""
        self.settings = settings
        self.find = Step("find", settings.find, {"run_id", "page"})
        self.read = Step("read", settings.read, {"id"})
        self.create = Step("create", settings.create, {"run_id", "title", "body", "fields"})
        self.note = Step("note", settings.note, {"id", "key", "text"})
        self.notes = Step("notes", settings.notes, {"id", "page"})
        self.close = Step("close", settings.close, {"id", "run_id", "resolution"})
        self.files = _file_steps(settings)
        self.login = Step("login", settings.login, ()) if settings.login else None
        self.headers = Step("headers", Request(path="", headers=settings.headers), ())
        self.url = Template("ticket.url", settings.ticket.url, {"id", "run_id"}, PATH)
        self._queries = {
            key: Query(key, expression) for key, expression in _expressions(settings).items()
        }

    def query(self, key: str) -> Query:
        """The expression under ``key``, like ``ticket.title``."""
        return self._queries[key]


def _file_steps(settings: Settings) -> FileSteps | None:
    """None when the site did not say how files are brought."""
    if settings.attach is None or settings.files is None:
        return None
    known = {"id", "key", "name", "media_type", "size", "sha256", "content_base64"}
    download = settings.download
    return FileSteps(
        attach=Step("attach", settings.attach, known),
        field=settings.attach.file_field,
        files=Step("files", settings.files, {"id", "page"}),
        download=Step("download", download, {"id", "file", "name"}) if download else None,
    )


def _expressions(settings: Settings) -> dict[str, str]:
    """Every JMESPath expression by its key."""
    found = {
        "success": settings.success,
        "expired": settings.expired,
        "again": settings.again,
        "find.list": settings.find.list,
        "read.record": settings.read.record,
        "create.id": settings.create.id,
        "notes.list": settings.notes.list,
        "notes.text": settings.notes.text,
        "login.token": settings.login.token if settings.login else "",
    }
    for name in ("id", "run_id", "title", "open", "body"):
        found[f"ticket.{name}"] = getattr(settings.ticket, name)
    if settings.files:
        for name in ("list", "name", "size", "id"):
            found[f"files.{name}"] = getattr(settings.files, name)
    return found
