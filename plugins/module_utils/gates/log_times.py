# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a line of a log was written, read from the line.

Three forms cover nearly all: ISO 8601 (``2026-03-01T10:00:00Z``, a blank instead of the T, with or
without zone), syslog's ``Mar  1 10:00:00``, and a web server's ``[01/Mar/2026:10:00:00 +0800]``. A
time without a zone is the host's own. Syslog has no year: it is the last one in which that day
is not in the future.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from typing import Optional

_HEAD = 120  # characters in which a time is looked for
_DAY = 86400
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?\s?(Z|[+-]\d\d:?\d\d)?"
)
_WEB = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]")
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)")


def written_at(line: str, now: float) -> Optional[float]:
    """Seconds since 1970, None when the line does not say."""
    head = line[:_HEAD]
    try:
        return _iso(head) or _web(head) or _syslog(head, now)
    except (ValueError, OverflowError, OSError):
        return None  # digits that look like a time and are none


def _iso(head: str) -> Optional[float]:
    found = _ISO.search(head)
    if found is None:
        return None
    return _seconds([int(found.group(n)) for n in range(1, 7)], found.group(7))


def _web(head: str) -> Optional[float]:
    found = _WEB.search(head)
    if found is None or found.group(2) not in _MONTHS:
        return None
    day, month, year = int(found.group(1)), _MONTHS.index(found.group(2)) + 1, int(found.group(3))
    clock = [int(found.group(n)) for n in range(4, 7)]
    return _seconds([year, month, day, *clock], found.group(7))


def _syslog(head: str, now: float) -> Optional[float]:
    found = _SYSLOG.match(head)
    if found is None or found.group(1) not in _MONTHS:
        return None
    month, day = _MONTHS.index(found.group(1)) + 1, int(found.group(2))
    clock = [int(found.group(n)) for n in range(3, 6)]
    year = time.localtime(now).tm_year
    moment = _seconds([year, month, day, *clock], None)
    return moment if moment <= now + _DAY else _seconds([year - 1, month, day, *clock], None)


def _seconds(parts: list[int], zone: Optional[str]) -> float:
    if zone is None:
        moment = datetime(*parts)  # type: ignore[arg-type]
        return moment.astimezone().timestamp()  # the host's own zone, summer time included
    return datetime(*parts, tzinfo=_zone(zone)).timestamp()  # type: ignore[arg-type, misc]


def _zone(text: str) -> timezone:
    if text == "Z":
        return timezone.utc
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))
