# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filesystem that the kernel turned read-only: always a person's work.

It did so because the disk or the filesystem is damaged. To remount it, or to repair it while it
is mounted, can cost what is still readable, so this action only looks and tells.
"""

from __future__ import annotations

import os
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    ESCALATE,
    HEALTHY,
    Action,
    Diagnosis,
    Evidence,
    Finding,
    HealError,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.mount_tables import (
    declared,
    mounts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.open_files import (
    local_mounts,
    mount_of_open,
    own_device,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_KERNEL = re.compile(
    r"I/O error|EXT4-fs|XFS|BTRFS|remount|read-only|ata\d|nvme|blk_update|critical medium|journal",
    re.I,
)
# sda3, vdb1, xvda2; nvme0n1p2 and mmcblk0p1, whose disks end in a number themselves.
_PARTITION = re.compile(r"(?<=^/dev/)(?:((?:[shv]|xv)d[a-z]+)\d+|((?:nvme\d+n|mmcblk|md)\d+)p\d+)$")
_MOST_WRITERS = 50
_MOST_DISKS = 3  # 15 s each at most, on disks that may be dying

OPTIONS: dict[str, Any] = {
    "mountpoint": {"type": "str", "required": True},
}


class Readonly(Action):
    """Tell a person what turned read-only, and why."""

    name = "readonly"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        place = options["mountpoint"]
        wanted = declared(host).get(place)
        return {
            "mount": mounts(host).get(place),
            "wanted": wanted["options"] if wanted else None,
        }

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        place, mount = options["mountpoint"], facts["mount"] or {}
        found = [
            Evidence("mount options", "{0}\nfstab: {1}\n".format(mount, facts["wanted"])),
            Evidence("kernel messages", _kernel(host)),
            Evidence("open for writing", "\n".join(writers(host.at(place))) or "nobody\n"),
        ]
        if host.has("smartctl"):
            for disk in disks(host, mount.get("source", ""), mount.get("device", "")):
                said = host.run(["smartctl", "-H", "-A", disk], 15.0).out
                found.append(Evidence("SMART of " + disk, said))
        return tuple(found)

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        return _judged(facts, options["mountpoint"])

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        raise HealError(
            "a read-only filesystem is never remounted or repaired by itself",
            "只读文件系统从不自动重新挂载或修复",
        )

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        seen = self.diagnose(self.facts(host, options), options)
        return Finding(seen.state == HEALTHY, seen.reason, seen.reason_zh)


def disks(host: Host, source: str, device: str) -> list[str]:
    """The disks below a filesystem: of a partition its disk, of LVM, RAID and encryption what they
    are made of. ``device`` is the kernel's number (``8:2``)."""
    names: list[str] = []
    _below(host, os.path.realpath(host.at("/sys/dev/block/" + device)), names)
    if not names and source.startswith("/dev/"):
        names = [whole_disk(source)[len("/dev/") :]]
    return ["/dev/" + name for name in names[:_MOST_DISKS]]


def whole_disk(source: str) -> str:
    """``/dev/nvme0n1`` of ``/dev/nvme0n1p2``; what is no partition stays."""
    return _PARTITION.sub(lambda found: found.group(1) or found.group(2), source)


def _below(host: Host, place: str, names: list[str]) -> None:
    """Add the disks that a block device of /sys is made of."""
    if not os.path.isdir(place) or len(names) > _MOST_DISKS:
        return
    if os.path.exists(os.path.join(place, "partition")):
        place = os.path.dirname(place)
    try:
        parts = sorted(os.listdir(os.path.join(place, "slaves")))
    except OSError:
        parts = []
    for part in parts:
        _below(host, os.path.realpath(host.at("/sys/class/block/" + part)), names)
    if not parts and os.path.basename(place) not in names:
        names.append(os.path.basename(place))


def _judged(facts: dict[str, Any], place: str) -> Diagnosis:
    mount, wanted = facts["mount"], facts["wanted"]
    if mount is None:
        return Diagnosis(
            ESCALATE, "nothing is mounted at {0}".format(place), "{0} 没有挂载".format(place)
        )
    if not (mount["mount_ro"] or mount["super_ro"]):
        return Diagnosis(HEALTHY, "{0} can be written to".format(place), "{0} 可写".format(place))
    if wanted is not None and "ro" in wanted:
        return Diagnosis(
            HEALTHY,
            "{0} is read-only, as /etc/fstab wants it".format(place),
            "{0} 按 /etc/fstab 的要求为只读".format(place),
        )
    return Diagnosis(ESCALATE, *_words(facts, place))


def _words(facts: dict[str, Any], place: str) -> tuple[str, str]:
    mount = facts["mount"]
    what = "{0} ({1})".format(mount["source"], mount["type"])
    if not mount["super_ro"]:
        return (
            "the mount point {0} is read-only, {1} itself is not".format(place, what),
            "挂载点 {0} 只读，而 {1} 本身不是".format(place, what),
        )
    en = "{0} on {1} turned read-only".format(what, place)
    zh = "{1} 上的 {0} 变为只读".format(what, place)
    if "errors=remount-ro" in mount["super_options"]:
        return (
            en + "; it does so on errors (errors=remount-ro)",
            zh + "；出错时即如此（errors=remount-ro）",
        )
    if facts["wanted"] is None:
        return en + "; /etc/fstab does not name it", zh + "；/etc/fstab 中没有它"
    return en + "; /etc/fstab wants it writable", zh + "；/etc/fstab 要求可写"


def _kernel(host: Host) -> str:
    """Lines about disks and filesystems of the kernel's messages of this boot."""
    done = host.run(["journalctl", "-k", "-b", "--no-pager", "-o", "short-iso"], 30.0)
    if done.code != 0 or not done.out.strip():
        done = host.run(["dmesg"], 30.0)
    lines = [line for line in done.out.splitlines() if _KERNEL.search(line)]
    return "\n".join(lines[-200:]) or "no such lines (status {0})\n".format(done.code)


def writers(place: str) -> list[str]:
    """``PID program path`` of each file on the filesystem that is open for writing. Nobody asks
    the filesystem itself, which may not answer."""
    mine = own_device(place)
    numbers = {number for number, device in local_mounts().items() if device == mine}
    found: list[str] = []
    for pid in sorted((name for name in os.listdir("/proc") if name.isdigit()), key=int):
        found += _of(int(pid), numbers)
        if len(found) > _MOST_WRITERS:
            break
    return found[:_MOST_WRITERS]


def _of(pid: int, mounts_there: set[int]) -> list[str]:
    found = []
    try:
        with open("/proc/{0}/comm".format(pid), encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
        for number in os.listdir("/proc/{0}/fd".format(pid)):
            if mount_of_open("/proc", pid, number) in mounts_there and _writes(pid, number):
                link = "/proc/{0}/fd/{1}".format(pid, number)
                found.append("{0} {1} {2}".format(pid, name, os.readlink(link)))
    except OSError:
        pass
    return found


def _writes(pid: int, number: str) -> bool:
    with open("/proc/{0}/fdinfo/{1}".format(pid, number), encoding="ascii") as lines:
        flags = [line.split()[1] for line in lines if line.startswith("flags:")]
    return bool(flags) and bool(int(flags[0], 8) & (os.O_WRONLY | os.O_RDWR))


ACTION = Readonly()
