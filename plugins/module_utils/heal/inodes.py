# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filesystem without free inodes: the folder that eats them is named, sessions and the like go.

Hundreds of thousands of small files are no list to hand around, so a plan names folders, a
pattern and a moment; files that came after the diagnosis are younger than that and stay. They are
removed as they are found: a list of millions of them would cost the memory that a till needs.
"""

from __future__ import annotations

import fnmatch
import time
from typing import Any

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
    time_left,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.open_files import (
    in_use,
    open_now,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.room import (
    largest,
    mounted,
    percent,
    pieces,
    room,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.safe_files import (
    SESSIONS,
    Found,
    Sweep,
    files,
    forbidden,
    inside,
    long_enough,
    swept,
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

_DAY = 86400.0
_LOOK_EVERY = 200  # removed files between two looks at the goal
_COUNTED = 100_000  # more than these are not counted before they go
_LOOK_SECONDS = 50.0  # for counting; the largest folders are looked for as well
_LEAST = 20.0  # seconds of its time that act keeps for saying what it did

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
    judges_ages = True

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
            facts["found"] = _counted(host, options, facts["now"])
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
            mount = mount_at(host.root, place)
        except OSError as error:
            raise HealError(
                "{0} cannot be reached: {1}".format(place, error.strerror),
                "无法访问 {0}：{1}".format(place, error.strerror),
            ) from None
        done = []
        for one in diagnosis.plan["folders"]:
            if room(host, place).inode_share >= goal or time_left() < _LEAST:
                break
            before = room(host, place).avail
            bounds = Bounds(time_left() - _LEAST)
            sweep = Sweep(host.root, one["path"], mount, options["data"], bounds)
            gone = _clear(host, diagnosis, sweep, one)
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
        if _meant({"folders": [one], "data": options["data"]}) is None
    ]


def refused(folder: str, data: Any) -> bool:
    """Whether a folder may not be cleared, although the site names it."""
    if folder.rstrip("/") in SESSIONS and not inside(folder.rstrip("/"), data):
        return False
    return forbidden(folder, data)


def _clear(host: Host, diagnosis: Diagnosis, sweep: Sweep, one: dict[str, Any]) -> int:
    """Remove what is old until the goal is met; how many went."""
    place, goal = diagnosis.plan["mountpoint"], float(diagnosis.plan["free_share"])
    used, exempt, gone = open_now(), kept(host), 0
    for _found in swept(sweep, lambda found: _old(found, one, exempt) and not _open(used, found)):
        gone += 1
        if gone % _LOOK_EVERY == 0 and room(host, place).inode_share >= goal:
            break
    return gone


def _open(used: frozenset[tuple[int, int]], found: Found) -> bool:
    return in_use(used, found.device, found.inode)


def _counted(host: Host, options: dict[str, Any], now: float) -> list[dict[str, Any]]:
    """The allow list with moments and with how many files might go, not beyond ``_COUNTED``."""
    mount, exempt = mount_at(host.root, options["mountpoint"]), kept(host)
    bounds = Bounds(_LOOK_SECONDS)
    counted = []
    for one in _cleared(options, now):
        number = 0
        for found in files(host.root, one["path"], mount, options["data"], bounds):
            number += _old(found, one, exempt)
            if number >= _COUNTED:
                break
        counted.append(dict(one, count=number))
    return counted


def _old(found: Found, one: dict[str, Any], exempt: tuple[str, ...]) -> bool:
    name = found.path.rpartition("/")[2]
    if found.touched > one["before"] or not fnmatch.fnmatch(name, one["pattern"]):
        return False
    return not stays(found.path, exempt)


def _seen(place: str, share: float, goal: float) -> tuple[str, str]:
    return (
        "{0} has {1} of its inodes free (goal {2})".format(place, percent(share), percent(goal)),
        "{0} 空闲 inode {1}（目标 {2}）".format(place, percent(share), percent(goal)),
    )


def _judged(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    place, goal = options["mountpoint"], float(options["free_share"])
    wrong = _meant(options)
    if wrong is not None:
        return Diagnosis(ESCALATE, *wrong)
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
    may = ["{0} in {1}".format(_number(one), one["path"]) for one in folders]
    return Diagnosis(
        NEEDED,
        "{0}; may go: {1}".format(en, ", ".join(may)),
        "{0}；可清理：{1}".format(zh, "、".join(may)),
        {"mountpoint": place, "free_share": goal, "folders": folders},
    )


def _number(one: dict[str, Any]) -> str:
    return "{0}{1}".format("at least " if one["count"] >= _COUNTED else "", one["count"])


def _meant(options: dict[str, Any]) -> tuple[str, str] | None:
    """Why the folders cannot be meant, in both languages."""
    for one in options["folders"]:
        path, days = str(one.get("path") or ""), one.get("days")
        if refused(path, options["data"]):
            return (
                "{0} may not be cleared: data lies there, or below it".format(path),
                "{0} 不得清理：其中或其下有数据".format(path),
            )
        if not long_enough(path, days):
            return (
                "folders: {0} has no days, or too few ({1!r})".format(path, days),
                "folders：{0} 未给出天数或天数过短（{1!r}）".format(path, days),
            )
    return None


ACTION = Inodes()
