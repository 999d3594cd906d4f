# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The apply that is being undone must not go on changing the host beneath the undo.

It is registered when the pack is armed or extended: a systemd unit, a control group's folder, or
a process with the time it began, so that another process under an old number is never hit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

from .failures import BadItem
from .system import Host

Apply = dict[str, Any]
_GENTLE = 5.0
_KINDS = ("unit", "pid", "cgroup")


def registered(host: Host, given: dict[str, Any] | None) -> Apply | None:
    """The apply in its final form; BadItem when it cannot be meant or does not exist."""
    if not given:
        return None
    named = [key for key in _KINDS if given.get(key)]
    if len(named) != 1 or set(given) - {*_KINDS, "wait"}:
        raise BadItem("apply: name one of unit, pid, cgroup, and wait if it may end by itself")
    found: Apply = {named[0]: given[named[0]]}
    try:
        found["wait"] = float(given.get("wait") or 0)
        if "pid" in found:
            found["pid"] = int(found["pid"])
    except (TypeError, ValueError):
        raise BadItem("apply: pid and wait are numbers") from None
    if "pid" in found:
        found["started"] = _started(host, found["pid"])
        if found["started"] is None:
            raise BadItem("apply: there is no process {0}".format(found["pid"]))
    if "cgroup" in found and not os.path.isfile(os.path.join(found["cgroup"], "cgroup.procs")):
        raise BadItem("apply: {0} is no control group".format(found["cgroup"]))
    return found


def running(host: Host, apply: Apply | None) -> bool:
    """Whether any of it is still at work."""
    if apply is None:
        return False
    if "unit" in apply:
        said = host.run(["systemctl", "is-active", apply["unit"]]).out.strip()
        return said in ("active", "activating", "deactivating", "reloading")
    return bool(_members(host, apply))


def stop(host: Host, apply: Apply | None) -> dict[str, Any] | None:
    """Wait as long as it was promised, then end it; what was done, None when nothing was.

    A package transaction that is killed leaves packages half configured: `wait` is for those.
    """
    if apply is None:
        return None
    end = time.monotonic() + float(apply.get("wait", 0))
    while running(host, apply) and time.monotonic() < end:
        time.sleep(0.2)
    if not running(host, apply):
        return {"stopped": False, "running": False}
    if "unit" in apply:
        _stop_unit(host, apply["unit"])
    else:
        _stop_processes(host, apply)
    return {"stopped": True, "running": running(host, apply)}


def _stop_unit(host: Host, unit: str) -> None:
    done = host.run(["systemctl", "stop", unit], 90.0)
    if done.code != 0:
        host.run(["systemctl", "kill", "--signal=KILL", unit])
        host.run(["systemctl", "stop", unit], 30.0)


def _stop_processes(host: Host, apply: Apply) -> None:
    # New children may be born while their parents are being ended, so it is done again.
    # Those whose parent has ended belong to nobody any more, so they are remembered.
    members: dict[int, int | None] = {}
    for number, seconds in ((signal.SIGTERM, _GENTLE), (signal.SIGKILL, _GENTLE)):
        end = time.monotonic() + seconds
        members = _still(host, apply, members)
        while members and time.monotonic() < end:
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.1)
            members = _still(host, apply, members)


def _still(host: Host, apply: Apply, before: dict[int, int | None]) -> dict[int, int | None]:
    """Number and beginning of its processes that live, the ones known before included."""
    found = {pid: began for pid, began in before.items() if _started(host, pid) == began}
    for pid in _members(host, apply):
        found.setdefault(pid, _started(host, pid))
    return {pid: began for pid, began in found.items() if _alive(host, pid)}


def _members(host: Host, apply: Apply) -> list[int]:
    """Its processes, children first, without ourselves and those above us."""
    if "cgroup" in apply:
        found = _in_group(apply["cgroup"])
    elif _started(host, apply["pid"]) == apply["started"]:
        found = _tree(host, apply["pid"])
    else:
        found = []
    return [pid for pid in found if pid not in _own_line(host) and _alive(host, pid)]


def _in_group(folder: str) -> list[int]:
    found = []
    for place, _folders, files in os.walk(folder):
        if "cgroup.procs" in files:
            with contextlib.suppress(OSError), open(os.path.join(place, "cgroup.procs")) as source:
                found += [int(line) for line in source]
    return found


def _tree(host: Host, pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir(host.at("/proc")):
        if name.isdigit():
            words = _stat(host, int(name))
            if words:
                children.setdefault(int(words[1]), []).append(int(name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found[::-1]


def _own_line(host: Host) -> list[int]:
    found, pid = [], os.getpid()
    while pid > 1 and pid not in found:
        found.append(pid)
        words = _stat(host, pid)
        pid = int(words[1]) if words else 1
    return found


def _alive(host: Host, pid: int) -> bool:
    words = _stat(host, pid)
    return bool(words) and words[0] not in ("Z", "X")


def _started(host: Host, pid: int) -> int | None:
    words = _stat(host, pid)
    return int(words[19]) if words else None


def _stat(host: Host, pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty when there is no such process."""
    try:
        with open(host.at("/proc/{0}/stat".format(pid))) as source:
            return source.read().rpartition(")")[2].split()
    except OSError:
        return []
