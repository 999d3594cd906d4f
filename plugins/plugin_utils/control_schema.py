# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a control file must look like; every problem names its file, line and key.

A control that is accepted here can be evaluated: its getters, operators, operands and parameters
exist, its regular expressions compile, and its texts are there in both languages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evaluate import (
    SHOWN,
    VERDICTS,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import (
    commands as commands_getter,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import (
    sql as sql_getter,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.operators import (
    OPERATORS,
    operand_problem,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import (
    is_param,
    places,
    substituted,
    used_params,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_yaml import Document

UNKNOWN = object()  # the default of a parameter whose variable does not exist
Problem = tuple[str, int, str]
Keys = tuple[Any, ...]

LANGUAGES = ("en", "zh")
SEVERITIES = ("high", "medium", "low")
RISKS = ("R0", "R1", "R2", "R3")
MARKS = ("S", "D", "X")
# Apply groups, in the order in which they are applied: what others stand on first, what may lock
# people out last.
GROUPS = (
    "packages services sysctl modules mounts logs audit database cache web pos"
    " firewall accounts ssh pam"
).split()
# fix kind -> (fields it needs, fields it may have); every kind but manual may have FIX_COMMON
FIXES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "account": ((), ("lock", "no_shell", "expire")),
    "aging": (("accounts",), ("max", "warn", "login_defs", "good", "automation", "stored")),
    "audit_rules": (("coverage",), ()),
    "close_ports": (("allowed", "unneeded"), ()),
    "comment_out": (("files", "match"), ("keep", "comment")),
    "dconf": (("settings",), ("clear",)),
    "drop_in": (("path", "lines"), ("sep", "key", "mode", "owner", "group_owner")),
    "file": (("path", "content"), ("mode", "owner", "group_owner")),
    "firewall": (("chain", "allowed"), ("management", "sensitive", "sensitive_sources")),
    "journald": (("days", "min_bytes"), ()),
    "kmod": (("blocked",), ("path",)),
    "log_forward": (("target", "port", "ca"), ("peer",)),
    "logrotate": (("logs", "days"), ()),
    "manual": (("how",), ()),
    "mariadb": ((), ("settings", "plugins", "needs")),
    "membership": (("users", "groups"), ()),
    "mode": (("paths", "mode"), ("owner", "group_owner", "kinds", "follow")),
    "mount": (("paths", "options"), ("waived",)),
    "packages": ((), ("absent", "present")),
    "pam": (("services", "stack"), ("profile", "vendor")),
    "pam_args": (("services", "type", "module", "args"), ("instead",)),
    "pam_setting": (
        ("services", "type", "module", "path", "settings"),
        ("files", "good", "needs"),
    ),
    "postgresql": ((), ("settings", "preload")),
    "setting": (("path", "settings"), ("sep", "ignore_case", "mode")),
    "shell_timeout": (("path", "seconds", "files"), ()),
    "sshd": ((), ("settings", "good", "specs", "sources")),
    "sudoers": (("path", "defaults", "allowed"), ()),
    "sysctl": (("settings",), ("path",)),
    "time_sync": ((), ("keep", "servers")),
    "unit": (("units", "state"), ()),
}
FIX_COMMON = ("reload", "restart", "check", "load", "closes")
UNIT_STATES = ("enabled", "disabled", "masked")
_NEEDED = ("id", "title", "severity", "risk", "guide", "check", "fix")
_OPTIONAL = ("refs", "scanners", "params", "when", "cases", "family")
_CASE_KEYS = (
    "name", "verdict", "files", "commands", "params", "now", "value", "reason",
    "packages", "units", "sshd", "postgresql", "mariadb",
)  # fmt: skip
_WORDS = ("get", "all", "any", "not", "manual")
_LEAF = ("get", "q", "expect", "field", "label", "show")


class Check:
    """Problems of one document. ``defaults``: declared parameter -> its default."""

    def __init__(self, document: Document, defaults: Mapping[str, Any]) -> None:
        self._document = document
        self._data = document.data
        self._defaults = defaults
        self.problems: list[Problem] = []

    def say(self, keys: Keys, what: str) -> None:
        self.problems.append(self._document.problem(keys, what))

    def run(self) -> list[Problem]:
        """Every problem of the document, by line."""
        if not isinstance(self._data, dict):
            self.say((), "a control is a mapping (see docs/reference/control-format.md)")
            return self.problems
        self._keys((), self._data, _NEEDED, _OPTIONAL)
        if not all(key in self._data for key in _NEEDED):
            return self.problems
        self._head()
        self._when()
        self._node(("check",), self._data["check"])
        self._fix()
        self._params()
        self._cases()
        return sorted(set(self.problems), key=lambda one: one[1])

    def _keys(self, keys: Keys, data: Any, needed: Any, optional: Any = ()) -> bool:
        if not isinstance(data, dict):
            self.say(keys, "must be a mapping")
            return False
        for key in data:
            if key not in (*needed, *optional):
                self.say((*keys, key), f"unknown key (known: {', '.join((*needed, *optional))})")
        missing = [key for key in needed if key not in data]
        for key in missing:
            self.say(keys, f"{key} is missing (add it)")
        return not missing

    def _one_of(self, keys: Keys, value: Any, choices: Any) -> None:
        if value not in choices:
            self.say(keys, f"{value!r} is not one of {', '.join(map(str, choices))}")

    def _languages(self, keys: Keys, value: Any) -> None:
        if not self._keys(keys, value, LANGUAGES):
            return
        for language in LANGUAGES:
            text = value[language]
            if not isinstance(text, str) or not text.strip():
                self.say((*keys, language), "must be a text")
                continue
            for name in places(text):
                if name not in self._defaults:
                    self.say((*keys, language), f"{{{name}}} is no declared parameter")
        if isinstance(value["zh"], str) and not re.search(r"[\u4e00-\u9fff]", value["zh"]):
            self.say((*keys, "zh"), "has no Chinese character")

    def _head(self) -> None:
        data = self._data
        self._languages(("title",), data["title"])
        self._one_of(("severity",), data["severity"], SEVERITIES)
        self._one_of(("risk",), data["risk"], RISKS)
        if self._keys(("guide",), data["guide"], ("section", "mark")):
            self._one_of(("guide", "mark"), data["guide"]["mark"], MARKS)
            if not isinstance(data["guide"]["section"], str):
                self.say(("guide", "section"), "must be a text (put it in quotes)")
        self._lists_of_texts("refs", ("mlps", "cis_debian12"))
        self._lists_of_texts("scanners", ("openscap", "lynis"))

    def _lists_of_texts(self, key: str, names: tuple[str, ...]) -> None:
        data = self._data.get(key, {})
        if not self._keys((key,), data, (), names):
            return
        for name, texts in data.items():
            if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
                self.say((key, name), "must be a list of texts (put numbers in quotes)")

    def _when(self) -> None:
        conditions = self._data.get("when", [])
        if not isinstance(conditions, list):
            self.say(("when",), "must be a list of {check, reason}")
            return
        for place, condition in enumerate(conditions):
            keys: Keys = ("when", place)
            if self._keys(keys, condition, ("check", "reason")):
                self._node((*keys, "check"), condition["check"])
                self._languages((*keys, "reason"), condition["reason"])

    def _node(self, keys: Keys, node: Any) -> None:
        words = [word for word in _WORDS if isinstance(node, dict) and word in node]
        if len(words) != 1:
            self.say(keys, f"must hold exactly one of {', '.join(_WORDS)}")
            return
        word = words[0]
        if word == "get":
            self._leaf(keys, node)
            return
        self._keys(keys, node, (word,))
        if word == "not":
            self._node((*keys, "not"), node["not"])
        elif word == "manual":
            self._languages((*keys, "manual"), node["manual"])
        elif not isinstance(node[word], list) or not node[word]:
            self.say((*keys, word), "must be a list with at least one check")
        else:
            for place, one in enumerate(node[word]):
                self._node((*keys, word, place), one)

    def _leaf(self, keys: Keys, node: dict[str, Any]) -> None:
        self._keys(keys, node, ("get", "expect"), _LEAF)
        self._one_of((*keys, "show"), node.get("show", SHOWN[0]), SHOWN)
        getter = GETTERS.get(node["get"])
        if getter is None:
            known = ", ".join(sorted(GETTERS))
            self.say((*keys, "get"), f"no getter called {node['get']} (known: {known})")
            return
        undeclared = used_params(node) - set(self._defaults)
        for name in sorted(undeclared):
            self.say(keys, f"parameter {name} is not declared (add it to params)")
        query = node.get("q", {})
        problem = getter.query_problem(query)
        if problem:
            self.say((*keys, "q"), problem)
        unknown = any(self._defaults.get(name) is UNKNOWN for name in used_params(node))
        if undeclared or problem or unknown:
            return
        self._query(keys, node["get"], substituted(query, self._defaults))
        self._expect((*keys, "expect"), node.get("expect"))

    def _query(self, keys: Keys, name: str, query: dict[str, Any]) -> None:
        if name == "cmd" and (why := commands_getter.refusal(query["argv"])):
            self.say((*keys, "q", "argv"), why)
        if name == "sql" and (why := sql_getter.refusal(query["statement"])):
            self.say((*keys, "q", "statement"), why)
        for key in ("match", "exclude", "sep", "section"):
            if name in ("lines", "kv", "cmd", "netcfg") and key in query:
                self._regex((*keys, "q", key), query[key])

    def _regex(self, keys: Keys, pattern: Any) -> None:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            self.say(keys, f"bad regular expression: {error}")

    def _expect(self, keys: Keys, expect: Any) -> None:
        if not isinstance(expect, dict) or not expect or is_param(expect):
            self.say(keys, "must map at least one operator to its operand")
            return
        for name, operand in expect.items():
            if name not in OPERATORS:
                known = ", ".join(OPERATORS)
                self.say((*keys, name), f"no operator called {name} (known: {known})")
                continue
            why = operand_problem(name, substituted(operand, self._defaults))
            if why:
                self.say((*keys, name), why)

    def _fix(self) -> None:
        fix = self._data["fix"]
        if not isinstance(fix, dict):
            self.say(("fix",), "must be a mapping")
            return
        self._one_of(("fix", "group"), fix.get("group"), GROUPS)
        if "note" in fix:
            self._languages(("fix", "note"), fix["note"])
        for name in sorted(used_params(fix) - set(self._defaults)):
            self.say(("fix",), f"parameter {name} is not declared (add it to params)")
        steps = fix.get("steps")
        if steps is None:
            self._step(("fix",), fix, ("group",), ("note",))
            return
        self._keys(("fix",), fix, ("group", "steps"), ("note",))
        if not isinstance(steps, list) or not steps:
            self.say(("fix", "steps"), "must be a list with at least one step")
            return
        for place, step in enumerate(steps):
            self._step(("fix", "steps", place), step, (), ())
            if isinstance(step, dict) and step.get("kind") == "manual":
                self.say(("fix", "steps", place), "manual stands alone, not among steps")

    def _step(self, keys: Keys, step: Any, needed: Any, optional: Any) -> None:
        kind = step.get("kind") if isinstance(step, dict) else None
        if kind not in FIXES:
            self.say((*keys, "kind"), f"must be one of {', '.join(FIXES)}")
            return
        common = () if kind == "manual" else FIX_COMMON
        must, may = FIXES[kind]
        if not self._keys(keys, step, (*needed, "kind", *must), (*may, *common, *optional)):
            return
        if kind == "manual":
            self._languages((*keys, "how"), step["how"])
        if kind == "unit":
            self._one_of((*keys, "state"), step.get("state"), UNIT_STATES)
        if kind in ("drop_in", "comment_out"):
            self._patterns(keys, step)
        for key in (*must, *may):
            if key not in ("how", "match"):
                self._fix_places((*keys, key), step.get(key))

    def _patterns(self, keys: Keys, step: dict[str, Any]) -> None:
        for key in ("match", "key"):
            if isinstance(step.get(key), str):
                self._regex((*keys, key), step[key])
        lines = step.get("lines", [])
        if not isinstance(lines, list) or not all(isinstance(one, str) for one in lines):
            self.say((*keys, "lines"), "must be a list of texts (put numbers in quotes)")

    def _fix_places(self, keys: Keys, node: Any) -> None:
        """A text that wants something filled in must name a declared parameter."""
        if isinstance(node, dict):
            for key, one in node.items():
                self._fix_places((*keys, key), one)
        elif isinstance(node, list):
            for place, one in enumerate(node):
                self._fix_places((*keys, place), one)
        elif isinstance(node, str):
            for name in places(node):
                if name not in self._defaults:
                    self.say(keys, f"{{{name}}} is no declared parameter")

    def _params(self) -> None:
        used = used_params(
            [self._data[key] for key in ("check", "fix", "when") if key in self._data]
        )
        used |= {"connection_specs"}  # goes to the sshd getter without being written out
        texts = str(self._data["title"]) + str(self._data["fix"])
        for name in self._defaults:
            if name not in used and name not in places(texts):
                self.say(("params", name), "is declared and never used")

    def _cases(self) -> None:
        cases = self._data.get("cases", [])
        if not isinstance(cases, list):
            self.say(("cases",), "must be a list")
            return
        for place, case in enumerate(cases):
            keys: Keys = ("cases", place)
            if not self._keys(keys, case, _CASE_KEYS[:2], _CASE_KEYS[2:]):
                continue
            self._one_of((*keys, "verdict"), case["verdict"], VERDICTS)
            for name in case.get("params", {}):
                if name not in self._defaults:
                    self.say((*keys, "params", name), "is no declared parameter")
            self._now((*keys, "now"), case.get("now", "2026-01-01T00:00:00Z"))

    def _now(self, keys: Keys, text: Any) -> None:
        try:
            datetime.fromisoformat(str(text))
        except ValueError:
            self.say(keys, "must be an ISO time such as 2026-01-31T12:00:00Z")
