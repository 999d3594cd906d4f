# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``sudoers``: Defaults of ours that nobody takes back, and a password for everyone but automation.

Our file is read last of its folder. A Defaults that takes one of ours back for a user, and a
NOPASSWD of somebody who is not allowed it, are changed where they stand. Who has no password that
sudo could ask for would lose sudo altogether: such a rule is left and named.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.accounts import (
    accounts,
    logs_in,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.sudoers import (
    Sudoers,
    settings_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import text_edits
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.own_lines import HEADER
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.permissions import shown
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import OFF, Edit

MAIN = "/etc/sudoers"
_INCLUDE = re.compile(r'^[@#](include|includedir)\s+"?([^"]+?)"?\s*$')
_DEFAULTS = re.compile(r"(Defaults(?:[@:!>]\s*\S+)?)\s+(.*)$", re.S)
_NOPASSWD = re.compile(r"\bNOPASSWD\s*:\s*")
_CHECK = (("visudo", "-cf", MAIN),)
_MODE = 0o440  # visudo finds fault with a file of any other mode


class _Rules(NamedTuple):
    """What is wanted, and who may do without a password."""

    taken_back: Any  # pattern of settings that nobody may write
    allowed: tuple[str, ...]
    sudoers: Any
    system: Any


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``path`` of our file, ``defaults`` [settings], ``allowed``: users and %groups that may do
    without a password."""
    path, wanted = str(fix["path"]), [str(one) for one in fix["defaults"]]
    names = "|".join(re.escape(re.split(r"\s*=", one)[0]) for one in wanted)
    back = re.compile(r"!\s*({0}|authenticate)$|exempt_group=".format(names))
    rules = _Rules(back, tuple(map(str, fix["allowed"])), Sudoers(system), system)
    files = _files(system, MAIN, [])
    if not files:
        raise FixFailed(
            "there is no {0}: sudo has its rules elsewhere".format(MAIN),
            "不存在 {0}：sudo 规则位于其他位置".format(MAIN),
        )
    left: list[dict[str, str]] = []
    changes: list[Change] = []
    edits: list[Edit] = []
    if any(_plain(one) not in rules.sudoers.defaults() for one in wanted):
        changes += [Change("{0}: Defaults".format(path), None, one) for one in wanted]
        edits.append(Edit(path, partial(_ours, wanted=wanted), _MODE))
        if path not in files and not _in_a_folder(system, path):
            edits.append(Edit(MAIN, partial(_included, path=path)))
    for file in [one for one in files if one != path]:
        text = text_edits.text_of(system, file)
        here = _changed(text, file, rules, left)[1]
        changes += here
        if here:
            edits.append(Edit(file, partial(_after, file=file, rules=rules)))
    if not changes:
        return Step(remains=tuple(left))
    writings = text_edits.written(system, edits)
    loose = [one for one in files if _mode(system, one) != _MODE]
    changes += [Change(one + ": mode", shown(_mode(system, one)), shown(_MODE)) for one in loose]
    items = text_edits.items(system, writings)
    items += [{"kind": "file", "path": system.resolve(one)} for one in loose]

    def act(hands: Any) -> None:
        text_edits.make(hands, writings)
        for one in loose:
            hands.modes(one, _MODE, None, None)

    return Step(
        tuple(changes),
        tuple(items),
        act,
        checks=_CHECK,
        remains=tuple(left),
    )


def _mode(system: Any, path: str) -> int:
    return int(system.stat(path).mode)


def _plain(setting: str) -> str:
    """As Sudoers tells it: no quotes."""
    return re.sub(r'=\s*"(.*)"$', r"=\1", setting)


def _ours(text: str, wanted: list[str]) -> str:
    text = text or HEADER
    for one in wanted:
        line = "Defaults " + one
        if line not in text.split("\n"):
            text = text_edits.with_line(text, line)
    return text


def _included(text: str, path: str) -> str:
    return text_edits.with_line(text, "#include " + path)  # sudo before 1.9.1 knows no "@include"


def _files(system: Any, path: str, found: list[str]) -> list[str]:
    """Every file that sudo reads, each once."""
    if path in found or not system.exists(path):
        return found
    found.append(path)
    for line in system.lines(path):
        include = _INCLUDE.match(line.strip())
        if include and include.group(1) == "include":
            _files(system, include.group(2), found)
        elif include:
            folder = include.group(2).rstrip("/")
            for name in system.listdir(folder):
                if "." not in name and not name.endswith("~"):
                    _files(system, folder + "/" + name, found)
    return found


def _in_a_folder(system: Any, path: str) -> bool:
    folder = path.rsplit("/", 1)[0]
    found = [_INCLUDE.match(line.strip()) for line in system.lines(MAIN)]
    return any(
        one is not None and one.group(1) == "includedir" and one.group(2).rstrip("/") == folder
        for one in found
    )


def _after(text: str, file: str, rules: _Rules) -> str:
    return _changed(text, file, rules, [])[0]


def _changed(
    text: str, file: str, rules: _Rules, left: list[dict[str, str]]
) -> tuple[str, list[Change]]:
    """The file with its statements as the rules want them, and what that changes."""
    changes = []
    blocks = _blocks(text)
    for place, block in enumerate(blocks):
        bare = " ".join(one.rstrip("\\").strip() for one in block.split("\n")).strip()
        new = block if bare.startswith("#") else _statement(block, bare, rules, left)
        if new != block:
            changes.append(Change(file, bare, None if new.startswith(OFF) else new.strip()))
            blocks[place] = new
    return "\n".join(blocks), changes


def _blocks(text: str) -> list[str]:
    """Statements as written: continued lines together."""
    blocks: list[str] = []
    held: list[str] = []
    for line in text.split("\n"):
        held.append(line)
        if not line.endswith("\\"):
            blocks.append("\n".join(held))
            held = []
    return blocks + (["\n".join(held)] if held else [])


def _statement(block: str, bare: str, rules: _Rules, left: list[dict[str, str]]) -> str:
    defaults = _DEFAULTS.match(bare)
    if defaults:
        return _defaults(block, defaults, rules, left)
    if re.match(r"\w+_Alias\s", bare) or not _NOPASSWD.search(bare):
        return block
    users = re.sub(r"\s*,\s*", ",", bare.split("=", 1)[0].strip()).split()[0]
    names = rules.sudoers.expanded([one.strip('"') for one in users.split(",")])
    wrong = [one for one in names if one not in rules.allowed]
    if not wrong or _left(names, wrong, bare, rules, left):
        return block
    return _NOPASSWD.sub("", block)


def _defaults(block: str, defaults: Any, rules: _Rules, left: list[dict[str, str]]) -> str:
    settings = settings_of(defaults.group(2))
    kept = [one for one in settings if not rules.taken_back.match(one)]
    if kept == settings:
        return block
    scope = re.match(r"Defaults:\s*(\S+)", defaults.group(1))
    if any("authenticate" in one for one in settings):
        names = rules.sudoers.expanded(scope.group(1).split(",") if scope else ["ALL"])
        if _left(names, names, defaults.group(0), rules, left):
            return block
    if not kept:
        return "\n".join(OFF + one for one in block.split("\n"))
    return "{0} {1}".format(defaults.group(1), ", ".join(map(_quoted, kept)))


def _quoted(setting: str) -> str:
    name, equals, value = setting.partition("=")
    return '{0}="{1}"'.format(name, value) if equals and re.search(r"[\s,/]", value) else setting


def _left(
    names: list[str], wrong: list[str], bare: str, rules: _Rules, left: list[dict[str, str]]
) -> bool:
    """Whether a person has to decide; then it is said why."""
    stuck = [one for one in _people(wrong, rules.system) if one["password"] != "usable"]
    if stuck:
        words = (bare, stuck[0]["name"])
        left.append(
            {
                "en": "{0}: {1} has no password that sudo could ask for; name it in "
                "baseline_accounts_nopasswd_allowed or give it one".format(*words),
                "zh": "{0}：{1} 没有可供 sudo 验证的口令；请登记到 "
                "baseline_accounts_nopasswd_allowed 或为其设置口令".format(*words),
            }
        )
    elif len(wrong) < len(names):
        words = (bare, ", ".join(wrong))
        left.append(
            {
                "en": "{0}: only {1} may not do without a password: split the rule".format(*words),
                "zh": "{0}：仅 {1} 不得免密：请拆分该规则".format(*words),
            }
        )
    return bool(stuck) or len(wrong) < len(names)


def _people(names: list[str], system: Any) -> list[dict[str, Any]]:
    """Accounts with a shell that these names stand for; root needs no sudo."""
    groups = {one[1:] for one in names if one.startswith("%")}
    return [
        one
        for one in accounts(system)
        if one["uid"] != 0
        and logs_in(one["shell"])
        and ("ALL" in names or one["name"] in names or groups & set(one["groups"]))
    ]
