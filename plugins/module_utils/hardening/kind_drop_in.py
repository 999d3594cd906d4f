# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``drop_in``: lines in a file of ours beside the vendor's. Several controls may share the file."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.own_lines import (
    HEADER,
    key_of,
    merged,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.permissions import (
    Permissions,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told, words
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
    places,
)


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``path`` (its folder may have wildcards), ``lines``; ``key: false`` or a regular expression,
    ``sep``, ``mode``, ``owner``, ``group_owner``."""
    key = key_of(fix.get("key"), fix.get("sep"))
    rights = Permissions.of(fix)
    changes: list[Change] = []
    items: list[dict[str, Any]] = []
    texts: list[tuple[str, str]] = []
    for path in places(system, str(fix["path"])):
        now = content(system, path)
        text, different = merged(HEADER if now is None else now, words(fix["lines"]), key)
        here = [Change("{0}: {1}".format(path, name), a, b) for name, a, b in different]
        here += rights.changes(system, path)
        if here:
            changes += here
            items += file_items(system, path)
            texts.append((path, text))

    def act(hands: Any) -> None:
        for path, text in texts:
            hands.write(path, text, rights.mode)
            rights.give(hands, path)

    return told(fix, changes, items, act)
