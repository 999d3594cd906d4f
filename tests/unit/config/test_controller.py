# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the controller listens."""

from __future__ import annotations

import pytest

from storewarden.config.controller import listen_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8787", ("127.0.0.1", 8787)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "8787", "127.0.0.1", "example.com:1", "1.2.3.4:70000", "300.1.1.1:1", "[zz]:1"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="must be ADDRESS:PORT"):
        listen_address(text)
