# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The restore point items of a whole group: each thing once, in the form the restore point has."""

from __future__ import annotations

import json
import os
from typing import Any, Iterable

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import unit_item

Item = dict[str, Any]
_STRONGER = ("leave", "reload", "restart")
_PATHS = ("file", "tree")


def of_steps(steps: Iterable[Step]) -> list[Item]:
    """The items of all steps, and every unit that is going to be told."""
    groups: list[Iterable[Item]] = []
    for step in steps:
        groups.append(step.items)
        groups.append([unit_item(name, "reload") for name in step.reloads])
        groups.append([unit_item(name, "restart") for name in step.restarts])
    return union(groups)


def union(groups: Iterable[Iterable[Item]]) -> list[Item]:
    """Each item once. Of two wishes for one unit the stronger one stays."""
    found: dict[str, Item] = {}
    for group in groups:
        for given in group:
            item = _normal(given)
            name = _name(item)
            found[name] = _stronger(found[name], item) if name in found else item
    return _without_covered(list(found.values()))


def _normal(given: Item) -> Item:
    item = dict(given)
    if item["kind"] == "unit" and "." not in item["name"]:
        item["name"] += ".service"
    if item["kind"] in _PATHS:
        folder, name = os.path.split(os.path.normpath(item["path"]))
        item["path"] = os.path.join(os.path.realpath(folder), name)
    return item


def _name(item: Item) -> str:
    """What makes two items the same one."""
    said = {key: value for key, value in item.items() if key != "after_restore"}
    return json.dumps(said, sort_keys=True)


def _stronger(one: Item, other: Item) -> Item:
    pair = (one.get("after_restore", "restart"), other.get("after_restore", "restart"))
    if pair[0] == pair[1]:
        return one
    return {**one, "after_restore": max(pair, key=_STRONGER.index)}


def _without_covered(items: list[Item]) -> list[Item]:
    """A tree keeps all below it; what it holds need not be kept once more."""
    trees = [one["path"].rstrip("/") + "/" for one in items if one["kind"] == "tree"]
    return [
        one
        for one in items
        if one["kind"] not in _PATHS or not any(one["path"].startswith(tree) for tree in trees)
    ]


def uncovered(items: Iterable[Item], kept: list[Item]) -> list[str]:
    """What of ``items`` the restore point did not keep, in words."""
    names = {_name(one) for one in kept}
    trees = [one["path"].rstrip("/") + "/" for one in kept if one["kind"] == "tree"]
    found = []
    for given in items:
        item = _normal(given)
        below = item["kind"] in _PATHS and any(
            (item["path"] + "/").startswith(tree) for tree in trees
        )
        if _name(item) not in names and not below:
            found.append(" ".join(str(item[key]) for key in item if key != "after_restore"))
    return found
