# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CUPS as its own programs tell it: the scheduler, a queue, its jobs, and the device behind it.

lpstat is the one way to ask that all versions share; its texts are those of the C locale.
"""

from __future__ import annotations

import calendar
import contextlib
import re
import socket
import time
import urllib.parse
from datetime import datetime
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal import processes
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

SECONDS = 15.0  # a scheduler that takes longer does not answer
_TOO_SLOW = 124  # the status that Host.run gives a program that it had to end
_JOB = re.compile(r"^(\S+)-(\d+)\s+(\S+)\s+(\d+)\s+(.+)$")
_PORTS = {"socket": 9100, "ipp": 631, "ipps": 631, "http": 631, "https": 443, "lpd": 515}
# What CUPS and its backends say when the printer, and not a person, stopped a queue.
_BROKE = re.compile(
    r"backend (?:errors?|failed)|filter failed|unable to|not responding|not connected|unreachable"
    r"|timed out|connection (?:failed|refused|reset)|disconnected|offline|off-line|is busy",
    re.I,
)
_LOGGED = re.compile(
    r"Backend returned status [1-9]|stopped due to backend errors|stopped with status [1-9]"
    r"|crashed on signal"
)
_SINCE = re.compile(r" disabled since (.+?) -(?:\s|$)")
_AT = re.compile(r"\[([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} [+-][0-9]{4})\]")
_LOGS = "/var/log/cups/"
_NEAR = 5.0  # seconds between a queue's stop and what the logs say of it
_TAIL = 256 * 1024  # bytes of a log
_WORKERS = re.compile(r"/cups/(?:backend|filter|driver)/[^/]+$")
UNITS = ("cups.service", "org.cups.cupsd.service")


def answers(host: Host) -> bool:
    """Whether the scheduler answers. Where systemd listens for it, the question starts it. One
    that is stuck still has its connections taken by the kernel, so it is asked a real question."""
    done = host.run(["lpstat", "-r"], SECONDS)
    if done.code != 0 or "is running" not in done.out:
        return False
    return host.run(["lpstat", "-a"], SECONDS).code != _TOO_SLOW


def queue(host: Host, name: str) -> dict[str, Any] | None:
    """``{enabled, accepting, device, said, why, broke, printing}``; None when there is no such
    queue. ``why`` it was stopped, in CUPS' words; ``broke``: the printer did it, no person."""
    state = host.run(["lpstat", "-p", name], SECONDS)
    if state.code != 0 or not state.out.strip():
        return None
    accepting = host.run(["lpstat", "-a", name], SECONDS).out
    device = host.run(["lpstat", "-v", name], SECONDS).out
    first, _end, rest = state.out.partition("\n")
    why = " ".join(rest.split())[:200]
    since = _SINCE.search(first + " ")
    return {
        "why": why,
        "broke": since is not None and _broke(host, why, _time(since.group(1), None)),
        "printing": " now printing " in first,
        "enabled": " disabled since" not in state.out,
        "accepting": " not accepting " not in accepting,
        "device": device.partition(": ")[2].strip(),
        "said": " ".join(state.out.split())[:300],
    }


def _broke(host: Host, why: str, at: float) -> bool:
    """Whether a queue that stopped at that moment did so by itself. Its reason may be a backend's
    or a person's words, or none at all; so nobody may have asked for it at that moment, and the
    reason or CUPS' log must say that something failed."""
    asked = (line for line in _near(host, "access_log", at) if '" 200 ' in line)
    if any("Pause-Printer" in line or "Disable-Printer" in line for line in asked):
        return False
    if _BROKE.search(why) or any(_LOGGED.search(line) for line in _near(host, "error_log", at)):
        return True
    words = [
        "journalctl",
        "-q",
        "--no-pager",
        "-o",
        "cat",
        "--since",
        "@{0:.0f}".format(at - _NEAR),
    ]
    until = ["--until", "@{0:.0f}".format(at + _NEAR)]
    named = [word for unit in UNITS for word in ("-u", unit)]
    return _LOGGED.search(host.run([*words, *until, *named], SECONDS).out) is not None


def _near(host: Host, name: str, at: float) -> list[str]:
    """Lines of one of CUPS' logs about a moment."""
    try:
        with open(host.at(_LOGS + name), "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if abs(_logged_at(line) - at) <= _NEAR]


def _logged_at(line: str) -> float:
    """Seconds since 1970; 0 for a line without a time."""
    found = _AT.search(line)
    try:
        return datetime.strptime(found.group(1), "%d/%b/%Y:%H:%M:%S %z").timestamp() if found else 0
    except ValueError:
        return 0.0


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


def pulse(host: Host) -> str:
    """Changes while what CUPS has started reads or writes: a slow printer is no stuck one."""
    total = 0
    for pid in processes.pids(host):
        if not _WORKERS.search(processes.exe(host, pid)) and not _script(host, pid):
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            path = host.at("/proc/{0}/io".format(pid))
            with open(path, encoding="ascii") as lines:
                # rchar and wchar: what it has read and written, to whatever.
                total += sum(int(line.split()[1]) for line in lines if line[1:5] == "char")
    return str(total)


def _script(host: Host, pid: int) -> bool:
    """Whether a process is a backend or filter that an interpreter runs."""
    with contextlib.suppress(OSError):
        with open(host.at("/proc/{0}/cmdline".format(pid)), "rb") as file:
            words = file.read(4096).decode("utf-8", "replace").split("\0")
        return any(_WORKERS.search(word) for word in words[:3])
    return False


def reached(device: str, seconds: float = 5.0) -> bool | None:
    """Whether somebody listens at a printer's address; None for a device without one (USB). Not
    to be asked while a job is being printed: many printers take one connection at a time."""
    address = urllib.parse.urlsplit(device)
    if address.scheme not in _PORTS or not address.hostname:
        return None
    try:
        port = address.port or _PORTS[address.scheme]
        socket.create_connection((address.hostname, port), seconds).close()
    except (OSError, ValueError):
        return False
    return True
