# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TCP ports that services serve: what answered before a fix must answer after it.

Ports that the kernel chose for a while (32768 and above) come and go by themselves. A service may
be bound to another address by the fix; it must not be gone.
"""

from __future__ import annotations

import re
import time
from typing import Any, Callable

_LOOPBACK = re.compile(r"^(127\.|\[?::1\]?$|\[?::ffff:127\.)")
_HOLDER = re.compile(r'\("([^"]+)",pid=(\d+)')
_CHOSEN = 32768  # net.ipv4.ip_local_port_range begins here
_PAUSE = 0.25


def standing(system: Any, stops: tuple[str, ...], closes: tuple[int, ...]) -> list[dict[str, Any]]:
    """``{port, process}`` of everything beyond loopback, without what is meant to stop."""
    meant = set(closes) | _ports_of_sockets(system, stops)
    found: dict[int, dict[str, Any]] = {}
    for address, port, holders in _sockets(system):
        if _LOOPBACK.match(address) or port >= _CHOSEN or port in meant:
            continue
        if any(_unit_of(system, pid) in stops for _name, pid in holders):
            continue
        found[port] = {"port": port, "process": holders[0][0] if holders else None}
    return [found[port] for port in sorted(found)]


def missing(look: Callable[[], Any], before: list[dict[str, Any]], seconds: float) -> list[str]:
    """What does not listen any more, as "22 (sshd)", once ``seconds`` have passed.

    A daemon that was restarted needs a moment; ``look`` makes a fresh system each time.
    """
    end = time.monotonic() + seconds
    while True:
        now = {port for _address, port, _holders in _sockets(look())}
        gone = [one for one in before if one["port"] not in now]
        if not gone or time.monotonic() >= end:
            return ["{0} ({1})".format(one["port"], one["process"] or "?") for one in gone]
        time.sleep(_PAUSE)


def _sockets(system: Any) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """(address, port, [(process, pid)]) of every listening TCP socket."""
    found = []
    for line in system.ask(["ss", "-H", "-lntp"]).splitlines():
        words = line.split()
        address, _colon, port = words[3].rpartition(":") if len(words) > 3 else ("", "", "")
        if port.isdigit():
            found.append((re.sub(r"%[^\]]*", "", address), int(port), _HOLDER.findall(line)))
    return found


def _unit_of(system: Any, pid: str) -> str:
    """The systemd unit that a process belongs to."""
    for line in system.lines("/proc/{0}/cgroup".format(pid)):
        for part in reversed(line.split("/")):
            if part.endswith((".service", ".socket")):
                return str(part)
    return ""


def _ports_of_sockets(system: Any, stops: tuple[str, ...]) -> set[int]:
    """Ports of socket units, which systemd itself holds."""
    ports = set()
    for name in stops:
        if name.endswith(".socket"):
            said = system.run(["systemctl", "show", "--property=Listen", name])
            ports |= {int(one) for one in re.findall(r":(\d+) \(Stream\)", said.stdout)}
    return ports
