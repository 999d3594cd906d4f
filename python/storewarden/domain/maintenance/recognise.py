# SPDX-License-Identifier: GPL-3.0-or-later
"""An English line of ``words.said``, said again in Chinese.

A refusal is recorded in English; windows are asked in either language. Both come from the
same pairs of texts, so a line is known again by its form.
"""

from __future__ import annotations

import re

from storewarden.domain.maintenance.words import CHINESE, ENGLISH

_DAYS = dict(zip(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), "一二三四五六日", strict=True))
_MOMENT = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (\d{4}-\d{2}-\d{2}) ")
_GUIDE = re.compile(r"(?P<line>.+) \(guide (?P<guide>[0-9.]+)\)")
_HOLE = re.compile(r"\{(\w+)\}")


def in_chinese(line: str) -> str:
    """The same in Chinese; "" when it is not a line of ``said``."""
    guide = _GUIDE.fullmatch(line)
    text = guide["line"] if guide else line
    for pattern, chinese in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            filled = chinese.format(**{name: moments(v) for name, v in found.groupdict().items()})
            return f"{filled}（指南 {guide['guide']}）" if guide else filled
    return ""


def moments(text: str) -> str:
    """``Mon 2026-06-15 05:00`` as ``2026-06-15 周一 05:00``."""
    return _MOMENT.sub(lambda found: f"{found[2]} 周{_DAYS[found[1]]} ", text)


def _pattern(english: str) -> re.Pattern[str]:
    parts = _HOLE.split(english)
    made = (f"(?P<{part}>.*?)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
    return re.compile("".join(made))


_PATTERNS = tuple((_pattern(ENGLISH[ground]), CHINESE[ground]) for ground in ENGLISH)
