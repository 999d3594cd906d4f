# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the release that was wanted is the one that runs: probes that only look."""

from __future__ import annotations

import time
from typing import Any, Dict, List, NamedTuple, Tuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit

from .places import Places
from .standby import STOPPED

Probe = Dict[str, Any]
_SHOWN = "ActiveState,InvocationID"
_PAUSE = 0.25


class Watched(NamedTuple):
    """The unit ("" for none), whether it may have stayed stopped, and for how many seconds it is
    watched otherwise."""

    unit: str
    standby: bool = False
    settle: float = 3.0


class Seen(NamedTuple):
    """``standby``: the unit is stopped, as it was before the release."""

    probes: List[Probe]
    standby: bool


def look(places: Places, host: Host, version: str, watched: Watched) -> Seen:
    """The link, the files, and a unit that stays up, or down where it was down."""
    found = [_link(places, version), _files(places, version)]
    unit = watched.unit
    stopped = watched.standby and bool(unit) and _state(host, unit)[0] == STOPPED
    if stopped:
        found.append(_probe(unit, True, "left stopped, as it was", "保持停止状态，与发布前一致"))
    elif unit:
        found.append(_steady(host, unit, watched.settle))
    return Seen(found, stopped)


def _link(places: Places, version: str) -> Probe:
    try:
        in_use = places.in_use()
    except Unfit as no:
        return _probe("link", False, str(no), no.zh)
    said = "{0} -> {1}".format(places.current, in_use or "-")
    return _probe("link", in_use == version, said, said)


def _files(places: Places, version: str) -> Probe:
    marker = places.mark(version)
    if marker is None:
        return _probe("files", False, "nothing is known of this release", "没有该版本的记录")
    wrong = places.damage(marker)
    if wrong:
        names = ", ".join(wrong[:3])
        return _probe(
            "files",
            False,
            "{0} of {1} are not as in the archive: {2}".format(
                len(wrong), len(marker.entries), names
            ),
            "{1} 个条目中有 {0} 个与归档不一致：{2}".format(len(wrong), len(marker.entries), names),
        )
    count = len(marker.entries)
    return _probe(
        "files", True, "{0} as in the archive".format(count), "{0} 个条目与归档一致".format(count)
    )


def _steady(host: Host, unit: str, settle: float) -> Probe:
    """One that ends and is started again and again is active mostly; its number changes."""
    end = time.monotonic() + settle
    first = _state(host, unit)
    now = first
    while now == first and now[0] == "active" and time.monotonic() < end:
        time.sleep(_PAUSE)
        now = _state(host, unit)
    if now[0] != "active":
        return _probe(unit, False, "is {0}".format(now[0]), "状态为 {0}".format(now[0]))
    if now != first:
        return _probe(unit, False, "was started again meanwhile", "期间发生了重新启动")
    return _probe(
        unit,
        True,
        "active for {0:g} s and more".format(settle),
        "持续运行超过 {0:g} 秒".format(settle),
    )


def _state(host: Host, unit: str) -> Tuple[str, str]:
    said = host.run(["systemctl", "show", "-p", _SHOWN, "--", unit]).out
    values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    return values.get("ActiveState", "unknown"), values.get("InvocationID", "")


def _probe(name: str, ok: bool, en: str, zh: str) -> Probe:
    return {"name": name, "ok": ok, "detail": {"en": en, "zh": zh}}
