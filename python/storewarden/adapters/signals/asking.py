# SPDX-License-Identifier: GPL-3.0-or-later
"""How every gate asks another server, so that a bad answer means the same everywhere: none.

A gateway's page, an answer that never ends and one that is no JSON are not evidence. TLS is
checked, redirects are not followed (they would carry the token to somewhere nobody configured),
and the time of an answer is limited in all, not only for each packet.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from storewarden.adapters.http_answers import excerpt, later, redacted
from storewarden.adapters.http_client import authorities, distrusted, http_client
from storewarden.adapters.quiet_http import quiet
from storewarden.domain.errors import AdapterError
from storewarden.domain.gates.server import Server
from storewarden.ports.secrets import Secret
from storewarden.ports.signals import Reach

_LARGEST = 16 * 1024 * 1024  # bytes; 10,000 stores with eight weeks of one value are 5 MB
_HINTS = {
    401: "is the token still good?",
    403: "may the token read this?",
    404: "is the url the server's own, without the path of its API?",
}


@dataclass(slots=True, kw_only=True)
class Asker:
    """One server for the time of one fetch; use it as a context manager."""

    server: Server
    client: httpx.Client
    hidden: tuple[Secret, ...]
    where: str

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def form(self, path: str, values: Mapping[str, str]) -> Mapping[str, Any]:
        """The JSON object that a form is answered with; AdapterError."""
        return self._asked(path, data=dict(values))

    def tell(self, path: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        """The JSON object that JSON is answered with; AdapterError."""
        return self._asked(path, json=body)

    def _asked(self, path: str, **sent: Any) -> Mapping[str, Any]:
        end = time.monotonic() + self.server.seconds
        try:
            with (
                quiet(),
                self.client.stream("POST", f"{self.server.url}{path}", **sent) as response,
            ):
                body = self._read(response, end)
        except httpx.HTTPError as error:
            raise self._unreached(error) from None
        if response.status_code != 200:
            raise self._refused(response, body)
        return self._data(response, body)

    def _read(self, response: httpx.Response, end: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _LARGEST:
                raise AdapterError("its answer is larger than 16 MiB", where=self.where)
            if time.monotonic() > end:
                raise self._late()
        return bytes(body)

    def _data(self, response: httpx.Response, body: bytes) -> Mapping[str, Any]:
        kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise AdapterError(
                f"answered {kind or 'something without a content type'} instead of JSON",
                where=self.where,
                hint="a gateway or a login page is in between, or the url is of something else",
            )
        try:
            read = json.loads(body)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict):
            raise AdapterError("answered something that is no JSON object", where=self.where)
        return read

    def _refused(self, response: httpx.Response, body: bytes) -> AdapterError:
        text = body.decode("utf-8", "replace")
        words = excerpt(redacted(text, self.hidden), response.headers.get("content-type", ""))
        status = response.status_code
        return AdapterError(
            f"answered {status}: {words}" if words else f"answered {status}",
            where=self.where,
            hint=_HINTS.get(status, ""),
            retryable=later(status),
        )

    def _late(self) -> AdapterError:
        return AdapterError(
            f"did not answer within {self.server.seconds:g} s", where=self.where, retryable=True
        )

    def _unreached(self, error: httpx.HTTPError) -> AdapterError:
        if isinstance(error, httpx.TimeoutException):
            return self._late()
        never = distrusted(error)
        words = excerpt(redacted(str(error) or type(error).__name__, self.hidden))
        return AdapterError(
            f"not reached: {words}",
            where=self.where,
            hint="trust its authority with ca_file, or correct the url" if never else "",
            retryable=not never,
        )


def asker(server: Server, reach: Reach, gate: str) -> Asker:
    """Ready to ask; ConfigInvalid for a CA file or a secret that cannot be read."""
    token = reach.secrets.read(server.token) if server.token else None
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.reveal().strip()}"
    key = f"gates.{gate}"
    ca_file = reach.folder / server.ca_file if server.ca_file else None
    client = http_client(
        key, authorities(key, ca_file), timeout_seconds=server.seconds, proxy="", headers=headers
    )
    return Asker(
        server=server,
        client=client,
        hidden=() if token is None else (token,),
        where=httpx.URL(server.url).netloc.decode(),
    )
