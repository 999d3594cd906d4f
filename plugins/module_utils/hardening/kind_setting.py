# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``setting``: keys inside a vendor's file that knows no drop-ins.

The first line of the key is replaced in place, later ones are commented out, a missing one is
added behind its commented example or at the end. So it does not matter whether the daemon takes
the first or the last.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.permissions import (
    Permissions,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
    places,
)

_OFF = "# "


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``path`` (must exist; its folder may have wildcards), ``settings: {KEY: VALUE}``; ``sep``
    (default one blank), ``ignore_case``, ``mode``."""
    rights = Permissions.of(fix)
    changes: list[Change] = []
    items: list[dict[str, Any]] = []
    texts: list[tuple[str, str]] = []
    for path in places(system, str(fix["path"])):
        now = content(system, path)
        if now is None:
            raise FixFailed(
                "{0} does not exist (is its package installed?)".format(path),
                "{0} 不存在（软件包是否已安装？）".format(path),
            )
        text, here = changed(path, now, fix)
        here += rights.changes(system, path)
        if here:
            changes += here
            items += file_items(system, path)
            texts.append((path, text))

    def act(hands: Any) -> None:
        for path, text in texts:
            hands.write(path, text)
            rights.give(hands, path)

    return told(fix, changes, items, act)


def changed(path: str, text: str, fix: dict[str, Any]) -> tuple[str, list[Change]]:
    """The text with all settings, and what that changes."""
    lines = text.splitlines()
    changes = []
    for key, value in fix["settings"].items():
        before = _set(lines, str(key), str(value), fix)
        if before != str(value):
            changes.append(Change("{0}: {1}".format(path, key), before, str(value)))
    return ("".join(line + "\n" for line in lines), changes) if changes else (text, [])


def _set(lines: list[str], key: str, value: str, fix: dict[str, Any]) -> str | None:
    """Set one key; its value before, with a word more when it was set again further down."""
    sep = str(fix.get("sep", " "))
    pattern = _pattern(key, sep, bool(fix.get("ignore_case")))
    places = [(place, match) for place, match in enumerate(map(pattern.match, lines)) if match]
    if not places:
        lines.insert(_example(lines, pattern), key + sep + value)
        return None
    first, match = places[0]
    before = str(match.group("value") or "")
    if before != value:
        lines[first] = match.group("lead") + key + sep + value
    for place, _again in places[1:]:
        lines[place] = _OFF + lines[place]
    return before if len(places) == 1 else before + " (set again below)"


def _pattern(key: str, sep: str, ignore_case: bool) -> Any:
    """A line that sets the key, however it is spaced."""
    mark = re.escape(sep.strip())
    between = r"\s*{0}\s*".format(mark) if mark else r"\s+"
    value = r"(?:{0}(?P<value>.*?))?\s*$".format(between)
    return re.compile(r"(?P<lead>\s*)" + re.escape(key) + value, re.I if ignore_case else 0)


def _example(lines: list[str], pattern: Any) -> int:
    """Behind the vendor's commented line of the same key, else at the end."""
    for place, line in enumerate(lines):
        if line.startswith("#") and pattern.match(line.lstrip("# ")):
            return place + 1
    return len(lines)
