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
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from storewarden.adapters.http_answers import excerpt, later, redacted, retry_after
from storewarden.adapters.http_client import authorities, distrusted, http_client
from storewarden.adapters.notify.settings import WebSettings, key_of
from storewarden.adapters.quiet_http import quiet
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret, Secrets

_LARGEST_ANSWER = 64 * 1024  # bytes; a robot answers with a line
_LONGEST_WORDS = 160


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
        self._client = http_client(
            key,
            authorities(key, settings.ca_file),
            timeout_seconds=settings.timeout_seconds,
            proxy=settings.proxy,
        )

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
                quiet(),
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
            never = distrusted(error)
            raise AdapterError(
                f"not reached: {said(str(error) or type(error).__name__, hidden)}",
                where=where,
                hint="trust its authority with ca_file, or correct the url"
                if never
                else "is the network up, and is the host right?",
                retryable=not never,
            ) from None


def said(words: object, hidden: tuple[Secret, ...]) -> str:
    """Anybody's words on one short line, without ``hidden``."""
    return excerpt(redacted(str(words), hidden), longest=_LONGEST_WORDS)


def _refused(answer: Answer) -> AdapterError:
    words = answer.said(answer.body.decode("utf-8", "replace"))
    return AdapterError(
        f"answered {answer.status}: {words}" if words else f"answered {answer.status}",
        where=answer.where,
        hint="is the url still the robot's?" if answer.status in (401, 403, 404) else "",
        retryable=later(answer.status),
        retry_after=retry_after(answer.headers),
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
