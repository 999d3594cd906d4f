# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether programs use an account: what ageing or a lock must not cut off."""

from __future__ import annotations

from typing import Any

_KEYS = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_CRONTABS = ("/var/spool/cron/crontabs/", "/var/spool/cron/")


def used_by_programs(
    system: Any, user: dict[str, Any], automation: list[str]
) -> dict[str, str] | None:
    """The reason to think so as ``{en, zh}``, else None. Root always is: cron runs as root."""
    if user["name"] in automation:
        return {"en": "automation uses it", "zh": "该账户供自动化使用"}
    if user["uid"] < 1000:
        return {"en": "it is a system account", "zh": "该账户为系统账户"}
    return has_keys(system, user) or _has_crontab(system, user)


def has_keys(system: Any, user: dict[str, Any]) -> dict[str, str] | None:
    home = home_of(system, user["name"])
    if any(_lines(system, home + "/" + one) for one in _KEYS):
        return {"en": "it logs in with SSH keys", "zh": "该账户使用 SSH 密钥登录"}
    return None


def _has_crontab(system: Any, user: dict[str, Any]) -> dict[str, str] | None:
    if any(_lines(system, folder + user["name"]) for folder in _CRONTABS):
        return {"en": "it has cron jobs", "zh": "该账户有 cron 任务"}
    return None


def home_of(system: Any, name: str) -> str:
    for line in system.lines("/etc/passwd"):
        fields = line.split(":")
        if fields[0] == name and len(fields) > 5:
            return str(fields[5]).rstrip("/")
    return "/nonexistent"


def _lines(system: Any, path: str) -> list[str]:
    """Lines that say something; a folder of that name says nothing."""
    entry = system.stat(path)
    if entry is None or entry.kind != "file":
        return []
    return [one for one in system.lines(path) if one.strip() and not one.strip().startswith("#")]
