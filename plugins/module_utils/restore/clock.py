# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deadlines in running time.

The wall clock jumps (a dead battery, a first contact with a time server, a person), so it is
used for information only. CLOCK_BOOTTIME never jumps, but starts anew with every boot; so what is
left is noted on the disk as time goes by, and after a boot the rest is counted on from there.
Time that the machine was switched off does not count.

A machine that crashes again and again must come to its deadline as well, so a boot costs at
least a tenth of what was granted.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from .system import Host

_BOOT_COST = 0.1


def boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Running time and this boot's name; `now` and `wall` may be given by tests."""

    def __init__(
        self,
        host: Host,
        now: Callable[[], float] = boot_time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._boot_file = host.at("/proc/sys/kernel/random/boot_id")
        self.now = now
        self.wall = wall

    def boot(self) -> str:
        with open(self._boot_file) as source:
            return source.read().strip()

    def stamp(self) -> str:
        """The wall clock for people, in UTC."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.wall()))

    def granted(self, seconds: float) -> dict[str, Any]:
        """A deadline that many running seconds from now."""
        return {
            "boot": self.boot(),
            "due": self.now() + seconds,
            "granted": seconds,
            "left": seconds,
        }

    def left(self, deadline: dict[str, Any]) -> float:
        """Seconds left; negative when it has passed."""
        if deadline["boot"] == self.boot():
            return float(deadline["due"] - self.now())
        return float(deadline["left"] - deadline["granted"] * _BOOT_COST)

    def carried_over(self, deadline: dict[str, Any]) -> dict[str, Any]:
        """The same deadline, noted as of now and for this boot."""
        left = self.left(deadline)
        return {**deadline, "boot": self.boot(), "due": self.now() + left, "left": left}


def tick_seconds(granted: float) -> float:
    """How often what is left is noted: a tenth of the grant, between 1 and 15 s."""
    return min(15.0, max(1.0, granted / 10))
