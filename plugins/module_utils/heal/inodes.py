# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filesystem without free inodes: the folder that eats them is named, sessions and the like go.

Hundreds of thousands of small files are no list to hand around, so a plan names folders, a
pattern and a moment; files that came after the diagnosis are younger than that and stay.
"""

from __future__ import annotations

import fnmatch
import time
from typing import Any, Iterator

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
from ansible_collections.storewarden.ops.plugins.module_utils.heal.room import (
    largest,
    mounted,
    percent,
    pieces,
    room,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.safe_files import (
    Found,
    files,
    forbidden,
    inside,
    mount_at,
    open_now,
    remove,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_DAY = 86400.0
# Below /var/lib, where all else is data: where PHP keeps its sessions (Debian and EL).
SESSIONS = ("/var/lib/php/sessions", "/var/lib/php/session")
_LOOK_EVERY = 200  # removed files between two looks at the goal

OPTIONS: dict[str, Any] = {
    "mountpoint": {"type": "str", "required": True},
    "free_share": {"type": "float", "default": 0.1},
    "folders": {
        "type": "list",
        "elements": "dict",
        "default": [
            {"path": "/tmp", "pattern": "*", "days": 10},
            {"path": "/var/tmp", "pattern": "*", "days": 30},
            {"path": "/var/lib/php/sessions", "pattern": "sess_*", "days": 2},
            {"path": "/var/lib/php/session", "pattern": "sess_*", "days": 2},
        ],
    },
    "data": {"type": "list", "elements": "str", "default": []},
}


class Inodes(Action):
    """Free inodes on one filesystem."""

    name = "inodes"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        place = options["mountpoint"]
        if not mounted(host, place):
            return {"mounted": False, "now": time.time()}
        seen = room(host, place)
        facts: dict[str, Any] = {
            "mounted": True, "now": time.time(), "free": seen.inodes_free,
            "inodes": seen.inodes, "most": [], "found": [],
        }  # fmt: skip
        if seen.inode_share < float(options["free_share"]):
            most = largest(host, place).entries
            facts["most"] = [{"folder": path, "entries": count} for count, path in most]
            mount = mount_at(host.root, place)
            facts["found"] = [
                dict(one, count=sum(1 for _ in _old(host, mount, one, options["data"])))
                for one in _cleared(options, facts["now"])
            ]
        return facts

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        if not facts["mounted"]:
            return ()
        return pieces(largest(host, options["mountpoint"]))

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        return _judged(facts, options)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        place, goal = diagnosis.plan["mountpoint"], float(diagnosis.plan["free_share"])
        try:
            mount, used = mount_at(host.root, place), open_now()
        except OSError as error:
            raise HealError(
                "{0} cannot be reached: {1}".format(place, error.strerror),
                "无法访问 {0}：{1}".format(place, error.strerror),
            ) from None
        done = []
        for one in diagnosis.plan["folders"]:
            if room(host, place).inode_share >= goal:
                break
            before = room(host, place).avail
            found = list(_old(host, mount, one, options["data"]))
            gone = _clear(host, diagnosis, found, (mount, used))
            done.append(
                Step(
                    "{0}: {1} files like {2} removed".format(one["path"], gone, one["pattern"]),
                    "{0}：已删除 {1} 个 {2} 文件".format(one["path"], gone, one["pattern"]),
                    max(0, room(host, place).avail - before),
                )
            )
        return done

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        place, goal = options["mountpoint"], float(options["free_share"])
        seen = room(host, place)
        en, zh = _seen(place, seen.inode_share, goal)
        if seen.inode_share >= goal:
            return Finding(True, en, zh)
        most = ", ".join(
            "{0} {1}".format(path, count) for count, path in largest(host, place).entries
        )
        return Finding(
            False,
            "{0}; most entries: {1}".format(en, most),
            "{0}；条目最多：{1}".format(zh, most),
        )


def _cleared(options: dict[str, Any], now: float) -> list[dict[str, Any]]:
    """The allow list with moments: ``{path, pattern, before}``; what is data is left out."""
    return [
        {
            "path": one["path"].rstrip("/"),
            "pattern": one.get("pattern") or "*",
            "before": now - float(one["days"]) * _DAY,
        }
        for one in options["folders"]
        if not refused(one["path"], options["data"])
    ]


def refused(folder: str, data: Any) -> bool:
    """Whether a folder may not be cleared, although the site names it."""
    if folder.rstrip("/") in SESSIONS and not inside(folder.rstrip("/"), data):
        return False
    return forbidden(folder, data)


def _clear(host: Host, diagnosis: Diagnosis, found: list[Found], seen: tuple[int, Any]) -> int:
    place, goal = diagnosis.plan["mountpoint"], float(diagnosis.plan["free_share"])
    gone = 0
    for number, one in enumerate(found, 1):
        wanted = {"path": one.path, "inode": one.inode, "written": one.written}
        gone += remove(host.root, wanted, *seen)
        if number % _LOOK_EVERY == 0 and room(host, place).inode_share >= goal:
            break
    return gone


def _old(host: Host, mount: int, one: dict[str, Any], data: Any) -> Iterator[Found]:
    for found in files(host.root, one["path"], mount, data):
        name = found.path.rpartition("/")[2]
        if found.touched <= one["before"] and fnmatch.fnmatch(name, one["pattern"]):
            yield found


def _seen(place: str, share: float, goal: float) -> tuple[str, str]:
    return (
        "{0} has {1} of its inodes free (goal {2})".format(place, percent(share), percent(goal)),
        "{0} 空闲 inode {1}（目标 {2}）".format(place, percent(share), percent(goal)),
    )


def _judged(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    place, goal = options["mountpoint"], float(options["free_share"])
    for one in options["folders"]:
        if refused(one["path"], options["data"]):
            return Diagnosis(
                ESCALATE,
                "{0} may not be cleared: data lies there, or below it".format(one["path"]),
                "{0} 不得清理：其中或其下有数据".format(one["path"]),
            )
    if not facts["mounted"]:
        return Diagnosis(
            ESCALATE, "nothing is mounted at {0}".format(place), "{0} 没有挂载".format(place)
        )
    share = facts["free"] / facts["inodes"] if facts["inodes"] else 1.0
    en, zh = _seen(place, share, goal)
    if share >= goal:
        return Diagnosis(HEALTHY, en, zh)
    most = facts["most"][0] if facts["most"] else {"folder": place, "entries": 0}
    en += "; most entries: {0} in {1}".format(most["entries"], most["folder"])
    zh += "；条目最多：{1}，{0} 个".format(most["entries"], most["folder"])
    folders = sorted(
        (one for one in facts["found"] if one["count"]), key=lambda one: -int(one["count"])
    )
    if not folders:
        return Diagnosis(ESCALATE, en + "; nothing there may be removed", zh + "；其中没有可清理的")
    may = ["{0} in {1}".format(one["count"], one["path"]) for one in folders]
    return Diagnosis(
        NEEDED,
        "{0}; may go: {1}".format(en, ", ".join(may)),
        "{0}；可清理：{1}".format(zh, "、".join(may)),
        {"mountpoint": place, "free_share": goal, "folders": folders},
    )


ACTION = Inodes()
