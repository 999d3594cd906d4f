# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and answers described by the site: Jinja2 for what is sent, JMESPath for what comes.

Everything is compiled when the settings are read, so a misspelt variable is a refusal at the
start and not a failed ticket at night. Templates run in Jinja2's sandbox. What a template puts
into a path is quoted by itself; into a header, it must be one line.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import Field

from storewarden.adapters import queries
from storewarden.adapters.settings import AdapterSettings, Named
from storewarden.adapters.tickets.settings import key_of
from storewarden.adapters.tickets.transport import Call, Upload
from storewarden.domain.errors import AdapterError, ConfigInvalid

NAME = "http"
_ALWAYS = frozenset({"secret", "login"})
_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h\d)>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


class Request(AdapterSettings):
    """One request. ``body``: keys with values become JSON (or a form), text is sent as it is.

    ``success`` replaces the section's own condition for this request.
    """

    path: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    headers: Named[str] = Field(default_factory=dict)
    body: object = None
    form: bool = False
    success: str = ""


class Query(queries.Query):
    """A JMESPath expression of this section, compiled; empty finds nothing."""

    __slots__ = ()

    def __init__(self, key: str, expression: str) -> None:
        super().__init__(key_of(NAME, key), expression)


class Template:
    """One text with variables, compiled for the place it is put into."""

    __slots__ = ("_compiled", "key", "variables")

    def __init__(
        self, key: str, source: str, known: Collection[str], room: ImmutableSandboxedEnvironment
    ) -> None:
        self.key = key_of(NAME, key)
        try:
            self.variables = meta.find_undeclared_variables(room.parse(source))
            self._compiled = room.from_string(source)
        except TemplateError as error:
            raise ConfigInvalid(f"is no template: {_first_line(error)}", where=self.key) from None
        if unknown := sorted(self.variables - set(known) - _ALWAYS):
            raise ConfigInvalid(
                f"unknown variable {unknown[0]}",
                where=self.key,
                hint=f"known here: {', '.join(sorted({*known, *_ALWAYS}))}",
            )

    def fill(self, values: Mapping[str, object]) -> str:
        """The text; AdapterError when a value is not there or does not fit."""
        try:
            return self._compiled.render(values)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            # its text may hold values, and values may be secrets
            raise AdapterError(
                f"cannot be filled in ({type(error).__name__})", where=self.key
            ) from None


class Step:
    """A request of the settings, compiled. ``known`` are the variables it may use."""

    def __init__(self, key: str, request: Request, known: Collection[str]) -> None:
        self.key = key
        self.request = request
        self._path = Template(f"{key}.path", request.path, known, PATH)
        self._headers = _tree(f"{key}.headers", request.headers, known, HEADER)
        self._body = _tree(f"{key}.body", request.body, known, TEXT)
        self.success = Query(f"{key}.success", request.success)
        if request.form and not isinstance(request.body, Mapping):
            raise ConfigInvalid("a form needs keys with values", where=key_of(NAME, f"{key}.body"))

    @property
    def confidential(self) -> frozenset[str]:
        """The headers that are made of secrets."""
        made = self._headers.items() if isinstance(self._headers, dict) else ()
        return frozenset(name for name, template in made if template.variables & _ALWAYS)

    @property
    def pages(self) -> bool:
        """Whether it is to be asked page by page."""
        return "page" in self._path.variables

    def call(
        self,
        values: Mapping[str, object],
        *,
        method: str,
        files: tuple[tuple[str, Upload], ...] = (),
    ) -> Call:
        """The request with these values; ``method`` is for those that name none."""
        body = _filled(self._body, values)
        form = bool(files) or self.request.form
        return Call(
            method=self.request.method or method,
            path=self._path.fill(values),
            headers=_filled(self._headers, values),
            json=None if form or isinstance(body, str) else body,
            form={k: str(v) for k, v in body.items()} if form and isinstance(body, dict) else None,
            content=body.encode() if isinstance(body, str) else None,
            files=files,
            accept=range(400, 600),
        )


def plain(text: str) -> str:
    """The words of an HTML text, with its line breaks."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text)))


def _as_html(text: object) -> str:
    return html.escape(str(text), quote=False).replace("\n", "<br>")


def _quoted(value: object) -> object:
    """For paths; an undefined value passes, so that Jinja2 refuses it."""
    return value if isinstance(value, StrictUndefined) else quote(str(value), safe="")


def _one_line(value: object) -> object:
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("a header is one line")
    return value


def _room(finalize: Any = None) -> ImmutableSandboxedEnvironment:
    room = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=finalize, keep_trailing_newline=True
    )
    room.filters["html"] = _as_html
    return room


PATH = _room(_quoted)
HEADER = _room(_one_line)
TEXT = _room()


def _tree(
    key: str, value: object, known: Collection[str], room: ImmutableSandboxedEnvironment
) -> object:
    """Every text in nested keys and lists as a template; numbers and truths stay themselves."""
    if isinstance(value, str):
        return Template(key, value, known, room)
    if isinstance(value, Mapping):
        return {str(k): _tree(f"{key}.{k}", v, known, room) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_tree(f"{key}.{n}", v, known, room) for n, v in enumerate(value)]
    return value


def _filled(tree: object, values: Mapping[str, object]) -> Any:
    if isinstance(tree, Template):
        return tree.fill(values)
    if isinstance(tree, dict):
        return {name: _filled(value, values) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_filled(value, values) for value in tree]
    return tree


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
