# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes as /proc tells them. One that ends while it is looked at is left out."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Iterator, NamedTuple, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_KIB = 1024
_COMMAND = 200  # characters of a command line


class Process(NamedTuple):
    """One process: number, unit that it belongs to, bytes, beginning of its command line."""

    pid: int
    unit: str
    rss: int
    pss: int
    command: str


def pids(host: Host) -> list[int]:
    """All of them, in order."""
    return sorted(int(name) for name in os.listdir(host.at("/proc")) if name.isdigit())


def exe(host: Host, pid: int) -> str:
    """The program's file, also when it was replaced meanwhile; "" when it has none."""
    try:
        found = os.readlink(host.at("/proc/{0}/exe".format(pid)))
    except OSError:
        return ""
    ending = " (deleted)"
    return found[: -len(ending)] if found.endswith(ending) else found


def started_at(host: Host, pid: int) -> Optional[float]:
    """Seconds since 1970, None when it is gone."""
    try:
        # The name in parentheses may hold blanks and parentheses of its own.
        fields = _read(host, "/proc/{0}/stat".format(pid)).rpartition(")")[2].split()
        booted = next(
            int(line.split()[1])
            for line in _read(host, "/proc/stat").splitlines()
            if line.startswith("btime ")
        )
        return booted + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def unit_of(cgroup: str) -> str:
    """The systemd unit of a /proc/PID/cgroup; "" where there is none."""
    for line in cgroup.splitlines():
        path = line.partition("::")[2] if line.startswith("0::") else ""
        if not path and ":name=systemd:" in line:
            path = line.split(":", 2)[2]
        # The unit that was started by the system's manager, whatever lies below it.
        for part in path.split("/"):
            if part.endswith((".service", ".scope")):
                return part
    return ""


def largest(host: Host, most: int) -> list[Process]:
    """The ``most`` largest processes by resident memory, with what they share counted in parts."""
    found: list[Process] = []
    for pid in pids(host):
        with contextlib.suppress(OSError, ValueError, IndexError):
            rss = int(_read(host, "/proc/{0}/statm".format(pid)).split()[1])
            if rss:
                found.append(Process(pid, "", rss * os.sysconf("SC_PAGE_SIZE"), 0, ""))
    found.sort(key=lambda one: -one.rss)
    return [whole for one in found[:most] for whole in _whole(host, one)]


def _whole(host: Host, one: Process) -> Iterator[Process]:
    """With unit, command line, and its proportional share (PSS; RSS where that is not told)."""
    place = "/proc/{0}/".format(one.pid)
    with contextlib.suppress(OSError):
        unit = unit_of(_read(host, place + "cgroup"))
        command = _read(host, place + "cmdline").replace("\0", " ").strip()[:_COMMAND]
        pss = one.rss
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in _read(host, place + "smaps_rollup").splitlines():
                if line.startswith("Pss:"):
                    pss = int(line.split()[1]) * _KIB
        yield one._replace(unit=unit, command=command, pss=pss)


def memory(host: Host) -> dict[str, int]:
    """``total`` and ``available`` bytes: MemTotal and MemAvailable, as node_exporter reads them."""
    said: dict[str, int] = {}
    for line in _read(host, "/proc/meminfo").splitlines():
        name, _colon, rest = line.partition(":")
        if rest.strip().endswith("kB"):
            said[name] = int(rest.split()[0]) * _KIB
    return {"total": said.get("MemTotal", 0), "available": said.get("MemAvailable", 0)}


def as_facts(found: list[Process]) -> list[dict[str, Any]]:
    """As JSON data."""
    return [dict(one._asdict()) for one in found]


def _read(host: Host, path: str) -> str:
    with open(host.at(path), encoding="utf-8", errors="replace") as stream:
        return stream.read()
