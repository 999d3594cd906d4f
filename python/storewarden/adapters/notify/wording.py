# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a text fit a channel: its length, and the characters that would act.

A message may hold what somebody typed (a reason, a summary). In a chat's own markup it must
stay text: it must not become a link, a picture or a mention of everybody. And what does not
fit is cut where a reader can see it, never inside a character.
"""

from __future__ import annotations

from collections.abc import Callable

_CUT = "\n… 后略 · cut here, the ledger has the rest"
_TITLE = 200  # characters
_NEAR = 200  # cut at the end of a line when one is this close


def fitted(text: str, limit: int, size: Callable[[str], int]) -> str:
    """``text``, or as much of its beginning as keeps ``size`` within ``limit``, and a remark.

    ``size`` is what the other side will count (bytes of the text, or of the whole request).
    """
    if size(text) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:  # the largest number of characters that still fits
        middle = (low + high + 1) // 2
        if size(text[:middle] + _CUT) <= limit:
            low = middle
        else:
            high = middle - 1
    end = text.rfind("\n", max(0, low - _NEAR), low)
    return text[: end if end > 0 else low].rstrip() + _CUT


def utf8(text: str) -> int:
    """Bytes of ``text`` as it is sent."""
    return len(text.encode("utf-8", "replace"))


def inert(text: str) -> str:
    """``text`` for a chat's markdown: no link, picture, tag or mention (``<@all>``) comes of it."""
    return text.replace("](", "] (").replace("<", "＜")


def headline(title: str) -> str:
    """A title on one line of at most 200 characters."""
    line = sendable(" ".join(title.split()))
    return line if len(line) <= _TITLE else f"{line[: _TITLE - 1]}…"


def sendable(text: str) -> str:
    """``text`` without halves of characters, which no encoding can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
