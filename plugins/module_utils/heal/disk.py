# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filesystem that is nearly full: what may go goes, kind by kind, until there is room.

Only what an allow list names may go, each file by its own path, looked at again before it goes.
What was freed is what the filesystem itself says before and after each step.
"""

from __future__ import annotations

import heapq
import time
from typing import Any, Iterator

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    Action,
    Diagnosis,
    Evidence,
    Finding,
    Step,
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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.journal_files import archived
from ansible_collections.storewarden.ops.plugins.module_utils.heal.log_forwarding import (
    only_in_journal,
    sent,
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
    mount_at,
    open_now,
    remove,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_MOST = 400  # files of one kind that one repair looks at, the largest first
_CACHES = (
    ("apt-get", ["apt-get", "clean"], "/var/cache/apt/archives"),
    ("dnf", ["dnf", "-q", "clean", "packages"], "/var/cache/dnf"),
)

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

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        place = options["mountpoint"]
        if not mounted(host, place):
            return {"mounted": False, "now": time.time()}
        seen = room(host, place)
        facts: dict[str, Any] = {
            "mounted": True, "now": time.time(), "avail": seen.avail, "size": seen.size,
            "sent": False, "only_in_journal": True, "cache": {}, "journal": [], "logs": [],
            "deleted": [], "temp": [],
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
            if _enough(host, diagnosis):
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
    place = options["mountpoint"]
    where = place_of(host.root, place)
    mount = where.mount
    data = options["data"]
    used = open_now()
    logs = [one for one in options["log_folders"] if not forbidden(one, data)]
    temp = [one for one in options["temp_days"] if not forbidden(one, data)]
    return {
        "sent": options["central_logs"] and sent(host),
        "only_in_journal": only_in_journal(host),
        "cache": _cache(host, mount),
        "journal": [
            dict(_entry(found), newest=newest)
            for found, newest in archived(host.root, mount)
            if (found.device, found.inode) not in used
        ],
        "logs": _entries(one for one in _all(host, logs, mount, data) if _log(one, used)),
        "deleted": list(deleted(logs, where)),
        "temp": _entries(
            one for one in _all(host, temp, mount, data) if (one.device, one.inode) not in used
        ),
    }


def _log(one: Found, used: Any) -> bool:
    return rotated(one.path) and (one.device, one.inode) not in used


def _all(host: Host, folders: list[str], mount: int, data: Any) -> Iterator[Found]:
    for folder in folders:
        yield from files(host.root, folder.rstrip("/"), mount, data)


def _entries(found: Iterator[Found]) -> list[dict[str, Any]]:
    most = heapq.nlargest(_MOST, {one.path: one for one in found}.values(), lambda one: one.size)
    return [_entry(one) for one in most if one.size]


def _entry(found: Found) -> dict[str, Any]:
    return {
        "path": found.path, "bytes": found.size, "inode": found.inode,
        "written": found.written, "touched": found.touched,
    }  # fmt: skip


def _cache(host: Host, mount: int) -> dict[str, Any]:
    for tool, argv, folder in _CACHES:
        size = sum(one.size for one in files(host.root, folder, mount)) if host.has(tool) else 0
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
        if _enough(host, diagnosis):
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
        if _enough(host, diagnosis):
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
