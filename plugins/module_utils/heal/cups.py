# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CUPS as its own programs tell it: the scheduler, a queue, its jobs, and the device behind it.

lpstat is the one way to ask that all versions share; its texts are those of the C locale.
"""

from __future__ import annotations

import calendar
import re
import socket
import time
import urllib.parse
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

SECONDS = 15.0  # a scheduler that takes longer does not answer
_TOO_SLOW = 124  # the status that Host.run gives a program that it had to end
_JOB = re.compile(r"^(\S+)-(\d+)\s+(\S+)\s+(\d+)\s+(.+)$")
_PORTS = {"socket": 9100, "ipp": 631, "ipps": 631, "http": 631, "https": 443, "lpd": 515}
UNITS = ("cups.service", "org.cups.cupsd.service")


def answers(host: Host) -> bool:
    """Whether the scheduler answers. Where systemd listens for it, the question starts it. One
    that is stuck still has its connections taken by the kernel, so it is asked a real question."""
    done = host.run(["lpstat", "-r"], SECONDS)
    if done.code != 0 or "is running" not in done.out:
        return False
    return host.run(["lpstat", "-a"], SECONDS).code != _TOO_SLOW


def queue(host: Host, name: str) -> dict[str, Any] | None:
    """``{enabled, accepting, device, said}``; None when there is no such queue."""
    state = host.run(["lpstat", "-p", name], SECONDS)
    if state.code != 0 or not state.out.strip():
        return None
    accepting = host.run(["lpstat", "-a", name], SECONDS).out
    device = host.run(["lpstat", "-v", name], SECONDS).out
    return {
        "enabled": " disabled since" not in state.out,
        "accepting": " not accepting " not in accepting,
        "device": device.partition(": ")[2].strip(),
        "said": " ".join(state.out.split())[:300],
    }


def jobs(host: Host, name: str, zone: float | None = None) -> list[dict[str, Any]]:
    """Jobs that are not completed, oldest first: ``{id, user, bytes, at, held}``; ``at`` in
    seconds since 1970."""
    told = host.run(["lpstat", "-l", "-o", name], SECONDS)
    return parsed_jobs(told.out, zone)


def parsed_jobs(text: str, zone: float | None = None) -> list[dict[str, Any]]:
    """As ``jobs``, of what ``lpstat -l -o`` said; ``zone`` in seconds east of UTC."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        match = None if line[:1].isspace() else _JOB.match(line)
        if match:
            at = _time(match.group(5).strip(), zone)
            found.append({
                "id": "{0}-{1}".format(match.group(1), match.group(2)), "user": match.group(3),
                "bytes": int(match.group(4)), "at": at, "held": False,
            })  # fmt: skip
        elif found and "job-hold" in line:
            found[-1]["held"] = True
    return sorted(found, key=lambda one: (one["at"], int(one["id"].rpartition("-")[2])))


def _time(text: str, zone: float | None) -> float:
    """``Sun Nov 22 18:00:00 2026``; 0 for what is no time (then the job is old)."""
    for shape in ("%a %b %d %H:%M:%S %Y", "%a %d %b %Y %I:%M:%S %p %Z", "%a %d %b %Y %H:%M:%S"):
        try:
            read = time.strptime(text, shape)
        except ValueError:
            continue
        return time.mktime(read) if zone is None else calendar.timegm(read) - zone
    return 0.0


def reached(device: str, seconds: float = 5.0) -> bool | None:
    """Whether somebody listens at a printer's address; None for a device without one (USB)."""
    address = urllib.parse.urlsplit(device)
    if address.scheme not in _PORTS or not address.hostname:
        return None
    try:
        port = address.port or _PORTS[address.scheme]
        socket.create_connection((address.hostname, port), seconds).close()
    except (OSError, ValueError):
        return False
    return True
