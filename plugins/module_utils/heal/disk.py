# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filesystem that is nearly full: what may go goes, kind by kind, until there is room.

Only what an allow list names may go, each file by its own path, looked at again before it goes.
What was freed is what the filesystem itself says before and after each step.
"""

from __future__ import annotations

import fnmatch
import heapq
import time
from typing import Any, Iterator

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    Action,
    Diagnosis,
    Evidence,
    Finding,
    Step,
    time_left,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.deleted_logs import (
    deleted,
    let_go,
    place_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.disk_plan import (
    WORDS,
    judged,
    rotated,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.journal_files import (
    REMOTE,
    archived,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.log_forwarding import (
    only_in_journal,
    sent,
    uploaded,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.open_files import (
    in_use,
    open_now,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.room import (
    biggest,
    human,
    largest,
    mounted,
    percent,
    pieces,
    room,
    told,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.safe_files import (
    Found,
    files,
    forbidden,
    remove,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.tmpfiles_rules import (
    kept,
    stays,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import (
    Bounds,
    mount_at,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_MOST = 400  # files of one kind that one repair looks at, the largest first
_LOOK_SECONDS = 60.0  # for finding what may go; the largest are looked for afterwards
_LEAST = 20.0  # seconds of its time that act keeps for saying what it did
# What the tool's own command removes, and nothing else: an index that stays is no room to gain.
_CACHES: tuple[tuple[str, list[str], str, str], ...] = (
    ("apt-get", ["apt-get", "clean"], "/var/cache/apt/archives", "*.deb"),
    ("dnf", ["dnf", "-q", "--setopt=exit_on_lock=1", "clean", "packages"], "/var/cache/dnf",
     "*/packages/*.rpm"),
    ("dnf", ["dnf", "-q", "--setopt=exit_on_lock=1", "clean", "packages"], "/var/cache/libdnf5",
     "*/packages/*.rpm"),
)  # fmt: skip

OPTIONS: dict[str, Any] = {
    "mountpoint": {"type": "str", "required": True},
    "free_share": {"type": "float", "default": 0.2},
    "package_cache": {"type": "bool", "default": True},
    "retention_days": {"type": "int", "default": 180},
    "central_logs": {"type": "bool", "default": False},
    "sent_keep_days": {"type": "int", "default": 7},
    "log_folders": {"type": "list", "elements": "str", "default": ["/var/log"]},
    "reopen": {
        "type": "list",
        "elements": "dict",
        "default": [
            {"unit": "rsyslog.service", "how": "signal", "signal": "HUP"},
            {"unit": "nginx.service", "how": "signal", "signal": "USR1"},
        ],
    },
    "temp_days": {"type": "dict", "default": {"/tmp": 10, "/var/tmp": 30}},
    "data": {"type": "list", "elements": "str", "default": ["/var/log/remote"]},
}


class Disk(Action):
    """Free room on one filesystem."""

    name = "disk"
    judges_ages = True

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        place = options["mountpoint"]
        if not mounted(host, place):
            return {"mounted": False, "now": time.time()}
        seen = room(host, place)
        facts: dict[str, Any] = {
            "mounted": True, "now": time.time(), "avail": seen.avail, "size": seen.size,
            "sent": False, "uploaded": False, "only_in_journal": True, "cache": {},
            "journal": [], "logs": [], "deleted": [], "temp": [],
        }  # fmt: skip
        if seen.free_share < float(options["free_share"]):
            facts.update(_candidates(host, options))
        return facts

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        if not facts["mounted"]:
            return ()
        return pieces(largest(host, options["mountpoint"]))

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        return judged(facts, options)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        done = []
        for step in diagnosis.plan["steps"]:
            if _enough(host, diagnosis) or time_left() < _LEAST:
                break
            before = room(host, diagnosis.plan["mountpoint"]).avail
            en, zh = _DOES[step["kind"]](host, diagnosis, step)
            freed = max(0, room(host, diagnosis.plan["mountpoint"]).avail - before)
            done.append(
                Step(
                    "{0}: {1} ({2})".format(WORDS[step["kind"]][0], human(freed), en),
                    "{0}：{1}（{2}）".format(WORDS[step["kind"]][1], human(freed), zh),
                    freed,
                )
            )
        return done

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        place, goal = options["mountpoint"], float(options["free_share"])
        share = room(host, place).free_share
        en = "{0} has {1} free (goal {2})".format(place, percent(share), percent(goal))
        zh = "{0} 可用 {1}（目标 {2}）".format(place, percent(share), percent(goal))
        if share >= goal:
            return Finding(True, en, zh)
        names = told(biggest(largest(host, place)))
        return Finding(
            False, "{0}; largest: {1}".format(en, names), "{0}；最大的：{1}".format(zh, names)
        )


def _candidates(host: Host, options: dict[str, Any]) -> dict[str, Any]:
    """What lies on the filesystem and might go, by kind; its age is judged later."""
    where = place_of(host.root, options["mountpoint"])
    data, central = options["data"], options["central_logs"]
    used, bounds, exempt = open_now(), Bounds(_LOOK_SECONDS), kept(host)

    def unused(folders: Any) -> Iterator[Found]:
        for folder in folders:
            if forbidden(folder, data):
                continue
            for one in files(host.root, folder.rstrip("/"), where.mount, data, bounds):
                if not in_use(used, one.device, one.inode):
                    yield one

    logs = [one for one in options["log_folders"] if not forbidden(one, data)]
    return {
        "sent": central and sent(host),
        "uploaded": central and uploaded(host, time.time()),
        "only_in_journal": only_in_journal(host),
        "cache": _cache(host, where.mount, bounds),
        "journal": [
            dict(_entry(found), newest=newest)
            for found, newest in archived(host.root, where.mount, data)
            if not in_use(used, found.device, found.inode)
        ],
        "logs": _entries(one for one in unused(logs) if rotated(one.path)),
        "deleted": list(deleted(logs, where, (*data, REMOTE))),
        "temp": _entries(
            one for one in unused(options["temp_days"]) if not stays(one.path, exempt)
        ),
    }


def _entries(found: Iterator[Found]) -> list[dict[str, Any]]:
    """The largest; one that two folders lead to counts once."""
    most = heapq.nlargest(2 * _MOST, found, lambda one: one.size)
    by_path = {one.path: one for one in most if one.size}
    return [_entry(one) for one in list(by_path.values())[:_MOST]]


def _entry(found: Found) -> dict[str, Any]:
    return {
        "path": found.path, "bytes": found.size, "inode": found.inode,
        "written": found.written, "touched": found.touched,
    }  # fmt: skip


def _cache(host: Host, mount: int, bounds: Bounds) -> dict[str, Any]:
    for tool, argv, folder, pattern in _CACHES:
        if not host.has(tool):
            continue
        found = files(host.root, folder, mount, (), bounds)
        size = sum(one.size for one in found if fnmatch.fnmatchcase(one.path, pattern))
        if size:
            return {"argv": argv, "folder": folder, "bytes": size}
    return {}


def _enough(host: Host, diagnosis: Diagnosis) -> bool:
    goal = float(diagnosis.plan["free_share"])
    return room(host, diagnosis.plan["mountpoint"]).free_share >= goal


def _clean_cache(host: Host, _diagnosis: Diagnosis, step: dict[str, Any]) -> tuple[str, str]:
    done = host.run(list(step["argv"]), 120.0)
    said = " ".join(step["argv"]) + ("" if done.code == 0 else ": " + done.last)
    return said, said


def _remove_files(host: Host, diagnosis: Diagnosis, step: dict[str, Any]) -> tuple[str, str]:
    mount = mount_at(host.root, diagnosis.plan["mountpoint"])
    used, gone, tried = open_now(), 0, 0
    for one in step["files"]:
        if _enough(host, diagnosis) or time_left() < _LEAST:
            break
        tried += 1
        gone += remove(host.root, one, mount, used)
    spared = tried - gone
    return (
        "{0} files{1}".format(gone, ", {0} spared: changed since".format(spared) if spared else ""),
        "{0} 个文件{1}".format(gone, "，{0} 个已变化而保留".format(spared) if spared else ""),
    )


def _let_logs_go(host: Host, diagnosis: Diagnosis, step: dict[str, Any]) -> tuple[str, str]:
    place = place_of(host.root, diagnosis.plan["mountpoint"])
    said = []
    for one in step["open"]:
        if _enough(host, diagnosis) or time_left() < _LEAST:
            break
        what = let_go(host, one, one["rule"], place)
        said.append("{0} of {1}: {2}".format(one["path"], one["unit"], what or "gone already"))
    return "; ".join(said), "；".join(said)


_DOES = {
    "cache": _clean_cache,
    "journal": _remove_files,
    "logs": _remove_files,
    "deleted": _let_logs_go,
    "temp": _remove_files,
}

ACTION = Disk()
