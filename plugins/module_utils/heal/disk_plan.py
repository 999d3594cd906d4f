# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may go from a full filesystem, and in which order. Pure: facts and options in, a plan out.

Logs with security and key operations stay six months (guide 1.10.2), whatever is full. Other logs
may go earlier only on a host that the site says, and that was seen, sending them elsewhere.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    ESCALATE,
    HEALTHY,
    NEEDED,
    Diagnosis,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.deleted_logs import rule_of
from ansible_collections.storewarden.ops.plugins.module_utils.heal.room import human, percent
from ansible_collections.storewarden.ops.plugins.module_utils.heal.safe_files import (
    forbidden,
    inside,
    long_enough,
)

LEAST_RETENTION = 180  # days; guide 1.10.2: six months
DAY = 86400.0
_SECURITY = (
    "/var/log/auth.log*", "/var/log/secure*", "/var/log/sudo.log*", "/var/log/audit/*",
    "/var/log/wtmp*", "/var/log/btmp*", "/var/log/lastlog*", "/var/log/faillog*",
    # Key operations: what was installed, started by cron, let through, or done to databases.
    "/var/log/apt/*", "/var/log/dpkg.log*", "/var/log/dnf*", "/var/log/yum*", "/var/log/zypp*",
    "/var/log/cron*", "/var/log/ufw*", "/var/log/firewalld*", "/var/log/postgresql/*",
    "/var/log/samba/*", "/var/log/sssd/*",
    # EL and SUSE put sessions and authentication there as well.
    "/var/log/messages*",
)  # fmt: skip
"""Logs with security and key operations: the whole retention, also where they are sent."""

ACCESS = ("/var/log/log-access.log*",)
LEAST_ACCESS = 365  # days; guide 1.10.4: who read the logs, one year

FORWARDED = tuple(
    "/var/log/" + name + "*"
    for name in ("syslog", "daemon.log", "kern.log", "user.log", "mail.log", "debug")
)
"""Files that the system's own log daemon writes, and so sends along; all others lie here alone."""

_PACKED = r"(?:\.(?:gz|xz|bz2|zst|lz4))"
_COUNTED = r"(?:[.-][0-9]{8}|\.[0-9]{1,3})"
_LOG = (
    r"(?:.*\.(?:log|err|out)|syslog|messages|secure|maillog|mail|cron|debug|dmesg|spooler|boot"
    r"|kern|daemon|user|auth|[bw]tmp|lastlog|faillog)"
)
# What is rotated is a log before that. A name alone with a number behind it may be a database's
# binary log, or a till's journal of sales.
_ROTATED = re.compile(r"{0}(?:{1}{2}?|{2})$".format(_LOG, _COUNTED, _PACKED))
_NO_LOG = re.compile(
    r"\.(tar|tgz|zip|sql|dump|db|sqlite|bak)\b|backup|access-review"
    r"|(^|[^a-z])(bin|binlog|relay|redo|undo|wal|ej|journal|sales?|receipts?|audit)([^a-z]|$)",
    re.I,
)

WORDS = {
    "cache": ("package cache", "软件包缓存"),
    "journal": ("archived journal files", "journal 归档文件"),
    "logs": ("rotated logs", "已轮转的日志"),
    "deleted": ("deleted logs that are still open", "已删除但仍被占用的日志"),
    "temp": ("old temporary files", "过期临时文件"),
}
"""The steps in the order in which they are taken, as people are told of them."""


def rotated(path: str) -> bool:
    """Whether a file's name says that it is a log that was rotated away, and nothing else."""
    name = path.rpartition("/")[2]
    return _ROTATED.match(name) is not None and _NO_LOG.search(name) is None


def secure(path: str, only_in_journal: bool = False) -> bool:
    """Whether a log holds security or key operations. Where nothing but the journal and syslog
    holds them, syslog does."""
    if only_in_journal and fnmatch.fnmatch(path, "/var/log/syslog*"):
        return True
    return any(fnmatch.fnmatch(path, one) for one in _SECURITY)


def accessed(path: str) -> bool:
    """Whether it is the log of who read the logs."""
    return any(fnmatch.fnmatch(path, one) for one in ACCESS)


def kept_days(path: str, facts: dict[str, Any], options: dict[str, Any]) -> float:
    """How many days a log stays. ``path`` is ``journal`` for the journal."""
    if accessed(path):
        return float(max(LEAST_ACCESS, options["retention_days"]))
    alone = bool(facts["only_in_journal"])
    security = alone if path == "journal" else secure(path, alone)
    elsewhere = options["central_logs"] and not security and _elsewhere(path, facts)
    return float(options["sent_keep_days"] if elsewhere else options["retention_days"])


def _elsewhere(path: str, facts: dict[str, Any]) -> bool:
    """Whether the host was seen sending what stands in that log to another one."""
    if path == "journal":
        return bool(facts["sent"] or facts.get("uploaded"))
    return bool(facts["sent"]) and any(fnmatch.fnmatch(path, one) for one in FORWARDED)


def steps(facts: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """What may go, step by step, each ``{kind, bytes, ...}``; steps without anything left out."""
    found = [
        dict(facts["cache"], kind="cache") if options["package_cache"] else {},
        _files("journal", [one for one in facts["journal"] if _journal_old(one, facts, options)]),
        _files("logs", [one for one in facts["logs"] if _log_old(one, facts, options)]),
        _deleted(facts, options),
        _files("temp", [one for one in facts["temp"] if _temp_old(one, facts, options)]),
    ]
    return [one for one in found if one.get("bytes")]


def _journal_old(one: dict[str, Any], facts: dict[str, Any], options: dict[str, Any]) -> bool:
    keep = kept_days("journal", facts, options) * DAY
    return bool(max(one["newest"], one["written"]) < facts["now"] - keep)


def _log_old(one: dict[str, Any], facts: dict[str, Any], options: dict[str, Any]) -> bool:
    keep = kept_days(one["path"], facts, options) * DAY
    return rotated(one["path"]) and bool(one["written"] < facts["now"] - keep)


def _temp_old(one: dict[str, Any], facts: dict[str, Any], options: dict[str, Any]) -> bool:
    folders = [name for name in options["temp_days"] if inside(one["path"], (name,))]
    if not folders:
        return False
    days = float(options["temp_days"][max(folders, key=len)])
    return bool(one["touched"] <= facts["now"] - days * DAY)


_SAME = ("path", "bytes", "inode", "written", "touched")  # by which act knows a file again


def _files(kind: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    oldest = sorted(found, key=lambda one: (one["written"], one["path"]))
    kept = [{key: one[key] for key in _SAME} for one in oldest]
    return {"kind": kind, "bytes": sum(one["bytes"] for one in kept), "files": kept}


def _deleted(facts: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Only what no log must be any more; the rest is told by ``_young``."""
    found = []
    for one in facts["deleted"]:
        rule = rule_of(options["reopen"], one["unit"])
        if rule is not None and _given_up(one, rule, facts, options):
            found.append(dict(one, rule=rule))
    return {"kind": "deleted", "bytes": sum(one["size"] for one in found), "open": found}


def _given_up(
    one: dict[str, Any], rule: dict[str, Any], facts: dict[str, Any], options: dict[str, Any]
) -> bool:
    # Who deleted a security log is a question for people, and its content may be the answer.
    if secure(one["path"], bool(facts["only_in_journal"])) or accessed(one["path"]):
        return False
    if rule["young"]:
        return True
    keep = kept_days(one["path"], facts, options)
    if keep < options["retention_days"]:
        return True  # all that stands in it was sent on as it was written
    return bool(one.get("written", facts["now"]) < facts["now"] - keep * DAY)


def _young(facts: dict[str, Any], plan: list[dict[str, Any]]) -> tuple[str, str]:
    """What is said of deleted logs that are still open and must not go."""
    let = {(one["pid"], one["fd"]) for step in plan for one in step.get("open", ())}
    held = [one for one in facts["deleted"] if (one["pid"], one["fd"]) not in let]
    if not held:
        return "", ""
    most = sorted(held, key=lambda one: -int(one["size"]))[:3]
    names = ["{path} ({unit}, {0})".format(human(one["size"]), **one) for one in most]
    return (
        "; deleted but still open, and for a person to decide: " + ", ".join(names),
        "；已删除但仍被占用、需人工决定：" + "、".join(names),
    )


def judged(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    """The diagnosis of a filesystem."""
    place, goal = options["mountpoint"], float(options["free_share"])
    wrong = _refused(options)
    if wrong is not None:
        return Diagnosis(ESCALATE, *wrong)
    if not facts["mounted"]:
        return Diagnosis(
            ESCALATE, "nothing is mounted at {0}".format(place), "{0} 没有挂载".format(place)
        )
    share = facts["avail"] / facts["size"] if facts["size"] else 0.0
    seen = (
        "{0} has {1} free (goal {2})".format(place, percent(share), percent(goal)),
        "{0} 可用 {1}（目标 {2}）".format(place, percent(share), percent(goal)),
    )
    if share >= goal:
        return Diagnosis(HEALTHY, *seen)
    plan = steps(facts, options)
    missing = goal * facts["size"] - facts["avail"]
    young = _young(facts, plan)
    if not plan:
        return Diagnosis(
            ESCALATE,
            "{0}; nothing that may go lies on it, {1} are missing{2}".format(
                seen[0], human(missing), young[0]
            ),
            "{0}；没有可清理的内容，尚缺 {1}{2}".format(seen[1], human(missing), young[1]),
        )
    return Diagnosis(
        NEEDED,
        "{0}, {1} are missing; may go: {2}{3}{4}".format(
            seen[0], human(missing), _listed(plan, 0), _short(plan, missing, 0), young[0]
        ),
        "{0}，尚缺 {1}；可清理：{2}{3}{4}".format(
            seen[1], human(missing), _listed(plan, 1), _short(plan, missing, 1), young[1]
        ),
        {"mountpoint": place, "free_share": goal, "steps": plan},
    )


def _listed(plan: list[dict[str, Any]], language: int) -> str:
    words = ("{0} {1}".format(WORDS[one["kind"]][language], human(one["bytes"])) for one in plan)
    return (", ", "、")[language].join(words)


def _short(plan: list[dict[str, Any]], missing: float, language: int) -> str:
    if sum(one["bytes"] for one in plan) >= missing:
        return ""
    return ("; that is not enough", "；仍不足")[language]


def _refused(options: dict[str, Any]) -> tuple[str, str] | None:
    """Why the options cannot be meant: they would open what is never touched."""
    folders = [*options["log_folders"], *options["temp_days"]]
    for one in folders:
        if forbidden(one, options["data"]):
            return (
                "{0} may not be cleaned: data lies there, or below it".format(one),
                "{0} 不得清理：其中或其下有数据".format(one),
            )
    for folder, days in options["temp_days"].items():
        if not long_enough(folder, days):
            return (
                "temp_days of {0}: {1!r} is too short".format(folder, days),
                "temp_days 中 {0} 的天数 {1!r} 过短".format(folder, days),
            )
    if options["retention_days"] < LEAST_RETENTION:
        return (
            "retention_days: at least {0} are meant (guide 1.10.2)".format(LEAST_RETENTION),
            "retention_days 至少为 {0} 天（规范 1.10.2）".format(LEAST_RETENTION),
        )
    return None
