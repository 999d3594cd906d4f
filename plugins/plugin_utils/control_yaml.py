# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Control files as data, with the line of every key kept for the error message.

YAML 1.1 reads an unquoted `no` as false, 0600 as 384 and 2026-01-31 as a date; in rules about
`PermitRootLogin no` that is a trap. Control files are read by YAML 1.2's core rules instead:
only `true` and `false` are booleans, numbers are decimal, and everything else is text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"


class ControlError(Exception):
    """Broken content. ``problems``: (file, line, what is wrong and what to do), first one first."""

    def __init__(self, problems: list[tuple[str, int, str]]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        """One line: the first problem, and how many more there are."""
        rest = len(self.problems) - 1
        more = f" (and {rest} more; --check lists them)" if rest else ""
        return " ".join(problem_line(self.problems[0]).split()) + more


def problem_line(problem: tuple[str, int, str]) -> str:
    """``file:line: what``."""
    path, line, what = problem
    return f"{path}:{line}: {what}"


class _Loader(_Base):  # type: ignore[misc,valid-type,unused-ignore]
    """The C loader with YAML 1.2 core scalars."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, Any]]] = {}


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


class Document:
    """One YAML file: ``data``, its text, and the line of any key in it."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        loader = _Loader(text)
        try:
            self._node = loader.get_single_node()
            # before constructing, which puts the keys of a merge (<<) beside those that override
            repeated = _repeated_key(self._node)
            self.data: Any = None if self._node is None else loader.construct_document(self._node)
        except yaml.YAMLError as error:
            raise ControlError([_syntax_problem(path, error)]) from None
        finally:
            loader.dispose()
        if repeated is not None:
            what = f"{repeated.value} stands here a second time (keep one)"
            raise ControlError([(str(path), repeated.start_mark.line + 1, what)])

    def line(self, keys: tuple[Any, ...] = ()) -> int:
        """The line of the deepest part of ``keys`` that exists; lines count from 1."""
        node, found = self._node, 1
        for key in keys:
            step = _child(node, key)
            if step is None:
                break
            found, node = step
        return found

    def problem(self, keys: tuple[Any, ...], what: str) -> tuple[str, int, str]:
        where = ".".join(str(key) for key in keys)
        return (str(self.path), self.line(keys), f"{where}: {what}" if where else what)


def read_document(path: Path) -> Document:
    """Raises ControlError for a file that cannot be read or is no YAML."""
    try:
        return Document(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        what = f"cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"
        raise ControlError([(str(path), 1, what)]) from None


def _child(node: Any, key: Any) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if str(name.value) == str(key):
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


def _repeated_key(root: Any) -> Any:
    todo, done = [root], set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in done:
            continue
        done.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for name, value in node.value:
                if name.tag != _MERGE and isinstance(name, yaml.ScalarNode):
                    if name.value in seen:
                        return name
                    seen.add(name.value)
                todo.append(value)
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value
    return None


def _syntax_problem(path: Path, error: yaml.YAMLError) -> tuple[str, int, str]:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or "not YAML"
    line = mark.line + 1 if mark is not None else 1
    return (str(path), line, f"broken YAML: {what} (check indentation and quotes)")
