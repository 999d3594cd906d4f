# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer over HTTP means for us: whether to come again and when, what may be repeated.

An answer may hold whatever we sent, also our secrets, and a page of HTML where a line was
expected. So texts of ours repeat one short line of it, with the secrets taken out.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, quote_plus

from storewarden.ports.secrets import Secret

_LATER = frozenset({408, 423, 425, 429})
_NEVER = frozenset({501, 505})
_LONGEST = 200
_WORST_WAIT = timedelta(days=1)  # a longer Retry-After is a mistake of the other side
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HIDDEN = re.compile(r"<(script|style)\b.*?</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def later(status: int) -> bool:
    """Whether the same request may be taken later."""
    return status in _LATER or (500 <= status < 600 and status not in _NEVER)


def excerpt(text: str, media_type: str = "", longest: int = _LONGEST) -> str:
    """One line of at most ``longest`` characters; of an HTML page its title or its words."""
    if "html" in media_type.lower():
        title = _TITLE.search(text)
        text = title.group(1) if title else _TAG.sub(" ", _HIDDEN.sub(" ", text))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def redacted(text: str, secrets: Iterable[Secret]) -> str:
    """``text`` without the secrets, in any of the spellings in which they travel."""
    spellings = {form for secret in secrets for form in _spellings(secret.reveal()) if form}
    for form in sorted(spellings, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _spellings(value: str) -> tuple[str, ...]:
    return (
        value,
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        base64.b64encode(value.encode()).decode(),
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long the other side asks us to wait; None when it does not say.

    A date is measured against the answer's own Date, so that a wrong clock here does no harm.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdecimal():
        return min(timedelta(seconds=min(int(value), 10**6)), _WORST_WAIT)
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    until = _date(value)
    return None if until is None else min(max(until - now, timedelta()), _WORST_WAIT)


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
