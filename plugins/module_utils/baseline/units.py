# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configuration files write durations and sizes with units; operators compare plain numbers."""

from __future__ import annotations

import re
from typing import Any

_SECONDS = {  # systemd.time(7)
    "us": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3,
    "s": 1, "sec": 1, "second": 1, "seconds": 1, "": 1,
    "m": 60, "min": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800,
    "month": 2629800, "months": 2629800, "M": 2629800,
    "y": 31557600, "year": 31557600, "years": 31557600,
}  # fmt: skip
_BYTES = {letter: 1024**power for power, letter in enumerate(["", "K", "M", "G", "T", "P", "E"])}


def seconds(text: Any) -> float | int | None:
    """``1h 30min`` is 5400; a bare number is seconds; "infinity" and nonsense are None."""
    total = 0.0
    rest = str(text).strip()
    if not rest:
        return None
    while rest:
        match = re.match(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", rest)
        if not match:
            return None
        unit = match.group(2)
        factor = _SECONDS.get(unit, _SECONDS.get(unit.lower()))
        if factor is None:
            return None
        total += float(match.group(1)) * factor
        rest = rest[match.end() :]
    return int(total) if total == int(total) else total


def size(text: Any) -> int | None:
    """``500M`` is 524288000, with or without a final B or iB; nonsense is None."""
    match = re.match(r"(\d+(?:\.\d+)?)\s*([KMGTPE]?)(?:i?B)?$", str(text).strip(), re.I)
    if not match:
        return None
    return int(float(match.group(1)) * _BYTES[match.group(2).upper()])


def days(text: Any) -> float | None:
    """``6month`` is 182.6, otherwise as ``seconds``."""
    total = seconds(text)
    return None if total is None else round(total / 86400, 1)


CONVERSIONS = {"text": lambda text: text, "seconds": seconds, "days": days, "bytes": size}
