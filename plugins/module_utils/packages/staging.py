# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a transaction on the host before anything is armed, with the lock's digests.

A repository may have moved on since the canary: the version is gone, or another file stands
under the same version. Both are refused with the package's name, and nothing is installed.
"""

from __future__ import annotations

import os
from typing import Any, Sequence

from .backend import Backend, Offer
from .failures import PackageError
from .transaction import Move, Simulation, Staged

# rollouts reference, "Rollback pack": free space twice of what is needed.
_TIMES = 2
_USR = "/usr"


def offered(backend: Backend, found: Simulation, lock: dict[str, Any]) -> dict[str, Offer]:
    """Name -> the offer that is installed; PackageError when the repository has moved."""
    known = backend.offers(found.coming)
    chosen = {}
    for move in found.coming:
        offers = known[move.name]
        if lock:
            wanted = lock["packages"][move.name]["sha256"]
            chosen[move.name] = _same(move, offers, wanted)
        elif not offers:
            raise _moved(move, "no repository offers this version", "没有软件源提供此版本")
        else:
            chosen[move.name] = offers[0]
    return chosen


def _same(move: Move, offers: Sequence[Offer], wanted: str) -> Offer:
    if not offers:
        raise _moved(move, "no repository offers this version any more", "软件源已不再提供此版本")
    for offer in offers:
        # Where the lists tell no digest, the file itself is compared once it has come.
        if offer.sha256 in ("", wanted):
            return offer
    raise _moved(
        move,
        "its digest is {0}, the lock says {1}".format(offers[0].sha256[:16], wanted[:16]),
        "摘要为 {0}，锁定为 {1}".format(offers[0].sha256[:16], wanted[:16]),
    )


def _moved(move: Move, en: str, zh: str) -> PackageError:
    return PackageError(
        "repository moved: {0} {1}: {2}".format(move.name, move.new, en),
        "软件源已变化：{0} {1}：{2}".format(move.name, move.new, zh),
    )


def unoffered(backend: Backend, lock: dict[str, Any]) -> PackageError | None:
    """Of a lock that finds no way: whether that is because the repository moved."""
    moves = [
        Move(name, one["arch"], None, one["version"]) for name, one in lock["packages"].items()
    ]
    here = backend.installed([move.name for move in moves])
    away = [move for move in moves if move.name not in here or here[move.name].version != move.new]
    known = backend.offers(away)
    for move in away:
        if not known[move.name]:
            return _moved(
                move, "no repository offers this version any more", "软件源已不再提供此版本"
            )
    return None


def stage(backend: Backend, found: Simulation, lock: dict[str, Any]) -> dict[str, Staged]:
    """All files, downloaded and compared with the lock where there is one."""
    staged = backend.stage(found.coming)
    for move in found.coming if lock else ():
        wanted = lock["packages"][move.name]["sha256"]
        if staged[move.name].sha256 != wanted:
            raise _moved(move, "another file came than the lock says", "下载的文件与锁定不符")
    return staged


def enough_space(backend: Backend, found: Simulation, offers: dict[str, Offer]) -> None:
    """PackageError when the downloads, or what is unpacked from them, do not fit twice."""
    needs: dict[int, int] = {}
    places: dict[int, str] = {}
    down = sum(offers[move.name].size for move in found.coming)
    # The old version is there until the new one is unpacked, so its size is no help.
    up = sum(offers[move.name].unpacked for move in found.coming)
    for folder, size in ((backend.store_folder(), down), (backend.host.at(_USR), up)):
        place = _existing(folder)
        device = os.stat(place).st_dev
        needs[device] = needs.get(device, 0) + _TIMES * size
        places.setdefault(device, place)
    for device, size in needs.items():
        state = os.statvfs(places[device])
        free = state.f_bavail * state.f_frsize
        if free < size:
            mb = 1024 * 1024
            words = (places[device], -(-size // mb), free // mb)
            raise PackageError(
                "too little room at {0}: {1} MB are needed, {2} MB are free".format(*words),
                "{0} 空间不足：需要 {1} MB，剩余 {2} MB".format(*words),
            )


def _existing(folder: str) -> str:
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder
