# SPDX-License-Identifier: GPL-3.0-or-later
"""Another server that a gate asks: where it is, and by which reference its token is found."""

from __future__ import annotations

import re
from dataclasses import dataclass

from storewarden.domain.gates.keys import Keys

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])([:/].*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """``token`` is a reference to a bearer token; ``ca_file`` is trusted instead of the machine's
    own authorities; ``seconds`` is how long one answer may take in all."""

    url: str
    token: str = ""
    ca_file: str = ""
    seconds: float = 10.0

    @classmethod
    def read(cls, keys: Keys) -> Server:
        """The keys url, token, ca_file and timeout."""
        url, token = keys.url("url").rstrip("/"), keys.secret("token")
        if token and not url.startswith("https://") and not _LOOPBACK.fullmatch(url):
            keys.wrong("url", "must begin with https://", "its token would travel in the clear")
        return cls(
            url=url,
            token=token,
            ca_file=keys.text("ca_file"),
            seconds=keys.seconds("timeout", "10s", most=60),
        )
