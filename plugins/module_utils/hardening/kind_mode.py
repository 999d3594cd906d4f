# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``mode``: permissions taken away, never given, and owners set, on what exists."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.permissions import (
    Permissions,
    octal,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told, words


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``paths: [globs]``, ``mode`` (the most that may be left), ``owner``, ``group_owner``;
    ``kinds`` (default file and dir); ``follow``: what links lead to is meant (default: a link is
    left alone, what it leads to has a path of its own)."""
    most = octal(fix["mode"]) or 0
    kinds = words(fix.get("kinds")) or ["file", "dir"]
    changes: list[Change] = []
    wanted: list[tuple[str, Permissions]] = []
    found = {one for glob in words(fix["paths"]) for one in system.glob(glob)}
    if fix.get("follow"):
        found = {system.resolve(one) or one for one in found}
    for path in sorted(found):
        entry = system.stat(path, follow=False)
        if entry is None or entry.kind not in kinds:
            continue
        left = entry.mode & most
        rights = Permissions(left, fix.get("owner"), fix.get("group_owner"))
        here = rights.changes(system, path)
        if here:
            changes += here
            wanted.append((path, rights))

    def act(hands: Any) -> None:
        for path, rights in wanted:
            rights.give(hands, path)

    return told(fix, changes, [{"kind": "file", "path": path} for path, _rights in wanted], act)


def _paths(system: Any, fix: dict[str, Any]) -> set[str]:
    found = {one for glob in words(fix["paths"]) for one in system.glob(glob)}
    if not fix.get("follow"):
        return found
    return {target for target in map(system.resolve, found) if target is not None}
