# SPDX-License-Identifier: GPL-3.0-or-later
"""The one kind of HTTP client in which credentials leave this program.

Redirects are not followed: they would carry credentials or messages to somewhere nobody
configured. Proxies of the environment are not used, for the same reason: the site's settings
name them. ``key`` is the section of the settings, as refusals name it.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx

from storewarden.domain.errors import ConfigInvalid


def http_client(
    key: str,
    tls: ssl.SSLContext,
    *,
    timeout_seconds: float,
    proxy: str,
    headers: Mapping[str, str] | None = None,
) -> httpx.Client:
    """A client; ``timeout_seconds`` is the wait for one packet. ConfigInvalid for a bad proxy."""
    try:
        return httpx.Client(
            verify=tls,
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
            proxy=proxy or None,
            headers={"User-Agent": "storewarden", **(headers or {})},
        )
    except (httpx.InvalidURL, ValueError):
        raise ConfigInvalid("is no url of a proxy", where=f"{key}.proxy") from None


def authorities(key: str, ca_file: Path | str | None) -> ssl.SSLContext:
    """The machine's own trust store, or the site's CA file instead of it."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ConfigInvalid(
            "is no readable file of certificate authorities",
            where=f"{key}.ca_file: {ca_file}",
            hint=error.strerror or "no certificate in it",
        ) from None


def distrusted(error: BaseException | None) -> bool:
    """Whether a certificate was the reason; nobody's patience changes that."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
