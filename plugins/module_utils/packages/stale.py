# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes that still run what a package has replaced, and the units that they belong to.

A mapped file that was replaced shows as deleted. Interpreters map their own program only, so of
them the script is looked at: it was written after the process had begun.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import Iterator, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

# Only files that packages bring; sockets, shared memory and temporary files come and go.
_OURS = re.compile(r"/(?:usr|lib|lib32|lib64|bin|sbin|opt)/")
_MAPPED = re.compile(r"\S+ ..x\S* \S+ \S+ \S+ +(/.*) \(deleted\)$")
_INTERPRETERS = re.compile(r"(?:python|perl|ruby|php|lua|sh|bash|dash|node)[0-9.]*$")
# A script that is written and started at once is no older than its process by the clock's grain.
_BLUR = 0.05
SESSION = "session"
_TICKS = os.sysconf("SC_CLK_TCK")


class Stale(NamedTuple):
    """One process: its unit (empty when it belongs to none), and the file that is gone."""

    pid: int
    program: str
    unit: str
    file: str


def processes(host: Host) -> list[Stale]:
    """All of them but our own session, which ends with this visit."""
    own = _own_line(host)
    found = []
    for name in sorted(os.listdir(host.at("/proc")), key=lambda one: (len(one), one)):
        if name.isdigit():
            # A process may end while it is looked at.
            with contextlib.suppress(OSError):
                file = _gone(host, int(name))
                unit = unit_of(host, name) if file else ""
                if file and not (int(name) in own and unit == SESSION):
                    found.append(Stale(int(name), _comm(host, name), unit, file))
    return found


def _gone(host: Host, pid: int) -> str:
    for path in _mapped(host, pid):
        if _OURS.match(path):
            return path
    return _script(host, pid)


def _mapped(host: Host, pid: int) -> Iterator[str]:
    """Programs and libraries that are mapped and deleted."""
    with open(host.at("/proc/{0}/maps".format(pid)), errors="surrogateescape") as source:
        for line in source:
            match = _MAPPED.match(line.rstrip("\n"))
            if match:
                yield match[1]


def _script(host: Host, pid: int) -> str:
    """The script of an interpreter, when it is younger than the process."""
    with open(host.at("/proc/{0}/cmdline".format(pid)), errors="surrogateescape") as source:
        words = source.read().split("\0")
    if not _INTERPRETERS.search(os.path.basename(words[0])):
        return ""
    for word in words[1:]:
        if word.startswith("-"):
            continue
        real = host.at(word)
        if _OURS.match(word) and os.path.isfile(real):
            younger = os.stat(real).st_ctime > _began(host, pid) + _BLUR
            return word if younger else ""
        return ""
    return ""


def _began(host: Host, pid: int) -> float:
    """Seconds since the epoch. (/proc/stat has the boot in whole seconds only.)"""
    with open(host.at("/proc/{0}/stat".format(pid))) as source:
        ticks = int(source.read().rpartition(")")[2].split()[19])
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + ticks / _TICKS


def unit_of(host: Host, pid: str) -> str:
    """The service in whose control group the process is; ``session`` for somebody's login."""
    with open(host.at("/proc/{0}/cgroup".format(pid))) as source:
        paths = [line.rstrip("\n").split(":", 2) for line in source]
    for number, controllers, path in paths:
        if number == "0" or "systemd" in controllers:
            parts = path.split("/")
            if any(part == "user.slice" for part in parts):
                return SESSION
            services = [part for part in parts if part.endswith(".service")]
            if services:
                return services[0]
    return "init.scope" if pid == "1" else ""


def _comm(host: Host, pid: str) -> str:
    with open(host.at("/proc/{0}/comm".format(pid))) as source:
        return source.read().strip()


def _own_line(host: Host) -> set[int]:
    found: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            with open(host.at("/proc/{0}/stat".format(pid))) as source:
                pid = int(source.read().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found - {1}
