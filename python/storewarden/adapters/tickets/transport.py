# SPDX-License-Identifier: GPL-3.0-or-later
"""How every ticket adapter speaks HTTP, so that failures mean the same everywhere.

An answer is either given back (2xx, and statuses the caller asked to see) or becomes an
``AdapterError``: retryable when the other side may take the same request later, permanent
when a person has to look. Error texts are one line, cut short, with every secret taken out;
nothing is logged, not even by httpx itself. Redirects are never followed: they would carry
the credentials to somewhere nobody configured.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

import httpx

from storewarden.adapters.http_answers import excerpt, later, redacted, retry_after
from storewarden.adapters.http_client import authorities, distrusted, http_client
from storewarden.adapters.quiet_http import quiet
from storewarden.adapters.tickets.settings import RestSettings, key_of
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret

_PATIENCE = 10  # one whole answer may take this many times the wait for a single packet
_SETTLES = timedelta(minutes=2)  # gateways and web servers give up on a request after a minute
_GATEWAY_TIMEOUT = 504
_LARGEST = 64 * 1024 * 1024  # bytes of an answer that we still read
_HINTS = {
    401: "the credentials are wrong or have expired",
    403: "the user of these credentials may not do this",
    404: "is the url right, and does the ticket still exist?",
    413: "the other side takes no text or file of this size",
}

type Upload = tuple[str, bytes, str]
"""File name, bytes, media type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Credentials as they are sent; ``secrets`` is what must never be seen in a text."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. ``path`` is below the system's url, its parts quoted by the caller.

    ``accept`` are statuses besides 2xx that the caller wants to see as an answer.
    """

    method: str
    path: str
    params: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    json: object = None
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    files: Sequence[tuple[str, Upload]] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    accept: Collection[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; header names are in lower case, ``where`` names the request for errors."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    where: str

    @property
    def etag(self) -> str:
        """The version of what was read; empty without one."""
        return self.headers.get("etag", "")

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        A page where JSON should be is nearly always a gateway's or a maintenance page, so
        the error is retryable; ``check`` shows it to whoever configured a wrong url.
        """
        try:
            return json.loads(self.content)
        except ValueError:
            raise AdapterError(
                f"answered {self.status} with something that is not JSON",
                where=self.where,
                hint="a maintenance page, a login page, or the wrong url",
                retryable=True,
            ) from None


class Transport:
    """One system's connection. Not shared between threads; ``close`` it in ``shut``.

    ``access`` is called for the credentials when they are first needed and once more
    after a 401, so that a rotated secret is found without a restart.
    """

    __slots__ = ("_access", "_client", "_given", "_patience", "base", "system")

    def __init__(
        self,
        system: str,
        settings: RestSettings,
        access: Callable[[], Access] | None = None,
        *,
        eager: bool = True,
    ) -> None:
        """Raises ConfigInvalid for an unreadable CA file or a secret that leads nowhere.

        ``eager`` False leaves the credentials until the first request: for an ``access``
        that has to log in somewhere.
        """
        self.system = system
        self.base = settings.url.rstrip("/")
        self._access = access or Access
        self._patience = _PATIENCE * settings.timeout_seconds
        self._client = http_client(
            key_of(system),
            _tls(system, settings),
            timeout_seconds=settings.timeout_seconds,
            proxy=settings.proxy,
            headers={"Accept": "application/json"},
        )
        self._given: Access | None = None
        if eager:
            with suppress(AdapterError):  # the vault is away: asked again at the first request
                self._given = self._access()

    def __repr__(self) -> str:
        """Where it leads, never with what."""
        return f"<Transport {self.system} {self.base}>"

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def send(self, call: Call) -> Reply:
        """The answer; AdapterError when there is none, or none that was asked for."""
        reply = self._sent(call)
        if reply.status == 401 and self.renew():
            reply = self._sent(call)
        if 200 <= reply.status < 300 or reply.status in call.accept:
            return reply
        refusal = self.refusal(reply)
        if reply.status == _GATEWAY_TIMEOUT and refusal.retry_after is None:
            refusal.retry_after = _settle(call)
        raise refusal

    def prepare(self) -> None:
        """Have the credentials at hand; a request does this by itself."""
        if self._given is None:
            self._given = self._read_access()

    def renew(self) -> bool:
        """Read the credentials anew; whether they have become others."""
        before = self._given
        self._given = self._read_access()
        return before is not None and self._given.headers != before.headers

    def get(self, path: str, params: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> Reply:
        """Shorthand for the most frequent request."""
        return self.send(Call(method="GET", path=path, params=params))

    def refusal(self, reply: Reply, what: str = "") -> AdapterError:
        """The error for an answer that is no success (also for a 200 that says so in words)."""
        said = self.said(reply)
        status = reply.status
        text = what or f"answered {status}"
        return AdapterError(
            f"{text}: {said}" if said else text,
            where=reply.where,
            hint=_HINTS.get(status, ""),
            retryable=later(status),
            retry_after=retry_after(reply.headers),
        )

    def unconfirmed(self, what: str, where: str = "") -> AdapterError:
        """The error for a write that was answered with success and cannot be read back."""
        return AdapterError(
            f"not recorded: {self.clean(what)}",
            where=where or self.system,
            hint="the ticket system answered with success but shows something else",
            retryable=True,
        )

    def said(self, reply: Reply) -> str:
        """One short line of what the other side said, without secrets."""
        return excerpt(self.clean(reply.text), reply.headers.get("content-type", ""))

    def clean(self, text: str) -> str:
        """Any text with every secret of this connection taken out."""
        return redacted(text, self._secrets())

    def _secrets(self) -> Iterable[Secret]:
        return self._given.secrets if self._given else ()

    def _read_access(self) -> Access:
        try:
            return self._access()
        except ConfigInvalid as error:
            raise AdapterError(error.what, where=error.where, hint=error.hint) from None

    def _sent(self, call: Call) -> Reply:
        self.prepare()
        where = f"{self.system}: {call.method} {self.clean(call.path.split('?')[0])}"
        try:
            with quiet():
                return self._exchanged(call, where)
        except httpx.TimeoutException as error:
            raise _unheard("did not answer in time", where, _settle(call, error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            _unreached(error, self.clean(str(error)), where)

    def _headers(self, call: Call) -> dict[bytes, bytes]:
        """In UTF-8, because tokens need not be ASCII."""
        given = self._given.headers if self._given else {}
        return {n.encode(): value.encode() for n, value in {**given, **call.headers}.items()}

    def _exchanged(self, call: Call, where: str) -> Reply:
        deadline = time.monotonic() + self._patience
        content, size = [], 0
        with self._client.stream(
            call.method,
            f"{self.base}/{call.path.lstrip('/')}" if call.path else self.base,
            params=_params(call),
            json=call.json,
            data=dict(call.form) if call.form is not None else None,
            content=call.content,
            files=list(call.files) or None,
            headers=self._headers(call),
        ) as response:
            for piece in response.iter_bytes():
                content.append(piece)
                size += len(piece)
                if size > _LARGEST or time.monotonic() > deadline:
                    raise _unheard("answers without end", where)
            return Reply(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                content=b"".join(content),
                where=where,
            )


def _params(call: Call) -> httpx.QueryParams | None:
    """None keeps a query that stands in the path; an empty one would remove it."""
    pairs = tuple(call.params.items() if isinstance(call.params, Mapping) else call.params)
    return httpx.QueryParams(pairs) if pairs else None


def _tls(system: str, settings: RestSettings) -> ssl.SSLContext:
    context = authorities(key_of(system), settings.ca_file)
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _settle(call: Call, error: httpx.TimeoutException | None = None) -> timedelta | None:
    """How long to leave the other side alone after a write that it did not answer.

    It may still be at it: whoever looks too soon does not find what is being written, and
    writes it a second time.
    """
    begun = not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
    return _SETTLES if begun and call.method not in ("GET", "HEAD") else None


def _unheard(what: str, where: str, settle: timedelta | None = None) -> AdapterError:
    return AdapterError(what, where=where, retryable=True, retry_after=settle)


def _unreached(error: Exception, text: str, where: str) -> NoReturn:
    """A certificate that nobody trusts, or a wrong url, will not get better by waiting."""
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        raise AdapterError(f"cannot be asked: {excerpt(text)}", where=where) from None
    if isinstance(error, httpx.LocalProtocolError):  # its text repeats the header
        raise AdapterError(
            "cannot be asked: a header is not one line of text", where=where
        ) from None
    if distrusted(error):
        raise AdapterError(
            "its certificate is not trusted", where=where, hint="set ca_file to its CA"
        ) from None
    raise _unheard(f"cannot be reached: {excerpt(text) or type(error).__name__}", where) from None
