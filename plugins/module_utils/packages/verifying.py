# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host is what the lock says, and whether what ran before runs again.

Another updater may have been there in between: versions that are not the lock's fail the
verification, whoever put them there.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.records import FOLDER
from ansible_collections.storewarden.ops.plugins.module_utils.restore.store import Store
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

from .backend import Backend
from .wish import Wish

Probe = dict[str, Any]


class Before(NamedTuple):
    """Where it is written what ran before, and how long a service is watched (seconds)."""

    point: str
    settle: float


def probes(backend: Backend, wish: Wish, lock: dict[str, Any], before: Before) -> list[Probe]:
    """``[{name, ok, detail: {en, zh}}]``: versions, database, units."""
    ran = running_before(backend.host, before.point)
    return [
        versions(backend, wish, lock),
        database(backend),
        units(backend.host, ran, before.settle, bool(lock["removals"])),
    ]


def versions(backend: Backend, wish: Wish, lock: dict[str, Any]) -> Probe:
    """Of the lock's packages all that are here, and all that were asked for, are at its version."""
    here = backend.installed(sorted({*lock["packages"], *wish.packages}))
    wrong = []
    for name, one in sorted(lock["packages"].items()):
        now = here.get(name)
        if now is None and name not in wish.packages:
            continue
        if now is None or (now.version, now.status) != (one["version"], "installed"):
            state = "{0} ({1})".format(now.version, now.status) if now else "not installed"
            wrong.append("{0} is {1}, the lock says {2}".format(name, state, one["version"]))
    wrong += ["{0} is not installed".format(n) for n in wish.names if n not in here]
    wrong += ["{0} is still there".format(n) for n in sorted(backend.installed(lock["removals"]))]
    en = "; ".join(wrong[:5]) or "{0} packages as locked".format(len(lock["packages"]))
    zh = ("与锁定不符：" + "; ".join(wrong[:5])) if wrong else "软件包版本与锁定一致"
    return {"name": "versions", "ok": not wrong, "detail": {"en": en, "zh": zh}}


def database(backend: Backend) -> Probe:
    """The package database has nothing to complain of."""
    found = backend.audit()
    en = "; ".join(found[:5]) or "the package database is in order"
    zh = ("软件包数据库异常：" + "; ".join(found[:5])) if found else "软件包数据库正常"
    return {"name": "package database", "ok": not found, "detail": {"en": en, "zh": zh}}


def running_before(host: Host, point: str, folder: str = FOLDER) -> list[str]:
    """Units of the restore point that ran at its capture."""
    if not point:
        return []
    pack = Store(host, folder).pack(point)
    found = []
    try:
        for number in range(pack.count()) if pack.exists() else ():
            saved = pack.item(number)
            if saved["item"]["kind"] == "unit" and saved["state"]["running"]:
                found.append(str(saved["item"]["name"]))
    except RestoreError:
        # What the pack does not say any more, other probes have to find.
        return found
    return found


def units(host: Host, names: list[str], settle: float, may_go: bool = False) -> Probe:
    """They run, and go on running for `settle` seconds: a service that dies is started again by
    systemd for a while, and looks well each time. `may_go`: packages were removed on purpose."""
    before = {name: _state(host, name) for name in names}
    if names:
        time.sleep(settle)
    wrong = []
    for name in names:
        trouble = _trouble(before[name], _state(host, name), may_go)
        if trouble:
            wrong.append("{0} {1}".format(name, trouble))
    en = "; ".join(wrong[:5]) or "{0} units run as before".format(len(names))
    zh = ("服务未正常运行：" + "; ".join(wrong[:5])) if wrong else "原有服务均正常运行"
    return {"name": "units", "ok": not wrong, "detail": {"en": en, "zh": zh}}


def _trouble(before: dict[str, str], now: dict[str, str], may_go: bool) -> str:
    if now["LoadState"] == "not-found":
        return "" if may_go else "is gone"
    if now["Type"] == "oneshot" and now["ActiveState"] == "inactive":
        return ""  # it happened to be at work when it was captured
    if now["ActiveState"] != "active":
        return "is {0} ({1})".format(now["ActiveState"], now["SubState"])
    again = any(before[key] != now[key] for key in ("NRestarts", "MainPID"))
    return "ends again and again" if again else ""


def _state(host: Host, name: str) -> dict[str, str]:
    keys = ("LoadState", "ActiveState", "SubState", "NRestarts", "MainPID", "Type")
    found = dict.fromkeys(keys, "")
    for line in host.run(["systemctl", "show", "-p", ",".join(keys), name]).out.splitlines():
        key, _, value = line.partition("=")
        found[key] = value
    return found
