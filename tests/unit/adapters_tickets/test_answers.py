# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be repeated of an answer."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from urllib.parse import quote, quote_plus

import pytest

from storewarden.adapters.http_answers import excerpt, redacted, retry_after
from storewarden.ports.secrets import Secret

PASSWORD = 'p&ss "wörd"/密码 +1'


@pytest.mark.parametrize(
    "spelling",
    [
        PASSWORD,
        quote(PASSWORD, safe=""),
        quote_plus(PASSWORD),
        json.dumps(PASSWORD)[1:-1],
        json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
        base64.b64encode(PASSWORD.encode()).decode(),
    ],
)
def test_secrets_are_taken_out_in_every_spelling(spelling: str) -> None:
    assert redacted(f"you sent {spelling}!", [Secret(PASSWORD), Secret("")]) == "you sent ***!"


def test_a_secret_inside_a_longer_one_leaves_no_rest() -> None:
    assert redacted("abc-long", [Secret("abc"), Secret("abc-long")]) == "***"


def test_excerpts_are_one_short_line() -> None:
    assert excerpt("a\r\n\tb\x1b[31m c\u2028d") == "a b [31m c d"
    assert excerpt("x" * 1000) == "x" * 197 + "..."
    page = "<html><style>p {}</style><title>Down\n for now</title><p>Text</p></html>"
    assert excerpt(page, "text/html; charset=utf-8") == "Down for now"
    assert excerpt("<p>No <b>title</b></p><script>x()</script>", "TEXT/HTML") == "No title"


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, None),
        ({"retry-after": "17"}, timedelta(seconds=17)),
        ({"retry-after": "0"}, timedelta()),
        ({"retry-after": "99999999999999999999"}, timedelta(days=1)),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        (
            {
                "date": "Mon, 01 Jun 2026 10:00:00 GMT",
                "retry-after": "Mon, 01 Jun 2026 10:02:30 GMT",
            },
            timedelta(seconds=150),
        ),
        (
            {
                "date": "Mon, 01 Jun 2026 10:00:00 GMT",
                "retry-after": "Mon, 01 Jun 2026 09:00:00 GMT",
            },
            timedelta(),
        ),
        ({"retry-after": "Mon, 01 Jun 2020 10:00:00 GMT"}, timedelta()),
        (
            {
                "date": "Mon, 01 Jun 2026 10:00:00 GMT",
                "retry-after": "Mon, 01 Jun 2099 10:00:00 GMT",
            },
            timedelta(days=1),
        ),
    ],
)
def test_the_pause_asked_for(headers: dict[str, str], pause: timedelta | None) -> None:
    assert retry_after(headers) == pause
