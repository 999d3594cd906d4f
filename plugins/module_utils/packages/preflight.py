# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at one host and says exactly what would be done there; files are staged, nothing else.

The same steps everywhere: nobody else at work, a database that can be trusted or finished,
fresh lists, the exact set (resolved, or the lock's), room, files with the right digests.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import locks, reboots, resolving, staging, units
from .backend import Backend
from .failures import PackageError
from .transaction import Simulation, changes_of, checked_lock, make_lock
from .wish import Wish


class Terms(NamedTuple):
    """How the payload goes about it, beside what it wants."""

    lock: dict[str, Any]
    patience: float = 120.0  # seconds for other package programs to end
    reboot: str = "if-needed"


def look(backend: Backend, wish: Wish, terms: Terms) -> dict[str, Any]:
    """The fact ``payload_preflight``; PackageError is a refusal with its reason."""
    lock = checked_lock(terms.lock, backend.system) if terms.lock else {}
    locks.wait(backend.host, backend.locks(), terms.patience)
    repair = _health(backend)
    backend.refresh(terms.patience)
    found = exact(backend, wish, lock)
    if not found.moves and not repair:
        return {"ready": True, "nothing": True, "changes": changes_of(found)}
    resolving.check(backend, wish, found)
    offers = staging.offered(backend, found, lock)
    staging.enough_space(backend, found, offers)
    staged = staging.stage(backend, found, lock)
    files = {name: one.path for name, one in staged.items()}
    answer = {
        "ready": True,
        "nothing": False,
        "items": items(backend, found, repair, files),
        "changes": changes_of(found, sorted(repair)),
        "job": True,
        "reboot": _reboots(backend, terms, found),
    }
    if not lock:
        answer["lock"] = make_lock(backend.system, found, staged)
    return answer


def exact(backend: Backend, wish: Wish, lock: dict[str, Any]) -> Simulation:
    """The host's own transaction: resolved freely without a lock, by the lock otherwise."""
    if not lock:
        return resolving.resolve(backend, wish)
    try:
        return resolving.pinned(backend, wish, lock)
    except PackageError as error:
        # "Version not found" is apt's way to say that the repository has moved.
        raise staging.unoffered(backend, lock) or error from error


def _health(backend: Backend) -> dict[str, str]:
    """Packages that the apply has to finish first; PackageError when that would not do."""
    broken = backend.broken()
    if broken:
        text = ", ".join(broken[:5])
        raise PackageError(
            "half unpacked, a person must install it again: {0}".format(text),
            "软件包解压未完成，须人工重新安装：{0}".format(text),
        )
    return backend.interrupted()


def items(
    backend: Backend, found: Simulation, repair: dict[str, str], files: dict[str, str]
) -> list[dict[str, Any]]:
    """Items of the restore point: every package that moves, and the units that come with them."""
    names = [move.name for move in found.moves]
    names += [name for name in sorted(repair) if name not in names and repair[name] != "journal"]
    result: list[dict[str, Any]] = []
    for name in names:
        item = {"kind": "package", "name": name}
        if name in repair:
            item["interrupted"] = "finish"
        result.append(item)
    return result + [units.item(one) for one in units.of_packages(backend, found.moves, files)]


def _reboots(backend: Backend, terms: Terms, found: Simulation) -> bool:
    """A reboot that was due before is made up for as well."""
    due = terms.reboot == reboots.IF_NEEDED and bool(reboots.reasons(backend.host))
    return due or reboots.expected(terms.reboot, [move.name for move in found.coming])
