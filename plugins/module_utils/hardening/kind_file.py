# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``file``: a whole file of ours."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.permissions import (
    Permissions,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
    places,
)


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``path`` (its folder may have wildcards), ``content``; ``mode``, ``owner``, ``group_owner``.

    Reports tell a digest of the content: a whole file may hold a secret.
    """
    rights = Permissions.of(fix)
    wanted = str(fix["content"])
    wanted = wanted if wanted.endswith("\n") or not wanted else wanted + "\n"
    changes: list[Change] = []
    items: list[dict[str, Any]] = []
    paths: list[str] = []
    for path in places(system, str(fix["path"])):
        now = content(system, path)
        here = [] if now == wanted else [Change(path, _told(now), _told(wanted))]
        here += rights.changes(system, path)
        if here:
            changes += here
            items += file_items(system, path)
            paths.append(path)

    def act(hands: Any) -> None:
        for path in paths:
            hands.write(path, wanted, rights.mode)
            rights.give(hands, path)

    return told(fix, changes, items, act)


def _told(text: str | None) -> str | None:
    if text is None:
        return None
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
    return "{0} lines, sha256:{1}".format(len(text.splitlines()), digest)
