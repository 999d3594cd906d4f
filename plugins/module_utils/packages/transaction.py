# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A package transaction as plain data: what moves, and the lock that makes all hosts alike.

The canary's package manager resolves the wish once. Its answer, with the digests of the files,
is the lock; every other host installs exactly those bits, or nothing (invariant I5).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple, Sequence

from .failures import PackageError


class Move(NamedTuple):
    """One package: ``old`` None for one that comes, ``new`` None for one that goes.

    ``name`` carries ``:ARCH`` only where it is not the machine's own architecture.
    """

    name: str
    arch: str
    old: str | None
    new: str | None
    origins: str = ""  # the archives that offer the new version, as the package manager says it


class Simulation(NamedTuple):
    """What would happen, and which packages stay although something newer is there."""

    moves: tuple[Move, ...]
    kept: tuple[str, ...] = ()

    @property
    def coming(self) -> list[Move]:
        return [one for one in self.moves if one.new is not None]

    @property
    def going(self) -> list[str]:
        return sorted(one.name for one in self.moves if one.new is None)


class Staged(NamedTuple):
    """A package file on the host that waits to be installed."""

    path: str
    sha256: str
    size: int


def make_lock(system: str, simulation: Simulation, staged: dict[str, Staged]) -> dict[str, Any]:
    """``{system, packages: {name: {version, arch, sha256, size}}, removals, digest}``."""
    packages = {
        move.name: {
            "version": move.new,
            "arch": move.arch,
            "sha256": staged[move.name].sha256,
            "size": staged[move.name].size,
        }
        for move in simulation.coming
    }
    body = {"system": system, "packages": packages, "removals": simulation.going}
    return {**body, "digest": digest_of(body)}


def digest_of(body: dict[str, Any]) -> str:
    """The lock's own digest, over everything in it but itself."""
    rest = {key: body[key] for key in ("system", "packages", "removals")}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def checked_lock(lock: dict[str, Any], system: str) -> dict[str, Any]:
    """The lock as it was made; PackageError when it was altered or is another system's."""
    if not isinstance(lock.get("packages"), dict) or not isinstance(lock.get("removals"), list):
        raise PackageError("the version lock is incomplete", "版本锁定不完整")
    if lock.get("digest") != digest_of({"system": "", **lock}):
        raise PackageError(
            "the version lock was altered (its digest is another one)",
            "版本锁定已被改动（摘要不符）",
        )
    if lock.get("system") != system:
        raise PackageError(
            "the version lock was resolved by {0}, this host has {1}".format(
                lock.get("system"), system
            ),
            "版本锁定由 {0} 解析，本机使用 {1}".format(lock.get("system"), system),
        )
    return lock


def changes_of(simulation: Simulation, repair: Sequence[str] = ()) -> list[dict[str, str]]:
    """The moves as the report tells them: ``{what, before, after}``, empty where there is none."""
    found = [
        {"what": "package " + name, "before": "interrupted", "after": "configured"}
        for name in repair
    ]
    for move in simulation.moves:
        words = (move.old or "", move.new or "")
        found.append({"what": "package " + move.name, "before": words[0], "after": words[1]})
    if simulation.kept:
        # Not changed, although something newer is there: people ask why.
        kept = "kept back: " + ", ".join(simulation.kept)
        found.append({"what": kept, "before": "", "after": ""})
    return found
