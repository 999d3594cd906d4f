# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put a release in place: unpack beside, flush, rename, turn the link, tell the unit.

Until the link is turned nothing that runs has noticed anything. Each step may be killed and done
again: a folder has the release's name only when it is whole and on the disk.
"""

from __future__ import annotations

import os
import pwd
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    flush_file_systems,
    sync_folder,
    write_json,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import Store
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.checking import has_digest
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unpacking import Wish, unpack

from .keeping import prune, tidy
from .places import Marker, Places, written
from .standby import STOPPED, state_of
from .standing import Standing, Wanted, stand

_STARTING = 300.0
_PROPERTIES = "ActiveState,SubState,Result,ExecMainStatus"


class Order(NamedTuple):
    """What is to be put in place, from where, and how many releases stay. ``standby`` is what
    preflight noted of the unit, None when nobody knows any more."""

    wanted: Wanted
    archive: str
    user: str
    strip: int
    keep: int
    standby: Optional[bool] = None


class Switch:
    """One release on one host; ``beat`` is called again and again while it takes."""

    def __init__(self, places: Places, host: Host, store: Store, beat: Callable[[], None]) -> None:
        self._places = places
        self._host = host
        self._store = store
        self._beat = beat

    def make(self, order: Order) -> Dict[str, Any]:
        """What was done; Unfit, OSError, RestoreError when it could not be."""
        self._beat()
        with self._places.locked():
            tidy(self._places)
            before = stand(self._places, order.wanted, self._host)
            if order.standby is not None:
                before = before._replace(standby=order.standby)
            if not before.there:
                self._install(order)
            if before.in_use != order.wanted.version:
                self._places.point_to(order.wanted.version)
            self._beat()
            told = self._tell(order.wanted, before)
            gone = self._pruned(order.keep)
        return {
            "version": order.wanted.version,
            "before": before.in_use,
            "unpacked": not before.there,
            "switched": before.in_use != order.wanted.version,
            "unit": told,
            "removed": gone,
        }

    def _install(self, order: Order) -> None:
        has_digest(order.archive, order.wanted.sha256)
        version = order.wanted.version
        fresh = self._places.fresh(version)
        os.mkdir(fresh, 0o700)
        wish = owned_by(order.user)._replace(strip=order.strip)
        entries = unpack(order.archive, fresh, wish, self._beat)
        os.chown(fresh, wish.uid, wish.gid)
        os.chmod(fresh, 0o755)
        flush_file_systems([fresh])
        marker = Marker(version, order.wanted.sha256, time.time(), entries)
        write_json(self._places.marker(version), written(marker))
        os.rename(fresh, self._places.release(version))
        sync_folder(self._places.releases)

    def _tell(self, wanted: Wanted, before: Standing) -> str:
        """What was done to the unit, "" without one; Unfit when it does not come up.

        Also when the link was there already: an apply that was killed after the switch and is run
        again must not leave the old release running. A standby that was started meanwhile is one no
        more: the old release runs there.
        """
        if not wanted.unit:
            return ""
        if before.standby and state_of(self._host, wanted.unit) == STOPPED:
            return "left stopped"
        action = wanted.action if before.running else "restart"
        done = self._host.run(["systemctl", action, "--", wanted.unit], _STARTING)
        if done.code != 0:
            raise Unfit(
                "{0} did not {1}: {2}".format(wanted.unit, action, self._state_of(wanted.unit)),
                "{0} 未能{1}：{2}".format(
                    wanted.unit,
                    "重载" if action == "reload" else "重启",
                    self._state_of(wanted.unit),
                ),
            )
        return action + "ed"

    def _state_of(self, unit: str) -> str:
        said = self._host.run(["systemctl", "show", "-p", _PROPERTIES, "--", unit]).out
        return " ".join(said.split())

    def _pruned(self, keep: int) -> List[str]:
        return prune(self._store, self._places, keep)


def owned_by(user: str) -> Wish:
    """Owner and group of the files; Unfit for a user who is not there."""
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise Unfit("there is no user {0}".format(user), "没有用户 {0}".format(user)) from None
    return Wish(uid=found.pw_uid, gid=found.pw_gid)
