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

from . import standby
from .places import Places

_RUNNING = ("active", "reloading", "refreshing")


class Wanted(NamedTuple):
    """``unit`` "" for none; ``action`` is restart or reload; ``standby`` says whether a unit that
    is stopped on purpose stays so (leave) or is started."""

    version: str
    sha256: str
    unit: str
    action: str
    standby: str = standby.LEAVE


class Standing(NamedTuple):
    """``there``: the wanted release is unpacked and whole; ``standby``: its unit stays stopped."""

    in_use: str
    there: bool
    running: bool
    standby: bool = False

    def at_target(self, wanted: Wanted) -> bool:
        in_use = self.there and self.in_use == wanted.version
        return in_use and (self.running or self.standby)


def stand(places: Places, wanted: Wanted, host: Host) -> Standing:
    """Unfit when the release cannot be put there as things are."""
    in_use = places.in_use()
    marker = places.mark(wanted.version)
    folder = places.release(wanted.version)
    if not os.path.lexists(folder):
        return _standing(host, wanted, in_use, there=False)
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
    return _standing(host, wanted, in_use, there=True)


def _standing(host: Host, wanted: Wanted, in_use: str, there: bool) -> Standing:
    unit = wanted.unit
    if not unit:
        return Standing(in_use, there, running=True)
    if host.run(["systemctl", "cat", "--", unit]).code != 0:
        raise Unfit("there is no unit {0}".format(unit), "没有单元 {0}".format(unit))
    running = standby.state_of(host, unit) in _RUNNING
    stays = wanted.standby == standby.LEAVE and standby.found(host, unit, in_use)
    return Standing(in_use, there, running, stays)


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
        found.append({"what": wanted.unit, "before": before, "after": _told(wanted, standing)})
    return found


def _told(wanted: Wanted, standing: Standing) -> str:
    if standing.standby:
        return "left stopped"
    return "reloaded" if wanted.action == "reload" and standing.running else "restarted"


def _few(names: List[str]) -> str:
    more = ", ... {0} in all".format(len(names)) if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
