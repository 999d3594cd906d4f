# SPDX-License-Identifier: GPL-3.0-or-later
"""How settings are read: lengths of time, urls, references."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.gates.keys import Keys


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("0.5s", 0.5), ("30m", 1800), ("30min", 1800), ("1h30m", 5400), ("2 h", 7200),
     ("7d", 604800), ("0", 0), ("366d", 31622400)],
)  # fmt: skip
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert Keys({"a": text}, "g").span("a", "1h") == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "1.5h", "-3m", "30 minutes", "367d", 90, True, ["1h"]]
)
def test_what_is_no_length_of_time(text: object) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Keys({"a": text}, "g").span("a", "")
    assert str(caught.value).startswith("g.a: must be ")


@pytest.mark.parametrize(
    "url",
    ["https://p.example", "http://[::1]:9090/p", "https://{address}:8443/h?x=1", "https://p?q"],
)
def test_urls(url: str) -> None:
    assert Keys({"u": url}, "g").url("u") == url


@pytest.mark.parametrize(
    "url", ["", "p.example", "ftp://p", "https://", "https://p:port", "https://a b", "https://a@b"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ConfigInvalid):
        Keys({"u": url}, "g").url("u")


def test_a_secret_is_never_repeated() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Keys({"token": "hunter2"}, "g").secret("token")
    assert "hunter2" not in str(caught.value)
    assert Keys({"token": "vault:secret/p#t"}, "g").secret("token") == "vault:secret/p#t"


def test_settings_that_are_no_keys() -> None:
    with pytest.raises(ConfigInvalid, match="must be keys with values"):
        Keys(["a"], "gates.it")
