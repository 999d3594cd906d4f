# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that ticket systems reached over HTTP have in common."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from storewarden.adapters.settings import AdapterSettings, FilePath, ListOf, up_to, wrong


def key_of(system: str, key: str = "") -> str:
    """How a setting (or the section of a system) is named in refusals."""
    return f"tickets.{system}.{key}" if key else f"tickets.{system}"


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong("is not a url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise wrong("must begin with https:// or http:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise wrong(
            "must hold neither user, password, query nor fragment",
            hint="credentials have keys of their own, with references like file:PATH",
        )
    return url


def _some(statuses: tuple[str, ...]) -> tuple[str, ...]:
    if not statuses:
        raise wrong("must name at least one status")
    return statuses


Url = Annotated[str, AfterValidator(_url)]
Proxy = Annotated[str, AfterValidator(lambda url: _url(url) if url else "")]

Statuses = Annotated[ListOf[str], AfterValidator(_some)]


class RestSettings(AdapterSettings):
    """What every system reached over HTTP has; adapters add their own keys.

    ``timeout_seconds`` is the wait for one packet; ``ca_file`` is trusted instead of the
    machine's own authorities; ``proxy`` is a url (the environment's proxies are not used).
    """

    url: Url
    timeout_seconds: Annotated[float, up_to(600)] = 20.0
    ca_file: FilePath | None = None
    verify_tls: bool = True
    proxy: Proxy = ""
