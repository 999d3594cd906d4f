# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users of a Redis server: what their access rules come to.

Rules are applied from left to right, as the server does. Passwords and their hashes are looked
at for one thing only, whether there are any, and are dropped here.
"""

from __future__ import annotations

import re
from typing import Any, Callable, NamedTuple

# category -> its commands as the server itself lists them (ACL CAT), None where it cannot be asked
Categories = Callable[[str], Any]
DANGEROUS = "dangerous"
DEFAULT = "on nopass ~* &* +@all"  # the user "default" where nobody ever said anything
_ALL_KEYS = re.compile(r"(allkeys|(%R?W?)?~\*)$", re.I)
_EVERY = ("+@all", "allcommands")
_NONE = ("-@all", "nocommands", "reset")


class User(NamedTuple):
    """One user. ``open``: no password is asked; ``rules``: on commands, one tuple per selector."""

    name: str
    on: bool
    open: bool
    all_keys: bool
    rules: tuple[tuple[str, ...], ...]

    def dangerous(self, categories: Categories) -> bool:
        """Whether the user may run a dangerous command."""
        return any(_dangerous(one, categories) for one in self.rules)


def users_in(lines: list[str]) -> list[User]:
    """Users of ``user NAME rules...`` lines; the last line of a name counts."""
    found = {}
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0].lower() == "user":
            found[words[1]] = words[2:]
    return [_user(name, found[name]) for name in sorted(found)]


def _user(name: str, words: list[str]) -> User:
    """The rules outside of parentheses, and each pair of parentheses as rules of its own."""
    plain, selectors = _parted(words)
    on = opened = False
    for word in (one.lower() for one in plain):
        on = {"on": True, "off": False, "reset": False}.get(word, on)
        if word == "nopass":
            opened = True
        elif word in ("reset", "resetpass") or word[0] in ">#":
            opened = False
    parts = [plain, *selectors]
    rules = tuple(tuple(_of_commands(one)) for one in parts)
    return User(name, on, opened, any(map(_all_keys, parts)), rules)


def _of_commands(words: list[str]) -> list[str]:
    return [one for one in map(str.lower, words) if one in (*_EVERY, *_NONE) or one[0] in "+-"]


def _parted(words: list[str]) -> tuple[list[str], list[list[str]]]:
    plain: list[str] = []
    selectors: list[list[str]] = []
    inside = False
    for word in words:
        if word.startswith("("):
            selectors.append([])
            inside = True
        target = selectors[-1] if inside else plain
        target += [word.strip("()")] if word.strip("()") else []
        inside = inside and not word.endswith(")")
    return plain, selectors


def _all_keys(words: list[str]) -> bool:
    found = False
    for word in words:
        if word.lower() in ("resetkeys", "reset"):
            found = False
        elif _ALL_KEYS.match(word):
            found = True
    return found


def _dangerous(rules: tuple[str, ...], categories: Categories) -> bool:
    """Whether a dangerous command is left.

    The server stores what it was told as other categories and single commands (Redis 7.0 turns
    ``+@read -@dangerous`` into a dozen of them), so only its own lists tell what is in which.
    """
    every = categories(DANGEROUS)
    if every is None:
        return _may_be_dangerous(rules)
    left: set[str] = set()
    for rule in rules:
        if rule in _NONE:
            left = set()
        elif rule in _EVERY:
            left = set(every)
        else:
            named = _commands(rule[1:], every, categories)
            left = left | named if rule[0] == "+" else left - named
    return bool(left)


def _commands(name: str, every: Any, categories: Categories) -> set[str]:
    """The dangerous commands that a category, a command or a subcommand stands for."""
    if name.startswith("@"):
        return set(categories(name[1:]) or every) & set(every)
    return {one for one in every if one == name or one.startswith(name + "|")}


def _may_be_dangerous(rules: tuple[str, ...]) -> bool:
    """Without the server's lists: any grant that no ``-@dangerous`` follows may be one."""
    granted = False
    for rule in rules:
        if rule in (*_NONE, "-@dangerous"):
            granted = False
        elif rule in _EVERY or rule.startswith("+@"):
            granted = True
        elif rule[0] == "+" and rule[1:].split("|")[0] in _WELL_KNOWN:
            granted = True
    return granted


# what a server that does not run cannot be asked about (Redis 7.2, ACL CAT dangerous)
_WELL_KNOWN = frozenset(
    "acl bgrewriteaof bgsave client cluster config debug failover flushall flushdb info keys"
    " lastsave latency migrate module monitor pfdebug pfselftest psync replconf replicaof restore"
    " restore-asking role save shutdown slaveof slowlog sort sort_ro swapdb sync".split()
)
