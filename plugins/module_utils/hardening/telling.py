# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to follow a written file: the daemon's own checker, and the daemon told.

Every kind of fix may carry ``check``, ``load``, ``reload``, ``restart`` and ``closes``; they
mean the same everywhere, so they are read here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step

Item = dict[str, Any]


def told(
    fix: dict[str, Any],
    changes: list[Change],
    items: list[Item],
    act: Callable[[Any], None],
    **more: Any,
) -> Step:
    """The step with everything that the fix wants told; the empty step when nothing changes."""
    if not changes:
        return Step()
    reloads, restarts = words(fix.get("reload")), words(fix.get("restart"))
    units = [unit_item(name, "reload") for name in reloads]
    units += [unit_item(name, "restart") for name in restarts]
    return Step(
        changes=tuple(changes),
        items=(*items, *units),
        act=act,
        checks=commands(fix.get("check")),
        reloads=tuple(reloads),
        restarts=tuple(restarts),
        loads=commands(fix.get("load")),
        closes=tuple(int(one) for one in _list(fix.get("closes"))),
        **more,
    )


def unit_item(name: str, after: str = "restart") -> Item:
    """A restore point item for a unit; ``after`` is what it gets once something was put back."""
    return {"kind": "unit", "name": full_name(name), "after_restore": after}


def full_name(unit: str) -> str:
    """The unit's name with its suffix."""
    return unit if "." in unit else unit + ".service"


def words(value: Any) -> list[str]:
    """A list of texts from nothing, one text, or a list."""
    return [str(one) for one in _list(value)]


def commands(value: Any) -> tuple[tuple[str, ...], ...]:
    """Commands from nothing, one list of words, or a list of such lists."""
    given = _list(value)
    if given and not isinstance(given[0], list):
        given = [given]
    return tuple(tuple(str(word) for word in one) for one in given)


def _list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
