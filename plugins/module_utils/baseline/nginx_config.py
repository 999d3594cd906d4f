# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""nginx's own dump of its configuration (``nginx -T``) as nested scopes.

The dump holds every file once; what an ``include`` puts where is worked out here. A directive
that a level does not have comes from the nearest level above that has it: nginx merges nothing,
so one ``add_header`` in a location hides all those of its server.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from typing import Any, Iterator, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    ProbeError,
)

_FILE = re.compile(r"^# configuration file (\S.*):$", re.M)
_SPACE = re.compile(r"(?:\s+|#[^\n]*)*")
# a word: escaped signs, ${name}, and whatever neither ends it nor opens a block
_WORD = re.compile(r"(?:\\.|\$\{[^}\n]*\}|[^\s;{}\\]|\\$)+", re.S)
_QUOTED = {
    '"': re.compile(r'"((?:\\.|[^"\\])*)"', re.S),
    "'": re.compile(r"'((?:\\.|[^'\\])*)'", re.S),
}
_LUA = re.compile(r"\w+_by_lua_block\s*\{")
_LUA_TOKEN = re.compile(r"--[^\n]*|\[\[.*?\]\]|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[{}]", re.S)
_DEPTH = 40  # includes within includes, and blocks within blocks


class Directive(NamedTuple):
    """``name args;`` or, with a ``block``, ``name args { block }``."""

    name: str
    args: tuple[str, ...]
    block: tuple[Directive, ...] | None = None


class Scope:
    """One level of the configuration, with the levels above it."""

    def __init__(self, block: tuple[Directive, ...], above: Scope | None, title: str) -> None:
        self.block = block
        self.above = above
        self.title = title

    def own(self, *names: str) -> list[Directive]:
        """Directives of these names on this level, in order."""
        return [one for one in self.block if one.name in names]

    def nearest(self, *names: str) -> list[Directive]:
        """Those of the nearest level that has any: what is in force here."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.own(*names)
            if found:
                return found
            scope = scope.above
        return []

    def below(self, *names: str) -> Iterator[Scope]:
        """Blocks of these names on this level."""
        for one in self.block:
            if one.name in names and one.block is not None:
                yield Scope(one.block, self, " ".join((one.name, *one.args)))

    def inside(self, *names: str) -> Iterator[Scope]:
        """Blocks of these names on this level and on all levels below it."""
        for scope in self.below(*names):
            yield scope
            yield from scope.inside(*names)


def parsed(dump: str) -> Scope:
    """The main level of a dump, includes in their places. Raises ProbeError."""
    parts = _FILE.split(dump)
    files = {parts[place]: parts[place + 1] for place in range(1, len(parts), 2)}
    if not files:
        raise ProbeError(OUTPUT, "nginx -T printed no configuration")
    main = parts[1]
    trees = {path: _tree(path, text) for path, text in files.items()}
    return Scope(_expanded(trees[main], trees, posixpath.dirname(main), 0), None, "main")


# -- words and blocks ------------------------------------------------------------------------------


def _tokens(path: str, text: str) -> Iterator[tuple[str, bool, int]]:
    """(token, whether it is a sign of the grammar, where it ends)."""
    place = 0
    while True:
        blank = _SPACE.match(text, place)
        place = blank.end() if blank else place
        if place >= len(text):
            return
        sign = text[place]
        if sign in "{};":
            place += 1
            yield sign, True, place
            continue
        match = (_QUOTED.get(sign) or _WORD).match(text, place)
        if not match:
            raise ProbeError(
                OUTPUT, "{0}: cannot read {1!r}".format(path, text[place : place + 30])
            )
        place = match.end()
        word = re.sub(r"\\([\"'\\\s])", r"\1", match.group(1)) if sign in _QUOTED else match.group()
        yield word, False, place


def _tree(path: str, text: str) -> tuple[Directive, ...]:
    """The directives of one file."""
    text = _without_lua(text)
    levels: list[tuple[list[str], list[Directive]]] = [([], [])]
    words: list[str] = []
    for token, is_sign, _end in _tokens(path, text):
        if not is_sign:
            words.append(token)
        elif token == ";":
            levels[-1][1].extend(_directive(words, None))
            words = []
        elif token == "{":
            levels.append((words, []))
            words = []
        else:
            head, block = levels.pop()
            if not levels:
                raise ProbeError(OUTPUT, "{0}: a block ends that did not begin".format(path))
            levels[-1][1].extend(_directive(head, tuple(block)))
        if len(levels) > _DEPTH:
            raise ProbeError(OUTPUT, "{0}: too many blocks within blocks".format(path))
    if len(levels) != 1 or words:
        raise ProbeError(OUTPUT, "{0}: ends in the middle of a block".format(path))
    return tuple(levels[0][1])


def _directive(words: list[str], block: tuple[Directive, ...] | None) -> list[Directive]:
    if not words:
        return [] if block is None else [Directive("", (), block)]
    return [Directive(words[0], tuple(words[1:]), block)]


def _without_lua(text: str) -> str:
    """Lua blocks hold another language; they are emptied. Braces in its strings are none."""
    place, kept = 0, []
    for match in _LUA.finditer(text):
        if match.start() < place:
            continue
        end, depth = match.end(), 1
        for token in _LUA_TOKEN.finditer(text, end):
            depth += {"{": 1, "}": -1}.get(token.group(), 0)
            if not depth:
                end = token.end()
                break
        kept += [text[place : match.end()], "}"]
        place = end if not depth else len(text)
    return "".join([*kept, text[place:]])


# -- includes --------------------------------------------------------------------------------------


def _expanded(
    block: tuple[Directive, ...], trees: dict[str, Any], folder: str, depth: int
) -> tuple[Directive, ...]:
    if depth > _DEPTH:
        raise ProbeError(OUTPUT, "nginx: includes within includes without an end")
    found: list[Directive] = []
    for one in block:
        if one.name == "include" and one.args:
            for path in _included(one.args[0], trees, folder):
                found += _expanded(trees[path], trees, folder, depth + 1)
        elif one.block is not None:
            found.append(one._replace(block=_expanded(one.block, trees, folder, depth + 1)))
        else:
            found.append(one)
    return tuple(found)


def _included(pattern: str, trees: dict[str, Any], folder: str) -> list[str]:
    """Files of the dump that an include names, in the order in which nginx reads them."""
    wanted = posixpath.join(folder, pattern).split("/")
    return sorted(path for path in trees if _fits(path.split("/"), wanted))


def _fits(parts: list[str], wanted: list[str]) -> bool:
    """Shell matching, part by part: a star does not cross a slash."""
    return len(parts) == len(wanted) and all(
        fnmatch.fnmatchcase(part, wanted[place]) for place, part in enumerate(parts)
    )
