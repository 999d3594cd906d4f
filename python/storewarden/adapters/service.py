# SPDX-License-Identifier: GPL-3.0-or-later
"""The running service, as the command line speaks to it.

The token travels in one header and nowhere else, and only to this machine or over TLS.
Proxies of the environment are not asked: the service is at home, and a proxy would read
the token. What the service refuses is raised here as the leaf it was there.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from storewarden.domain.errors import (
    AdapterError,
    ConfigInvalid,
    ContentMissing,
    GateFailed,
    LedgerConflict,
    Refused,
    RunFailed,
    StorewardenError,
    TargetUnreachable,
)
from storewarden.ports.secrets import Secret

_API = "/api/v1"
_CONNECT, _ANSWER = 5.0, 120.0  # seconds; resolving a large inventory takes a while

_LEAVES: Mapping[str, Callable[..., StorewardenError]] = {
    "not_found": ConfigInvalid,
    "invalid": ConfigInvalid,
    "refused": Refused,
    "unreachable": TargetUnreachable,
    "run_failed": RunFailed,
    "gate_failed": GateFailed,
    "adapter": AdapterError,
    "conflict": LedgerConflict,
    "missing": ContentMissing,
}


class ServiceAway(AdapterError):
    """No service answers; what only it may do is not possible now."""


class ServiceClient:
    """The API of one service, with one person's token. Close it, or use it in a ``with``."""

    def __init__(self, url: str, token: Secret) -> None:
        """Raises ConfigInvalid for an address to which a token must not be sent."""
        _refuse_open_line(url)
        self._url = url.rstrip("/")
        self._token = token
        timeout = httpx.Timeout(_ANSWER, connect=_CONNECT)
        # A connection for each request: the service hangs up on idle ones after five seconds, and a
        # request that is just on its way then is lost, though nobody is away.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(
            timeout=timeout, limits=limits, trust_env=False, follow_redirects=False
        )

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of connections."""
        self._http.close()

    def read(self, path: str, *wanted: tuple[str, str]) -> Any:
        """The JSON of ``GET path``; parameters may repeat, empty ones are left out."""
        parameters = [(name, value) for name, value in wanted if value]
        return self._json(self._send("GET", path, params=parameters))

    def write(self, path: str, body: Mapping[str, object], key: str) -> Any:
        """The JSON of ``POST path``; the same ``key`` again changes nothing."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        return self._json(self._send("POST", path, content=content, headers=headers))

    def remove(self, path: str, key: str, **about: str) -> Any:
        """The JSON of ``DELETE path``."""
        return self._json(
            self._send("DELETE", path, headers={"Idempotency-Key": key}, params=about)
        )

    def deliver(self, path: str, content: bytes, media_type: str, key: str, **about: str) -> Any:
        """The JSON of ``POST path`` with a whole document as the body."""
        headers = {"Idempotency-Key": key, "Content-Type": media_type}
        return self._json(self._send("POST", path, content=content, headers=headers, params=about))

    def fetch(self, path: str) -> bytes:
        """The bytes of ``GET path``."""
        return self._send("GET", path).content

    def _send(self, method: str, path: str, **given: Any) -> httpx.Response:
        given.setdefault("headers", {})["Authorization"] = f"Bearer {self._token.reveal()}"
        try:
            answer = self._http.request(method, f"{self._url}{_API}{path}", **given)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise ServiceAway(
                "no service answers",
                where=self._url,
                hint="start it: storewarden serve, or systemctl start storewarden",
                retryable=True,
            ) from None
        except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError):
            raise ConfigInvalid(
                "cannot be sent: it holds letters that are none",
                where="the address, a name or a key",
                hint="printable text alone; keys are ASCII",
            ) from None
        except httpx.HTTPError as error:
            raise AdapterError(
                f"the service broke off: {type(error).__name__}",
                where=self._url,
                hint="ask again with the same --key: nothing is done twice",
                retryable=True,
            ) from None
        if not answer.is_success:
            raise _error(answer, self._url)
        return answer

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise _foreign(self._url) from None


def _error(answer: httpx.Response, url: str) -> StorewardenError:
    """The leaf that the service raised."""
    try:
        told = answer.json()
        what, kind = str(told["error"]), str(told["kind"])
        where, hint = str(told["where"]), str(told["hint"])
    except (ValueError, KeyError, TypeError):
        return _broken_off(answer.status_code, url)
    if kind == "token":
        return Refused(
            "the token is not accepted", where=url, hint="a new one: storewarden person token"
        )
    leaf = _LEAVES.get(kind, AdapterError)
    return leaf(what, where=where, hint=hint)


def _broken_off(status: int, url: str) -> AdapterError:
    """An error in words that are not ours: of a service that is just stopping, or of a proxy."""
    if status < 500:
        return _foreign(url)
    return AdapterError(
        f"the service broke off: HTTP {status}",
        where=url,
        hint="ask again with the same --key: nothing is done twice",
        retryable=True,
    )


def _foreign(url: str) -> AdapterError:
    return AdapterError(
        "what answers there is not storewarden", where=url, hint="look at service.url"
    )


def _refuse_open_line(url: str) -> None:
    """A token in clear text on a network is everybody's token."""
    if _fit(url):
        return
    where = "the service's address" if "@" in url else url  # a password would stand in it
    raise ConfigInvalid(
        "is no address for a token", where=where, hint="https://..., or http:// on this machine"
    )


def _fit(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # ValueError for one that is none
    except ValueError:
        return False
    if "@" in parts.netloc or not url.isprintable():
        return False
    if parts.scheme == "http":
        return _here(parts.hostname or "")
    return parts.scheme == "https" and bool(parts.hostname)


def _here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
