# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lock or pid file whose owner is gone keeps a service from starting: it goes, the unit starts.

A file counts as left behind only when nobody holds a lock on it or has it open, its process is gone
(or is another program that began after the file was written), and it is old enough. Everything
that cannot be told counts as in use. Whose folder it lies in may swap it while it is looked at: so
it is opened once from its folder, judged as what was opened, and removed from that very folder.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
import time
from typing import Any, Iterator, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.heal import (
    file_holders,
    processes,
    systemd_units,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    ESCALATE,
    HEALTHY,
    NEEDED,
    Action,
    Diagnosis,
    Evidence,
    Finding,
    HealError,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.mount_tables import type_of
from ansible_collections.storewarden.ops.plugins.module_utils.heal.open_files import elsewhere
from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import opened
from ansible_collections.storewarden.ops.plugins.module_utils.heal.unit_rules import (
    DOWN,
    No,
    kept_down,
    not_allowed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

OPTIONS: dict[str, Any] = {
    "paths": {"type": "list", "elements": "str", "required": True},
    "unit": {"type": "str", "required": True},
    "programs": {"type": "list", "elements": "str", "default": []},
    "min_age": {"type": "float", "default": 300.0},
    "minutes": {"type": "float", "default": 10.0},
    "settle": {"type": "float", "default": 5.0},
}
# Locks of package databases and of data: removing one of a live program destroys what it guards.
_NEVER = (
    *("/var/lib/dpkg/*", "/var/lib/apt/*", "/var/cache/apt/*", "/var/lib/rpm/*", "/usr/*"),
    *("/var/cache/dnf/*", "/var/lib/dnf/*", "/var/cache/libdnf5/*", "/run/dnf*", "/run/yum*"),
    *("/run/zypp*", "/run/rpm*", "/var/run/dnf*", "/var/run/yum*", "/var/run/zypp*"),
    *("/var/lib/storewarden/*", "/etc/*", "/boot/*", "/proc/*", "/sys/*", "/dev/*", "/root/*"),
    *("*/postmaster.pid", "*/mongod.lock", "*.ibd", "*/ibdata*", "*/aria_log_control"),
)
# A process in a container has another number there than here.
_CONTAINERS = ("docker-*", "podman-*", "container-*", "libpod-*", "crio-*", "systemd-nspawn@*")
_MOST = 20  # files that one run looks at
_LARGEST = 4096  # bytes; a lock file holds a number, not data
_CLOCK = 2.0  # seconds by which a process may seem to have begun after the file that it wrote
_ACT_SECONDS = 50.0


class Lockfile(Action):
    """Remove lock files that were left behind, and start the unit that they blocked."""

    name = "lockfile"
    judges_ages = True

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        unit = systemd_units.full_name(options["unit"])
        paths = sorted({one for pattern in options["paths"] for one in _matching(host, pattern)})
        return {
            "unit": systemd_units.unit_facts(host, unit, options["minutes"]),
            "files": [one for path in paths[:_MOST] for one in _file(host, path)],
        }

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        unit = facts["unit"]["name"]
        lines = ["{path}: process {pid}, age {age:.0f} s".format(**one) for one in facts["files"]]
        return (
            Evidence("lock files", "\n".join(lines)),
            Evidence("journal of {0}".format(unit), systemd_units.journal(host, unit)),
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        unit = facts["unit"]
        name = unit["name"]
        if unit["active"] not in DOWN and unit["sub"] != "auto-restart":
            return Diagnosis(
                HEALTHY,
                "{0} is {1}: nothing keeps it from running".format(name, unit["active"]),
                "{0} 状态为 {1}，未被锁文件阻塞".format(name, unit["active"]),
            )
        no = _container(name) or not_allowed(name, [], all_when_empty=True) or kept_down(unit)
        if no is not None:
            return no.diagnosis()
        judged = [(one, _in_use(one, options)) for one in facts["files"]]
        stale = [one for one, why in judged if why is None]
        if not stale:
            said = [why for _one, why in judged if why]
            return Diagnosis(
                ESCALATE,
                "{0} is {1}, but no lock file was left behind{2}".format(
                    name, unit["active"], "".join("; " + why[0] for why in said)
                ),
                "{0} 状态为 {1}，但没有残留的锁文件{2}".format(
                    name, unit["active"], "".join("；" + why[1] for why in said)
                ),
            )
        # systemd has tried in vain as often as it liked; what counts is that a lock was the reason.
        names = ", ".join("{path} (process {pid})".format(**one) for one in stale)
        names_zh = "、".join("{path}（进程 {pid}）".format(**one) for one in stale)
        return Diagnosis(
            NEEDED,
            "{0} is {1}; left behind: {2}".format(name, unit["active"], names),
            "{0} 状态为 {1}；残留锁文件：{2}".format(name, unit["active"], names_zh),
            {"unit": name, "files": [{key: one[key] for key in _IDENTITY} for one in stale]},
        )

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        facts = self.facts(host, options)
        again = self.diagnose(facts, options)
        if again.state == HEALTHY:
            return []
        left = again.plan.get("files", [])
        wanted = [one for one in diagnosis.plan["files"] if one in left]
        if not wanted:
            raise HealError(
                "not as diagnosed any more: {0}".format(again.reason),
                "情况已与诊断时不同：{0}".format(again.reason_zh),
            )
        steps = []
        for one in wanted:
            if not _removed(host, one):
                continue
            steps.append(
                Step(
                    "removed {0} of process {1}, which is gone".format(one["path"], one["pid"]),
                    "已删除 {0}（所属进程 {1} 已不存在）".format(one["path"], one["pid"]),
                )
            )
        if not steps:
            raise HealError(
                "the lock files were changed while they were looked at; nothing was removed",
                "锁文件在检查期间发生变化；未删除任何文件",
            )
        unit = diagnosis.plan["unit"]
        systemd_units.restart(host, unit, True, _ACT_SECONDS)
        return [*steps, Step("started {0}".format(unit), "已启动 {0}".format(unit))]

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        unit = systemd_units.shown(host, [diagnosis.plan["unit"]])[0]
        name, up_for = diagnosis.plan["unit"], systemd_units.up_for(unit)
        well = unit["active"] == "active" and up_for >= options["settle"]
        return Finding(
            well,
            "{0} is {1} since {2:.0f} s".format(name, unit["active"], up_for),
            "{0} 状态为 {1}，已持续 {2:.0f} 秒".format(name, unit["active"], up_for),
        )


def _container(name: str) -> Optional[No]:
    if not systemd_units.matches(name, _CONTAINERS):
        return None
    return No(
        "{0} is a container, where processes have numbers of their own".format(name),
        "{0} 是容器，其进程号与主机不同".format(name),
    )


_IDENTITY = ("path", "ino", "mtime", "pid")  # by which act knows that it is the same file


_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def _matching(host: Host, pattern: str) -> Iterator[str]:
    """Paths of the host that a pattern names, by the real names of their folders. On a filesystem
    of another machine nothing is looked for: a process there has no number here."""
    fixed = pattern.partition("*")[0].partition("?")[0].partition("[")[0]
    if elsewhere(type_of(host, os.path.dirname(fixed))):
        return
    for one in glob.glob(host.at(pattern)):
        real = _plain(one)[len(host.root) :]
        if not elsewhere(type_of(host, real)):
            yield real


def _plain(path: str) -> str:
    """Without links and dots in its folders: what is never touched is known by its real name."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _file(host: Host, path: str) -> list[dict[str, Any]]:
    """What is known of one file; nothing when it is gone, or is no plain file."""
    folder, name = os.path.split(path)
    try:
        outer = opened(host.root, folder)
        try:
            descriptor = os.open(name, _READ, dir_fd=outer)
        finally:
            os.close(outer)
    except OSError:
        return []
    try:
        return _known(host, path, descriptor)
    except OSError:
        return []
    finally:
        os.close(descriptor)


def _known(host: Host, path: str, descriptor: int) -> list[dict[str, Any]]:
    seen = os.fstat(descriptor)
    if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
        return []
    pid = pid_in(os.pread(descriptor, _LARGEST, 0).decode("utf-8", "replace"))
    return [
        {
            "path": path,
            "ino": seen.st_ino,
            "mtime": round(seen.st_mtime, 3),
            "size": seen.st_size,
            "age": round(max(0.0, time.time() - seen.st_mtime), 1),
            "pid": pid,
            "holders": file_holders.holders(host, descriptor),
            **_owner(host, pid),
        }
    ]


def _removed(host: Host, one: dict[str, Any]) -> bool:
    """Remove the file that was judged, and none that stands in its place by now."""
    folder, name = os.path.split(one["path"])
    try:
        outer = opened(host.root, folder)
    except OSError:
        return False
    try:
        seen = os.stat(name, dir_fd=outer, follow_symlinks=False)
        same = seen.st_ino == one["ino"] and round(seen.st_mtime, 3) == one["mtime"]
        if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1 or not same:
            return False
        os.unlink(name, dir_fd=outer)
        return True
    except OSError:
        return False
    finally:
        os.close(outer)


def _owner(host: Host, pid: int) -> dict[str, Any]:
    """Whether the process is there, which program it is, and since when."""
    alive = pid > 0 and os.path.isdir(host.at("/proc/{0}".format(pid)))
    began: Optional[float] = processes.started_at(host, pid) if alive else None
    return {"alive": alive, "exe": processes.exe(host, pid) if alive else "", "began": began}


def pid_in(text: str) -> int:
    """The process number that a lock file names: its first word, 0 when that is none."""
    words = text.split()
    return int(words[0]) if words and words[0].isdigit() and len(words[0]) <= 10 else 0


def _in_use(one: dict[str, Any], options: dict[str, Any]) -> Optional[tuple[str, str]]:
    """Why a file must stay, in both languages; None for one that was left behind."""
    path = one["path"]
    rules = (
        (any(fnmatch.fnmatchcase(path, pattern) for pattern in _NEVER),
         "is never removed", "不允许删除"),
        (one["size"] > _LARGEST, "is too large for a lock file", "过大，不像锁文件"),
        (bool(one["holders"]),
         "is held by {0}".format(", ".join(one["holders"])),
         "正被 {0} 占用".format("、".join(one["holders"]))),
        (not one["pid"], "names no process", "未写明进程号"),
        (_same_program(one, options),
         "belongs to process {0}, which runs ({1})".format(one["pid"], one["exe"] or "?"),
         "所属进程 {0} 仍在运行（{1}）".format(one["pid"], one["exe"] or "?")),
        (one["age"] < float(options.get("min_age", 300.0)),
         "is only {0:.0f} s old".format(one["age"]),
         "创建仅 {0:.0f} 秒".format(one["age"])),
    )  # fmt: skip
    for met, en, zh in rules:
        if met:
            return "{0} {1}".format(path, en), "{0} {1}".format(path, zh)
    return None


def _same_program(one: dict[str, Any], options: dict[str, Any]) -> bool:
    """Whether the process of that number may be the one that wrote the file. Another one has the
    number when it is no program of the list **and** began after the file was written."""
    if not one["alive"]:
        return False
    programs = options.get("programs") or []
    other = bool(programs) and bool(one["exe"])
    other = other and not any(fnmatch.fnmatchcase(one["exe"], name) for name in programs)
    return not (other and one["began"] is not None and one["began"] > one["mtime"] + _CLOCK)


ACTION = Lockfile()
