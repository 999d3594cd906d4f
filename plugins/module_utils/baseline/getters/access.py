# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What sudo allows, and what the kernel's audit records."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.audit_coverage import (
    uncovered,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, chosen
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.text_files import (
    files_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.sudoers import Sudoers

_FIELD = re.compile(r"([a-z]+)=(.*)$")
# a rule with these fields only is a watch; a further one (auid>=1000) would narrow it
_WATCH = {"path", "dir", "perm", "key", "arch"}


def _sudoers(system: Any, query: dict[str, Any]) -> list[str]:
    view = chosen(query, "view", ("defaults", "nopasswd"))
    parsed = system.remember(("sudoers",), lambda: Sudoers(system))
    return list(parsed.defaults() if view == "defaults" else parsed.without_password())


def _audit_rules(system: Any, query: dict[str, Any]) -> list[str]:
    if chosen(query, "view", ("loaded", "files"), "loaded") == "loaded":
        lines = system.ask(["auditctl", "-l"]).split("\n")
    else:
        # augenrules(8) compiles rules.d; without rules.d the compiled file is all there is
        paths = files_of(system, "/etc/audit/rules.d/*.rules") or ["/etc/audit/audit.rules"]
        lines = [line for path in paths for line in system.lines(path)]
    rules = [line.strip() for line in lines]
    normalised = [normal(rule) for rule in rules if rule.startswith("-")]
    if "uncovered" not in query:
        return normalised
    return uncovered(normalised, expected(system, query["uncovered"]))


def expected(system: Any, entries: list[Any]) -> list[Any]:
    """The entries that this host has to record: a ``when_present`` path that it lacks is none."""
    return [one for one in entries if _applies(system, one)]


def _applies(system: Any, one: Any) -> bool:
    if not isinstance(one, dict) or not one.get("when_present"):
        return True
    return bool(system.exists(str(one.get("path", "/"))))


def normal(rule: str) -> str:
    """One spelling for a rule however it was written or listed.

    Watches become ``-w PATH -p rwxa -k KEY`` (auditctl 4 lists them as path and perm fields);
    syscalls are joined and sorted, fields follow, the key comes last.
    """
    options = _options(rule)
    fields = [value for name, value in options if name == "-F"]
    named = dict(match.groups() for match in map(_FIELD.match, fields) if match)
    keys = [value for name, value in options if name == "-k"]
    keys += [named["key"]] if "key" in named else []
    watch = next((value for name, value in options if name == "-w"), None)
    if watch is None and len(named) == len(fields) and set(named) <= _WATCH and "perm" in named:
        watch = named.get("path") or named.get("dir")
    syscalls = {one for name, value in options if name == "-S" for one in value.split(",")}
    if watch and not syscalls - {"all"}:
        permissions = next((v for n, v in options if n == "-p"), named.get("perm", "rwxa"))
        text = "-w {0} -p {1}".format(watch.rstrip("/") or "/", _sorted_permissions(permissions))
    else:
        text = _syscall_text(options, fields, syscalls)
    return text + "".join(" -k " + key for key in keys)


def _syscall_text(options: list[tuple[str, str]], fields: list[str], syscalls: set[str]) -> str:
    words = []
    for name, value in options:
        if name in ("-a", "-A"):
            # exit,always and always,exit are the same
            words.append("-a " + ",".join(sorted(value.split(","))))
        elif name not in ("-F", "-S", "-k"):
            words.append((name + " " + value).strip())
    words += ["-F " + one for one in fields if one.startswith("arch=")]
    words += ["-S " + ",".join(sorted(syscalls))] if syscalls else []
    words += ["-F " + one for one in fields if not re.match(r"(arch|key)=", one)]
    return " ".join(words)


def _sorted_permissions(text: str) -> str:
    return "".join(letter for letter in "rwxa" if letter in text)


def _options(rule: str) -> list[tuple[str, str]]:
    options: list[tuple[str, str]] = []
    for word in rule.split():
        if re.match(r"-[A-Za-z]$", word):
            options.append((word, ""))
        elif options:
            name, value = options[-1]
            options[-1] = (name, (value + " " + word).strip())
    return options


GETTERS = (
    Getter("sudoers", _sudoers, ("view",)),
    Getter("audit_rules", _audit_rules, optional=("view", "uncovered")),
)
