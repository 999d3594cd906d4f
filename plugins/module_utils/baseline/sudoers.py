# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""sudo's rules, read the way sudo reads them: includes in place, aliases, continued lines."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    ProbeError,
)

_INCLUDE = re.compile(r'^[@#](include|includedir)\s+"?([^"]+?)"?\s*$')
_DEPTH = 128  # sudo's own limit on nested includes


class Sudoers:
    """Every statement of /etc/sudoers and what it includes, in order."""

    def __init__(self, system: Any) -> None:
        self._system = system
        self._statements: list[str] = []
        self._aliases: dict[str, list[str]] = {}
        self._load("/etc/sudoers", 0)
        for statement in self._statements:
            self._learn_alias(statement)

    def _load(self, path: str, depth: int) -> None:
        if depth > _DEPTH:
            raise ProbeError(OUTPUT, "sudoers files include each other: {0}".format(path))
        for line in _joined(self._system.lines(path)):
            include = _INCLUDE.match(line)
            if not include:
                text = _without_comment(line)
                if text:
                    self._statements.append(text)
                continue
            target = include.group(2).replace("\\ ", " ")
            if not target.startswith("/"):
                target = path.rsplit("/", 1)[0] + "/" + target
            if include.group(1) == "include":
                self._load(target, depth + 1)
                continue
            for name in self._system.listdir(target):
                if "." not in name and not name.endswith("~"):
                    self._load(target.rstrip("/") + "/" + name, depth + 1)

    def _learn_alias(self, statement: str) -> None:
        match = re.match(r"User_Alias\s+(.*)$", statement)
        for definition in match.group(1).split(":") if match else []:
            name, _equals, members = definition.partition("=")
            self._aliases[name.strip()] = _list(members)

    def expanded(self, names: list[str], seen: tuple[str, ...] = ()) -> list[str]:
        """The names with aliases resolved."""
        found: list[str] = []
        for name in names:
            if name in self._aliases and name not in seen:
                found += self.expanded(self._aliases[name], (*seen, name))
            else:
                found.append(name)
        return found

    def _default_lines(self) -> list[tuple[str, str]]:
        """(scope, setting): scope "" for everybody, ":who", "@host", ">runas", "!command"."""
        found = []
        for statement in self._statements:
            match = re.match(r"Defaults(?:([@:!>])\s*(\S+))?\s+(.*)$", statement)
            if match:
                scope = (match.group(1) or "") + (match.group(2) or "")
                found += [(scope, one) for one in settings_of(match.group(3))]
        return found

    def defaults(self) -> list[str]:
        """Settings in force, as ``use_pty``, ``!use_pty``, ``logfile=/x``, ``:who use_pty``."""
        last: dict[str, str] = {}
        for scope, setting in self._default_lines():
            name = re.sub(r"\s*[+-]?=.*$", "", setting.lstrip("!"))
            key = "{0} {1}".format(scope, setting if "+=" in setting else name)
            last.pop(key, None)
            last[key] = "{0} {1}".format(scope, setting).strip()
        return list(last.values())

    def without_password(self) -> list[str]:
        """Users and %groups that may run something without a password; ALL = everybody."""
        found: list[str] = []
        for statement in self._statements:
            if re.match(r"(Defaults\b|\w+_Alias\s)", statement) or "=" not in statement:
                continue
            left, right = statement.split("=", 1)
            if re.search(r"\bNOPASSWD\s*:", right):
                users = re.sub(r"\s*,\s*", ",", left.strip()).split()[0]
                found += self.expanded(_list(users))
        for setting in self.defaults():
            match = re.match(r"(?::(\S+) )?!authenticate$", setting)
            if match:
                found += self.expanded(_list(match.group(1) or "ALL"))
            exempt = re.search(r"\bexempt_group=(\S+)", setting)
            found += ["%" + exempt.group(1)] if exempt else []
        return list(dict.fromkeys(found))


def _joined(lines: list[str]) -> list[str]:
    whole, held = [], ""
    for line in lines:
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        whole.append((held + line).strip())
        held = ""
    return whole + ([held.strip()] if held.strip() else [])


def _without_comment(line: str) -> str:
    """sudoers(5): # starts a comment unless it is part of a word (#1000 is a user id) or quoted."""
    quoted = False
    for place, letter in enumerate(line):
        if letter == '"':
            quoted = not quoted
        escaped = place > 0 and line[place - 1] == "\\"
        if letter == "#" and not quoted and not escaped and not re.match(r"#\d", line[place:]):
            return line[:place].strip()
    return line.strip()


def _list(text: str) -> list[str]:
    return [one.strip().strip('"') for one in text.split(",") if one.strip()]


def settings_of(text: str) -> list[str]:
    """Settings separated by commas outside quotes, without quotes and blanks around the sign."""
    found = re.findall(r'((?:"[^"]*"|[^,"])+)', text)
    parts = [re.sub(r"\s*([+-]?=)\s*", r"\1", one.strip(), count=1) for one in found]
    return [re.sub(r'=\s*"(.*)"$', r"=\1", re.sub(r"^!\s+", "!", one)) for one in parts if one]
