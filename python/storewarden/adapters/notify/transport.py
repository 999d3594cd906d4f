# SPDX-License-Identifier: GPL-3.0-or-later
"""How every channel over HTTP is reached, so that failures mean the same everywhere.

A robot's url *is* its password. So it is read by reference for every message, it never
stands in a text of ours, and httpx, which logs the url of every request, is kept quiet
while ours are under way. Redirects are not followed: they would carry the message to
somewhere nobody configured.

An answer of success only says that a web server was reached; whether the message was
taken is for the channel to read out of the body.
"""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from storewarden.adapters.notify.settings import WebSettings, key_of
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret, Secrets

_LARGEST_ANSWER = 64 * 1024  # bytes; a robot answers with a line
_LONGEST_WORDS = 160
_LONGEST_WAIT = timedelta(days=1)
_LATER = frozenset({408, 423, 425, 429})
_NEVER = frozenset({501, 505})
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy")
_OURS: ContextVar[bool] = ContextVar("storewarden_notify", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; ``where`` names channel and host, and no more of the url."""

    status: int
    body: bytes
    where: str
    headers: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[Secret, ...] = ()

    def data(self) -> Mapping[str, Any]:
        """The body as a JSON object; a retryable AdapterError when it is none."""
        try:
            read = json.loads(self.body)
        except ValueError:
            read = None
        if isinstance(read, dict):
            return read
        raise AdapterError(
            f"answered {self.status} with something that is no JSON object",
            where=self.where,
            hint="a gateway or a login page is in between, or the url is of something else",
            retryable=True,
        )

    def said(self, words: object) -> str:
        """Their own words on one short line, without our secrets."""
        return said(words, self.hidden)


class Wire:
    """One channel's way out. ``close`` lets go of the connections."""

    def __init__(self, channel: str, settings: WebSettings, secrets: Secrets) -> None:
        """Raises ConfigInvalid for a CA file or a proxy that cannot be used."""
        self._channel = channel
        self._reference = settings.url
        self._secrets = secrets
        key = key_of(channel)
        try:
            self._client = httpx.Client(
                verify=_tls(settings.ca_file, key),
                timeout=settings.timeout_seconds,
                follow_redirects=False,
                trust_env=False,
                proxy=settings.proxy or None,
                headers={"User-Agent": "storewarden"},
            )
        except (httpx.InvalidURL, ValueError):
            raise ConfigInvalid("is no url of a proxy", where=f"{key}.proxy") from None

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def post(
        self,
        payload: bytes,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        hidden: tuple[Secret, ...] = (),
    ) -> Answer:
        """Send JSON. ``params`` are added to the url, ``hidden`` never shows in an error.

        Raises AdapterError when there is no answer or one with another status than 2xx.
        """
        secret = self._secrets.read(self._reference)
        url = self._url(secret, params or {})
        sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        answer = self._sent(url, payload, sent, (secret, *_parts(url), *hidden))
        if 200 <= answer.status < 300:
            return answer
        raise _refused(answer)

    def _url(self, secret: Secret, params: Mapping[str, str]) -> httpx.URL:
        try:
            url = httpx.URL(secret.reveal().strip())
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigInvalid(
                f"the secret behind {self._reference} is no url of a robot",
                where=f"{key_of(self._channel)}.url",
                hint="it must begin with https:// and is given by the robot's own page",
            )
        return url.copy_merge_params(dict(params)) if params else url

    def _sent(
        self, url: httpx.URL, payload: bytes, headers: Mapping[str, str], hidden: tuple[Secret, ...]
    ) -> Answer:
        where = f"{self._channel} ({url.host})"
        try:
            with (
                _quiet(),
                self._client.stream(
                    "POST", url, content=payload, headers=dict(headers)
                ) as response,
            ):
                return Answer(
                    status=response.status_code,
                    body=_limited(response),
                    where=where,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    hidden=hidden,
                )  # fmt: skip
        except httpx.HTTPError as error:
            distrusted = _distrusted(error)
            raise AdapterError(
                f"not reached: {said(str(error) or type(error).__name__, hidden)}",
                where=where,
                hint="trust its authority with ca_file, or correct the url"
                if distrusted
                else "is the network up, and is the host right?",
                retryable=not distrusted,
            ) from None


def said(words: object, hidden: tuple[Secret, ...]) -> str:
    """Anybody's words on one short line, without ``hidden``."""
    text = str(words)
    for value in sorted({each.reveal() for each in hidden}, key=len, reverse=True):
        if value:
            text = text.replace(value, "***")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST_WORDS else f"{line[: _LONGEST_WORDS - 1]}…"


def later(status: int) -> bool:
    """Whether the same request may be taken later."""
    return status in _LATER or (500 <= status < 600 and status not in _NEVER)


def _refused(answer: Answer) -> AdapterError:
    words = answer.said(answer.body.decode("utf-8", "replace"))
    wait = answer.headers.get("retry-after", "")
    return AdapterError(
        f"answered {answer.status}: {words}" if words else f"answered {answer.status}",
        where=answer.where,
        hint="is the url still the robot's?" if answer.status in (401, 403, 404) else "",
        retryable=later(answer.status),
        retry_after=min(timedelta(seconds=int(wait[:9])), _LONGEST_WAIT)
        if wait.isdecimal()
        else None,
    )


def _parts(url: httpx.URL) -> tuple[Secret, ...]:
    """The pieces of a url that are secret by themselves, as an error text might repeat them."""
    path = [part for part in url.path.split("/") if len(part) >= 16]
    values = [value for _, value in url.params.multi_items() if len(value) >= 8]
    user = [url.password] if url.password else []
    return tuple(Secret(part) for part in (*path, *values, *user))


def _limited(response: httpx.Response) -> bytes:
    body = b""
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            break
    return body[:_LARGEST_ANSWER]


def _distrusted(error: BaseException | None) -> bool:
    """Whether a certificate was the reason; nobody's patience changes that."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _tls(ca_file: str, key: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError):
        raise ConfigInvalid(
            "is no readable file of certificate authorities", where=f"{key}.ca_file"
        ) from None


class _Ours(logging.Filter):
    """Drops what httpx has to say of our requests; those of others pass."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - all or none
        return not _OURS.get()


_FILTER = _Ours()


@contextmanager
def _quiet() -> Iterator[None]:
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)  # adding it again changes nothing
    token = _OURS.set(True)
    try:
        yield
    finally:
        _OURS.reset(token)
