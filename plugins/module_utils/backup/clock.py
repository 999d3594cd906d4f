# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of moments: of sets, of boots, of the beginning of a process."""

from __future__ import annotations

import calendar
import time


def stamp(moment: float) -> str:
    """``20261123T010203Z``."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))


def set_id(moment: float, kind: str, known: frozenset[str] = frozenset()) -> str:
    """``20261123T010203Z-full``; a second later when that one is taken already."""
    while "{0}-{1}".format(stamp(moment), kind) in known:
        moment += 1.0
    return "{0}-{1}".format(stamp(moment), kind)


def seconds_of(text: str) -> float:
    """Seconds since 1970 of a time as Go programs write it; 0.0 for anything else.

    >>> seconds_of("2026-11-23T01:02:03.5+08:00") - seconds_of("2026-11-22T17:02:03Z")
    0.5
    """
    body, fraction, offset = text[:19], 0.0, text[19:]
    try:
        moment = float(calendar.timegm(time.strptime(body, "%Y-%m-%dT%H:%M:%S")))
        if offset.startswith("."):
            digits = offset[1 : 1 + next(
                (at for at, sign in enumerate(offset[1:]) if not sign.isdigit()), len(offset)
            )]  # fmt: skip
            fraction, offset = float("0." + digits), offset[1 + len(digits) :]
        if offset in ("", "Z"):
            return moment + fraction
        sign = -1.0 if offset[0] == "-" else 1.0
        hours, minutes = offset[1:].split(":")
        return moment + fraction - sign * (int(hours) * 3600.0 + int(minutes) * 60.0)
    except (ValueError, IndexError):
        return 0.0


def boot_id() -> str:
    """This boot's name."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
        return source.read().strip()


def born(pid: int) -> str:
    """When a process began, in the kernel's count; "" when there is none, or only its shell."""
    try:
        with open("/proc/{0}/stat".format(pid), encoding="utf-8", errors="replace") as source:
            words = source.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] in ("Z", "X") else words[19]
