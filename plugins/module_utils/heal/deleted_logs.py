# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logs that somebody deleted while a service still writes to them: no name, but all their room.

Only services that the site names are told to reopen their logs, each in its own way. Emptying
such a file directly is for those that know no way, and only below a folder of logs. What a number
stands for is the process's own to change at any time, so a file is judged and emptied through one
descriptor of ours.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from typing import Any, Iterator, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.heal import processes
from ansible_collections.storewarden.ops.plugins.module_utils.heal.open_files import (
    local_mounts,
    mount_of_open,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.safe_files import inside
from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import mount_at
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

WAYS = ("signal", "reload", "truncate")
_GONE = " (deleted)"
_SIGNALS = ("HUP", "USR1", "USR2")
_PATIENCE = 10.0  # seconds that a service is given to let go of its old file
_WRITING = os.O_WRONLY | os.O_RDWR


def rule_of(rules: Any, unit: str) -> dict[str, Any] | None:
    """The rule ``{unit, how, signal?, young?}`` for a unit, as the site gave it; None without
    one. ``young``: what was deleted may go however young it is."""
    for one in rules:
        if one.get("unit") == unit and one.get("how") in WAYS:
            return {
                "unit": unit, "how": one["how"], "signal": one.get("signal") or "HUP",
                "young": one.get("young") is True,
            }  # fmt: skip
    return None


class Place(NamedTuple):
    """A filesystem. Files of an overlay may have other device numbers than their folders; then
    the mount that they were opened through tells, or the filesystem's own number."""

    device: int
    mount: int
    number: int


def place_of(root: str, mountpoint: str) -> Place:
    """OSError when it cannot be reached."""
    there = root + mountpoint
    return Place(os.stat(there).st_dev, mount_at(root, mountpoint), os.statvfs(there).f_fsid)


def deleted(folders: Any, place: Place, data: Any = ()) -> Iterator[dict[str, Any]]:
    """``{pid, fd, started, unit, path, size, device, inode, written}`` of each file below
    ``folders`` on this filesystem that has no name any more and is still open for writing; none
    that lay in ``data``."""
    local = local_mounts()
    for name in os.listdir("/proc"):
        if name.isdigit():
            for one in _of(int(name), folders, place, local):
                if not inside(one["path"], data):
                    yield one


def _of(pid: int, folders: Any, place: Place, local: dict[int, str]) -> Iterator[dict[str, Any]]:
    folder = "/proc/{0}/fd".format(pid)
    try:
        numbers = os.listdir(folder)
    except OSError:
        return
    for number in numbers:
        try:
            target = os.readlink("{0}/{1}".format(folder, number))
            if not target.endswith(_GONE) or not inside(target[: -len(_GONE)], folders):
                continue
            if mount_of_open("/proc", pid, number) not in local:
                continue
            info = os.stat("{0}/{1}".format(folder, number))
            opened = _fdinfo(pid, number)
            if not stat.S_ISREG(info.st_mode) or info.st_nlink != 0:
                continue
            if not opened["flags"] & _WRITING or not _lies(info, opened, place):
                continue
        except OSError:
            continue
        yield {
            "pid": pid,
            "fd": int(number),
            "started": started(pid),
            "unit": unit_of(pid),
            "path": target[: -len(_GONE)],
            "size": info.st_blocks * 512,
            "device": info.st_dev,
            "inode": info.st_ino,
            "written": info.st_mtime,
        }


def _lies(info: os.stat_result, opened: dict[str, int], place: Place) -> bool:
    """Whether an open file lies on this filesystem."""
    if info.st_dev == place.device or opened["mnt_id"] == place.mount:
        return True
    return bool(place.number) and opened["number"] == place.number


def _fdinfo(pid: int, number: Any) -> dict[str, int]:
    """``flags``, ``mnt_id`` and the filesystem's ``number`` of an open file."""
    found = {"flags": 0, "mnt_id": -1}
    with open("/proc/{0}/fdinfo/{1}".format(pid, number), encoding="ascii") as lines:
        for line in lines:
            name, _colon, value = line.partition(":")
            if name in found:
                found[name] = int(value.strip(), 8 if name == "flags" else 10)
    found["number"] = os.statvfs("/proc/{0}/fd/{1}".format(pid, number)).f_fsid
    return found


def started(pid: int) -> str:
    """When a process started, in the kernel's ticks: with its number it is never another one."""
    try:
        with open("/proc/{0}/stat".format(pid), encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def unit_of(pid: int) -> str:
    """The service of the system that a process belongs to; empty for none."""
    try:
        with open("/proc/{0}/cgroup".format(pid), encoding="utf-8") as file:
            return service_of(file.read())
    except OSError:
        return ""


def service_of(cgroup: str) -> str:
    """As ``unit_of``, of a /proc/PID/cgroup. A user may name a service as they like, so one below
    a user's own manager counts for nothing."""
    found = processes.unit_of(cgroup)
    return found if found.endswith(".service") and not found.startswith("user@") else ""


def still(one: dict[str, Any], place: Place) -> bool:
    """Whether it is the same process with the same deleted file."""
    if started(one["pid"]) != one["started"] or unit_of(one["pid"]) != one["unit"]:
        return False
    if mount_of_open("/proc", one["pid"], str(one["fd"])) not in local_mounts():
        return False
    try:
        info = os.stat(_link(one))
        opened = _fdinfo(one["pid"], one["fd"])
    except OSError:
        return False
    return _same(one, info) and _lies(info, opened, place)


def _same(one: dict[str, Any], info: os.stat_result) -> bool:
    """Whether that is the deleted file that was diagnosed."""
    if not stat.S_ISREG(info.st_mode) or info.st_nlink != 0:
        return False
    return info.st_ino == one["inode"] and info.st_dev == one["device"]


def emptied(one: dict[str, Any]) -> bool:
    """Empty the deleted file itself, and no other that stands under its number by now."""
    with contextlib.suppress(OSError):
        # No O_TRUNC: nothing happens to a file before it is known to be the right one.
        descriptor = os.open(_link(one), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if _same(one, os.fstat(descriptor)):
                os.ftruncate(descriptor, 0)
                return True
        finally:
            os.close(descriptor)
    return False


def let_go(host: Host, one: dict[str, Any], rule: dict[str, Any], place: Place) -> str:
    """Have the service give the room back; what was done in a few words, empty when nothing."""
    if not still(one, place):
        return ""
    if rule["how"] == "truncate":
        return "emptied" if emptied(one) else ""
    if rule["how"] == "reload":
        done = host.run(["systemctl", "reload", rule["unit"]], 60.0)
        said = "reloaded" if done.code == 0 else ""
    else:
        said = _signalled(host, rule)
    end = time.monotonic() + _PATIENCE
    while said and still(one, place) and time.monotonic() < end:
        time.sleep(0.2)
    return said


def _signalled(host: Host, rule: dict[str, Any]) -> str:
    if rule["signal"] not in _SIGNALS:
        return ""
    asked = host.run(["systemctl", "show", "-p", "MainPID", "--value", rule["unit"]], 20.0)
    pid = int(asked.out.strip() or 0) if asked.out.strip().isdigit() else 0
    if pid <= 1 or unit_of(pid) != rule["unit"]:
        return ""
    os.kill(pid, getattr(signal, "SIG" + rule["signal"]))
    return "told with SIG{0} to reopen its logs".format(rule["signal"])


def _link(one: dict[str, Any]) -> str:
    return "/proc/{0}/fd/{1}".format(one["pid"], one["fd"])
