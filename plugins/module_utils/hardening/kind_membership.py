# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``membership``: accounts taken out of groups that give them rights."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import words


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``users`` that must not be in ``groups``. A primary group is left to a person."""
    groups = _groups(system, words(fix["groups"]))
    changes: list[Change] = []
    commands: list[list[str]] = []
    left: list[dict[str, str]] = []
    touched: list[str] = []
    for user in words(fix["users"]):
        for name, (gid, members) in groups.items():
            if user in members:
                touched += [user] if user not in touched else []
                changes.append(Change("{0}: member of {1}".format(user, name), True, False))
                commands.append(["gpasswd", "-d", user, name])
            if _primary(system, user) == gid:
                left.append(_left(user, name))

    def act(hands: Any) -> None:
        for argv in commands:
            hands.run(argv)

    items = tuple({"kind": "account", "user": user, "only": ["groups"]} for user in touched)
    return Step(tuple(changes), items, act, remains=tuple(left))


def _groups(system: Any, names: list[str]) -> dict[str, tuple[str, list[str]]]:
    found = {}
    for line in system.lines("/etc/group"):
        fields = line.split(":")
        if len(fields) > 3 and fields[0] in names:
            found[fields[0]] = (fields[2], [one for one in fields[3].split(",") if one])
    return found


def _primary(system: Any, user: str) -> str | None:
    for line in system.lines("/etc/passwd"):
        fields = line.split(":")
        if len(fields) > 3 and fields[0] == user:
            return str(fields[3])
    return None


def _left(user: str, group: str) -> dict[str, str]:
    return {
        "en": "{0} is the primary group of {1}: give the account another one".format(group, user),
        "zh": "{0} 是账户 {1} 的主组：请为该账户更换主组".format(group, user),
    }
