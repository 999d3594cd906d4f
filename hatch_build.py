# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the collection into the wheel, and keeps it out of an editable install.

An editable install would copy the collection's files into site-packages and
list them as its own; where a link to the checkout stands in their place, the
next uninstall would follow it and delete the checkout (docs/adr/0001).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PARTS = ("galaxy.yml", "LICENSE", "README.md", "meta", "plugins", "playbooks")
# Parts of a role that only its developers need; hidden ones are caches.
_NOT_SHIPPED = ("molecule", ".*")


class CollectionHook(BuildHookInterface):  # type: ignore[type-arg]
    """``storewarden.ops`` below ``ansible_collections/`` of a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add every part of the collection unless the build is an editable one."""
        if version == "editable":
            return
        root = Path(self.root)
        for source in (*(root / part for part in _PARTS), *_parts_of_roles(root)):
            target = Path("ansible_collections/storewarden/ops") / source.relative_to(root)
            build_data["force_include"][str(source)] = target.as_posix()


def _parts_of_roles(root: Path) -> list[Path]:
    """What is directly in each role's folder and belongs to the collection."""
    found = sorted(root.glob("roles/*/*"))
    return [path for path in found if not any(path.match(name) for name in _NOT_SHIPPED)]
