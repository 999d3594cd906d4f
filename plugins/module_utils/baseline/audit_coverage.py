# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which accesses and system calls a set of audit rules would NOT record.

The same intent has many spellings: one rule for several calls, a watch on a folder instead of
its files. A rule narrowed to some users' or failed calls records less than asked; only
"people, not daemons" (auid) and "this clock" (a0) are accepted, as the CIS rules have them. And one
`never,task` rule switches everything off.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    QUERY,
    ProbeError,
)

_HARMLESS = re.compile(r"-F (arch=b64|auid(>=\d+|!=(-1|unset|4294967295))|a0=(0x)?0)(?= |$)")


def uncovered(rules: list[str], wanted: list[Any]) -> list[str]:
    """The entries of ``wanted`` ({path, perm} or {syscall}) that no normalised rule covers."""
    off = any(re.match(r"-a (never,task|task,never)\b", rule) for rule in rules)
    return [_name(one) for one in wanted if off or not _covered(rules, one)]


def _name(one: Any) -> str:
    if isinstance(one, dict) and "path" in one:
        return "{0} ({1})".format(one["path"], one.get("perm", "wa"))
    if isinstance(one, dict) and "syscall" in one:
        return "syscall {0}".format(one["syscall"])
    raise ProbeError(QUERY, "audit coverage: {0!r} has neither path nor syscall".format(one))


def _covered(rules: list[str], one: dict[str, Any]) -> bool:
    if "path" in one:
        return any(_watches(rule, str(one["path"]), str(one.get("perm", "wa"))) for rule in rules)
    return any(_calls(rule, str(one["syscall"])) for rule in rules)


def _watches(rule: str, path: str, permissions: str) -> bool:
    match = re.match(r"-w (\S+) -p (\S*)", rule)
    if not match or not set(permissions) <= set(match.group(2)):
        return False
    watched, asked = _plain(match.group(1)), _plain(path)
    return asked == watched or asked.startswith(watched.rstrip("/") + "/")


def _plain(path: str) -> str:
    """/var/run has been a link to /run for ten years, and rules still name it."""
    text = path.rstrip("/") or "/"
    return text[4:] if text.startswith("/var/run/") else text


def _calls(rule: str, syscall: str) -> bool:
    match = re.match(r"-a always,exit (.*?-S (\S+).*)$", rule)
    if not match or not {syscall, "all"} & set(match.group(2).split(",")):
        return False
    return "-F " not in _HARMLESS.sub("", match.group(1))
