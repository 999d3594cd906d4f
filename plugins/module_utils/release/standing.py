# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a host stands before a release: what is in use, whether the wanted one is there already,
and what a restore point has to keep.

One version is one archive. A folder of the wanted version that is something else is refused, never
overwritten: the service may be running from it.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit

from .places import Places


class Wanted(NamedTuple):
    """``unit`` "" for none; ``action`` is restart or reload."""

    version: str
    sha256: str
    unit: str
    action: str


class Standing(NamedTuple):
    """``there``: the wanted release is unpacked and whole."""

    in_use: str
    there: bool
    running: bool

    def at_target(self, wanted: Wanted) -> bool:
        return self.there and self.in_use == wanted.version and self.running


def stand(places: Places, wanted: Wanted, host: Host) -> Standing:
    """Unfit when the release cannot be put there as things are."""
    in_use = places.in_use()
    marker = places.mark(wanted.version)
    folder = places.release(wanted.version)
    if not os.path.lexists(folder):
        return Standing(in_use, False, _running(host, wanted.unit))
    if marker is None or marker.sha256 != wanted.sha256:
        raise Unfit(
            "{0} comes from another archive: give the release a version of its own".format(folder),
            "{0} 已存在且来自另一个归档：请使用新的版本号".format(folder),
        )
    wrong = places.damage(marker)
    if wrong:
        raise Unfit(
            "{0} is not as it was unpacked any more ({1})".format(folder, _few(wrong)),
            "{0} 与解包时不一致（{1}）".format(folder, _few(wrong)),
        )
    return Standing(in_use, True, _running(host, wanted.unit))


def _running(host: Host, unit: str) -> bool:
    if not unit:
        return True
    if host.run(["systemctl", "cat", "--", unit]).code != 0:
        raise Unfit("there is no unit {0}".format(unit), "没有单元 {0}".format(unit))
    return host.run(["systemctl", "is-active", "--", unit]).code == 0


def items(places: Places, wanted: Wanted, standing: Standing) -> List[Dict[str, Any]]:
    """For the restore point. The link is a tree and comes first, so that an undo turns it back
    before the folder that it points to goes."""
    found: List[Dict[str, Any]] = [{"kind": "tree", "path": places.current}]
    if not standing.there:
        found.append({"kind": "tree", "path": places.release(wanted.version)})
        found.append({"kind": "file", "path": places.marker(wanted.version)})
    if wanted.unit:
        found.append({"kind": "unit", "name": wanted.unit, "after_restore": wanted.action})
    return found


def changes(places: Places, wanted: Wanted, standing: Standing) -> List[Dict[str, str]]:
    """What will be different, for people."""
    found = []
    if standing.in_use != wanted.version:
        found.append({"what": places.current, "before": standing.in_use, "after": wanted.version})
    if wanted.unit:
        before = "active" if standing.running else "inactive"
        done = "reloaded" if wanted.action == "reload" else "restarted"
        found.append({"what": wanted.unit, "before": before, "after": done})
    return found


def _few(names: List[str]) -> str:
    more = ", ... {0} in all".format(len(names)) if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
