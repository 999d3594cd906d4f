# SPDX-License-Identifier: GPL-3.0-or-later
"""How a monitoring system is asked, and when its answer counts.

An answer from which something is missing would end alerts that still fire. So only a whole one
counts: success, JSON, within its time and size. Everything else is an AdapterError.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, model_validator

from storewarden.adapters.http_answers import excerpt, later, redacted
from storewarden.adapters.http_client import authorities, distrusted, http_client
from storewarden.adapters.quiet_http import quiet
from storewarden.adapters.settings import AdapterSettings, FilePath, SecretRef, up_to, wrong
from storewarden.domain.errors import AdapterError
from storewarden.ports.secrets import Secret, Secrets

_LARGEST = 32 * 1024 * 1024  # bytes; 10,000 alerts with their annotations are 15 MB
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
_HINTS = {
    401: "is the token still good?",
    403: "may the token read this?",
    404: "is the url the system's own, without the path of its API?",
}


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong("is not a url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not fits:
        raise wrong("must begin with https:// or http:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise wrong("must hold neither user, password, query nor fragment")
    return url.rstrip("/")


class LineSettings(AdapterSettings):
    """``token`` is a reference; without TLS it is sent to this machine only. ``timeout_seconds``
    is how long one answer may take in all."""

    url: Annotated[str, AfterValidator(_url)]
    token: SecretRef | None = None
    ca_file: FilePath | None = None
    proxy: str = ""
    timeout_seconds: Annotated[float, up_to(120)] = 20.0

    @model_validator(mode="after")
    def _no_token_in_the_clear(self) -> LineSettings:
        parts = urlsplit(self.url)
        if self.token and parts.scheme == "http" and parts.hostname not in _HERE:
            raise wrong("must begin with https://", key="url", hint="its token would be readable")
        return self


class Line:
    """One system. ``key`` is its section of the settings; a connection lasts for one question."""

    def __init__(self, key: str, settings: LineSettings, secrets: Secrets) -> None:
        self._key = key
        self._settings = settings
        self._secrets = secrets
        self.where = urlsplit(settings.url).netloc

    def token(self) -> Secret | None:
        """Read anew, so that one that was changed is found."""
        return self._secrets.read(self._settings.token) if self._settings.token else None

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        bearer: Secret | None = None,
        hidden: tuple[Secret, ...] = (),
    ) -> Any:
        """The JSON of a 200; AdapterError for anything else. ``hidden`` never shows in a text."""
        hidden = (*hidden, *((bearer,) if bearer else ()))
        end = time.monotonic() + self._settings.timeout_seconds
        headers = {"Accept": "application/json"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer.reveal()}"
        try:
            with (
                self._client(headers) as client,
                quiet(),
                client.stream(
                    method, f"{self._settings.url}{path}", params=query, json=body
                ) as response,
            ):
                content = self._read(response, end)
        except httpx.HTTPError as error:
            raise self._unreached(error, hidden) from None
        if response.status_code != 200:
            raise self._refused(response, content, hidden)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise AdapterError(
                "answered something that is no JSON",
                where=self.where,
                hint="a gateway or a login page is in between, or the url is of something else",
                retryable=True,
            ) from None

    def _client(self, headers: Mapping[str, str]) -> httpx.Client:
        return http_client(
            self._key,
            authorities(self._key, self._settings.ca_file),
            timeout_seconds=self._settings.timeout_seconds,
            proxy=self._settings.proxy,
            headers=headers,
        )

    def _read(self, response: httpx.Response, end: float) -> bytes:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > _LARGEST:
                raise AdapterError("its answer is larger than 32 MiB", where=self.where)
            if time.monotonic() > end:
                raise self._late()
        return bytes(content)

    def _late(self) -> AdapterError:
        return AdapterError(
            f"did not answer within {self._settings.timeout_seconds:g} s",
            where=self.where,
            retryable=True,
        )

    def _refused(
        self, response: httpx.Response, content: bytes, hidden: tuple[Secret, ...]
    ) -> AdapterError:
        text = redacted(content.decode("utf-8", "replace"), hidden)
        words = excerpt(text, response.headers.get("content-type", ""))
        status = response.status_code
        return AdapterError(
            f"answered {status}: {words}" if words else f"answered {status}",
            where=self.where,
            hint=_HINTS.get(status, ""),
            retryable=later(status),
        )

    def _unreached(self, error: httpx.HTTPError, hidden: tuple[Secret, ...]) -> AdapterError:
        if isinstance(error, httpx.TimeoutException):
            return self._late()
        never = distrusted(error)
        return AdapterError(
            f"not reached: {excerpt(redacted(str(error) or type(error).__name__, hidden))}",
            where=self.where,
            hint="trust its authority with ca_file, or correct the url" if never else "",
            retryable=not never,
        )
