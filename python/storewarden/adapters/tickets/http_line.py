# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a system that the site has described: credentials, conditions, pages.

Many systems answer 200 to everything and say in the body what they mean. So each answer goes
through the site's conditions: an expired token is renewed once, ``again`` is an outage, and
what does not fulfil ``success`` is a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from storewarden.adapters.tickets.http_settings import Compiled
from storewarden.adapters.tickets.settings import RestSettings, key_of
from storewarden.adapters.tickets.templates import NAME, Query, Step
from storewarden.adapters.tickets.transport import Access, Reply, Transport, Upload
from storewarden.domain.errors import AdapterError
from storewarden.ports.secrets import Secret, Secrets

_MOST_PAGES = 1000

type Files = tuple[tuple[str, Upload], ...]


class Gatekeeper:
    """Reads the secrets, logs in where that is needed, and fills in the headers."""

    def __init__(self, compiled: Compiled, secrets: Secrets) -> None:
        self._compiled = compiled
        self._secrets = secrets
        self.values: Mapping[str, object] = {}

    def __repr__(self) -> str:
        """Never the values."""
        return "<Gatekeeper>"

    def check(self) -> None:
        """Raises ConfigInvalid for a reference that leads nowhere."""
        for reference in self._compiled.settings.secrets.values():
            self._secrets.read(reference)

    def __call__(self) -> Access:
        """For the Transport."""
        read = {
            name: self._secrets.read(reference)
            for name, reference in self._compiled.settings.secrets.items()
        }
        shown = {name: secret.reveal() for name, secret in read.items()}
        kept = list(read.values())
        token = self._token({"secret": shown, "login": ""}, tuple(kept))
        if token:
            kept.append(Secret(token))
        self.values = {"secret": shown, "login": token}
        step = self._compiled.headers
        headers = step.call(self.values, method="GET").headers
        # a header may spell its secrets in a way of its own, like Basic
        kept.extend(Secret(headers[name].split()[-1]) for name in step.confidential)
        return Access(headers=headers, secrets=tuple(kept))

    def _token(self, values: Mapping[str, object], secrets: tuple[Secret, ...]) -> str:
        login = self._compiled.login
        if login is None:
            return ""
        settings = self._compiled.settings
        plain = RestSettings(
            url=settings.url,
            timeout_seconds=settings.timeout_seconds,
            ca_file=settings.ca_file,
            verify_tls=settings.verify_tls,
            proxy=settings.proxy,
        )
        transport = Transport(NAME, plain, lambda: Access(secrets=secrets))
        try:
            reply = transport.send(login.call(values, method="POST"))
            judged(self._compiled, transport, login, reply)
            token = self._compiled.query("login.token").text(reply.json())
        finally:
            transport.close()
        if not token:  # the answer is not repeated: it may hold the token under another name
            raise AdapterError(
                "finds no token in the answer to the login", where=key_of(NAME, "login.token")
            )
        return token


class Line:
    """The connection, as ``HttpTickets`` uses it."""

    def __init__(self, compiled: Compiled, gatekeeper: Gatekeeper) -> None:
        self._compiled = compiled
        self._gatekeeper = gatekeeper
        self.transport = Transport(NAME, compiled.settings, gatekeeper, eager=False)

    def ask(self, step: Step, values: Mapping[str, object], *, files: Files = ()) -> Any:
        """The JSON answer to a read (GET unless the step names another method)."""
        return self._judged(step, self._reply(step, values, "GET", files)).json()

    def tell(self, step: Step, values: Mapping[str, object], *, files: Files = ()) -> Any:
        """The JSON answer to a write (POST unless named); None for an empty one."""
        reply = self._judged(step, self._reply(step, values, "POST", files))
        return reply.json() if reply.content.strip() else None

    def fetch(self, step: Step, values: Mapping[str, object]) -> bytes:
        """The bytes of a file."""
        reply = self._reply(step, values, "GET", ())
        if not 200 <= reply.status < 300:
            raise self.transport.refusal(reply)
        return reply.content

    def records(self, step: Step, query: Query, values: Mapping[str, object]) -> Iterator[Any]:
        """The records of a listing, of all its pages."""
        before: list[Any] = []
        for page in range(1, _MOST_PAGES + 1):
            found = query.items(self.ask(step, {**values, "page": page}))
            if found == before or not found:  # a page that is ignored comes again and again
                return
            yield from found
            if not step.pages:
                return
            before = found
        raise AdapterError(f"{_MOST_PAGES} pages and no end", where=query.key)

    def _reply(self, step: Step, values: Mapping[str, object], method: str, files: Files) -> Reply:
        reply = self._sent(step, values, method, files)
        if self._expired(reply) and self.transport.renew():
            reply = self._sent(step, values, method, files)
        return reply

    def _sent(self, step: Step, values: Mapping[str, object], method: str, files: Files) -> Reply:
        self.transport.prepare()
        call = step.call({**self._gatekeeper.values, **values}, method=method, files=files)
        return self.transport.send(call)

    def _expired(self, reply: Reply) -> bool:
        return reply.status == 401 or _holds(self._compiled.query("expired"), reply)

    def _judged(self, step: Step, reply: Reply) -> Reply:
        return judged(self._compiled, self.transport, step, reply)


def judged(compiled: Compiled, transport: Transport, step: Step, reply: Reply) -> Reply:
    """The answer itself, if it means success; else the AdapterError for what it means."""
    if not 200 <= reply.status < 300:
        raise transport.refusal(reply)
    if _holds(compiled.query("again"), reply):
        raise AdapterError(
            f"asks to try later: {transport.said(reply)}", where=reply.where, retryable=True
        )
    own = bool(step.request.success)
    condition = step.success if own else compiled.query("success")
    asked = own or bool(compiled.settings.success)
    if asked and reply.content.strip() and not condition.of(reply.json()):
        raise AdapterError(f"refused: {transport.said(reply)}", where=reply.where)
    return reply


def _holds(condition: Query, reply: Reply) -> bool:
    """Whether a condition is given, and true of the answer."""
    try:
        return bool(condition.of(json.loads(reply.content)))
    except ValueError:
        return False
