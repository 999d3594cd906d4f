# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a wish to the exact set: freely on the canary, by its lock on all other hosts.

On the others nothing is resolved that the canary did not: what the package manager would do
beyond the lock is a reason to refuse, never something that is installed as well.
"""

from __future__ import annotations

from typing import Any

from .backend import Ask, Backend, Installed
from .failures import PackageError
from .transaction import Simulation
from .wish import Wish

_ROUNDS = 4


def resolve(backend: Backend, wish: Wish) -> Simulation:
    """What the wish comes to on this host by today's lists; without moves when it is there."""
    hold = wish.hold
    if wish.upgrade == "all":
        return backend.simulate(Ask(upgrade=True, removals=wish.allow_removals, hold=hold))
    if wish.upgrade == "security":
        return backend.security(wish.security, hold)
    words = [
        name if version is None else "{0}={1}".format(name, version)
        for name, version in sorted(wish.packages.items())
    ]
    found = backend.simulate(Ask(words=tuple(words), hold=hold))
    _must_be_met(backend, wish, found)
    return found


def _must_be_met(backend: Backend, wish: Wish, found: Simulation) -> None:
    """A package manager may leave out what it cannot do, and call the rest a success."""
    here = {name: one.version for name, one in backend.installed(wish.names).items()}
    here.update({move.name: str(move.new) for move in found.coming})
    missing = [
        name
        for name, version in sorted(wish.packages.items())
        if name not in here or (version is not None and here[name] != version)
    ]
    if missing:
        text = ", ".join(missing[:5])
        raise PackageError(
            "it cannot be installed beside what is here: {0}".format(text),
            "无法与本机现有软件包共存：{0}".format(text),
        )


def pinned(backend: Backend, wish: Wish, lock: dict[str, Any]) -> Simulation:
    """What the canary's lock comes to on this host; PackageError when it is more or less."""
    packages: dict[str, Any] = lock["packages"]
    here = backend.installed(sorted(packages))
    _not_newer(backend, wish, packages, here)
    wanted = set(wish.packages) & set(packages) | set(here)
    for name in sorted(set(wish.packages) - set(packages)):
        _must_be_here(backend, wish, name)
    found = Simulation(())
    for _round in range(_ROUNDS):
        behind = [n for n in sorted(wanted) if not _at(here.get(n), packages[n]["version"])]
        gone = sorted(backend.installed(lock["removals"]))
        if not behind and not gone:
            return Simulation(())
        words = ["{0}={1}".format(name, packages[name]["version"]) for name in behind]
        found = backend.simulate(Ask(words=tuple(words), gone=tuple(gone)))
        more = {move.name for move in found.coming} & set(packages) - wanted
        if not more:
            break
        # A dependency that is not here yet: its version is the lock's too, not the newest.
        wanted |= more
    _must_be_locked(found, lock)
    return found


def _at(one: Installed | None, version: str) -> bool:
    return one is not None and one.version == version


def _not_newer(
    backend: Backend, wish: Wish, packages: dict[str, Any], here: dict[str, Installed]
) -> None:
    """Somebody else updates this host: taking that back without being asked would be wrong."""
    for name, one in sorted(here.items()):
        version = packages[name]["version"]
        if not wish.allow_downgrade and backend.newer(one.version, version):
            raise PackageError(
                "{0} is {1} here, newer than the lock's {2} (allow_downgrade is not set)".format(
                    name, one.version, version
                ),
                "{0} 在本机为 {1}，高于锁定版本 {2}（未设置 allow_downgrade）".format(
                    name, one.version, version
                ),
            )


def _must_be_here(backend: Backend, wish: Wish, name: str) -> None:
    """The canary had it already, so the lock does not say its version; the wish may."""
    one = backend.installed([name]).get(name)
    version = wish.packages[name]
    if one is not None and (version is None or one.version == version):
        return
    now = one.version if one else "not installed"
    raise PackageError(
        "{0} is {1} here, and the lock has no version of it: the canary had it already".format(
            name, now
        ),
        "{0} 在本机为 {1}，而锁定中没有它的版本：金丝雀主机当时已安装".format(name, now),
    )


def _must_be_locked(found: Simulation, lock: dict[str, Any]) -> None:
    packages = lock["packages"]
    more = [
        "{0} {1}".format(move.name, move.new)
        for move in found.coming
        if move.name not in packages or packages[move.name]["version"] != move.new
    ]
    more += ["without " + name for name in found.going if name not in lock["removals"]]
    if more:
        text = ", ".join(more[:5])
        raise PackageError(
            "this host would also change what the canary did not: {0}".format(text),
            "本机还会变更金丝雀未变更的软件包：{0}".format(text),
        )


def check(backend: Backend, wish: Wish, found: Simulation) -> None:
    """What the wish does not allow, by name, before anything is fetched."""
    going = [name for name in found.going if not wish.allow_removals]
    if going:
        text = ", ".join(going[:5])
        raise PackageError(
            "it would remove {0} (allow_removals is not set)".format(text),
            "将会移除 {0}（未设置 allow_removals）".format(text),
        )
    down = [
        "{0} {1} -> {2}".format(move.name, move.old, move.new)
        for move in found.coming
        if move.old and move.new and backend.newer(move.old, move.new)
    ]
    if down and not wish.allow_downgrade:
        text = ", ".join(down[:5])
        raise PackageError(
            "it would go back to an older version: {0} (allow_downgrade is not set)".format(text),
            "将会降级：{0}（未设置 allow_downgrade）".format(text),
        )
    held = set(backend.held()) | set(wish.hold)
    kept = sorted(held & {move.name for move in found.moves})
    if kept:
        text = ", ".join(kept[:5])
        raise PackageError("on hold here: {0}".format(text), "已被设为保留：{0}".format(text))
