# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``comment_out``: lines of other files that would win over ours."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told, words
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``files: [globs]``, ``match`` (searched in the line without leading blanks), ``keep``: paths
    that stay as they are, ``comment`` (default "#")."""
    pattern = re.compile(str(fix["match"]))
    mark = str(fix.get("comment", "#"))
    keep = set(words(fix.get("keep")))
    changes: list[Change] = []
    items: list[dict[str, Any]] = []
    texts: list[tuple[str, str]] = []
    for path in _files(system, words(fix["files"]), keep):
        text, gone = without(content(system, path) or "", pattern, mark)
        if gone:
            changes += [Change(path, line, None) for line in gone]
            items += file_items(system, path)
            texts.append((path, text))

    def act(hands: Any) -> None:
        for path, text in texts:
            hands.write(path, text)

    return told(fix, changes, items, act)


def _files(system: Any, globs: list[str], keep: set[str]) -> list[str]:
    found: list[str] = []
    for pattern in globs:
        for path in system.glob(pattern):
            entry = system.stat(path)
            regular = entry is not None and entry.kind == "file"
            if regular and path not in keep and path not in found:
                found.append(path)
    return found


def without(text: str, pattern: Any, mark: str) -> tuple[str, list[str]]:
    """The text with matching lines commented out, and those lines."""
    gone = []
    lines = text.splitlines(keepends=True)
    for place, line in enumerate(lines):
        bare = line.strip()
        if bare and not bare.startswith(mark) and pattern.search(bare):
            gone.append(bare)
            lines[place] = "{0} {1}".format(mark, line)
    return "".join(lines), gone
