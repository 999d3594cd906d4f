# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rollout asks of the packages of a host, checked before anything is asked of the host."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Sequence

from .failures import PackageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*(:[a-z0-9-]+)?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:_^-]*")
UPGRADES = ("", "security", "all")


class Wish(NamedTuple):
    """``packages``: name -> version, or None for the newest. ``upgrade``: see `UPGRADES`."""

    packages: dict[str, str | None]
    upgrade: str = ""
    hold: tuple[str, ...] = ()  # left at their version, beside those that are on hold anyway
    allow_downgrade: bool = False
    allow_removals: bool = False
    security: tuple[str, ...] = ("security",)  # parts of the name of a security archive

    @property
    def names(self) -> list[str]:
        return sorted(self.packages)


def read(options: dict[str, Any]) -> Wish:
    """The wish in the payload's options; PackageError says what is wrong with them."""
    wish = Wish(
        packages=dict(_package(one) for one in _texts(options, "packages")),
        upgrade=str(options.get("upgrade") or ""),
        hold=tuple(_texts(options, "hold")),
        allow_downgrade=bool(options.get("allow_downgrade")),
        allow_removals=bool(options.get("allow_removals")),
        security=tuple(_texts(options, "security_archives")) or ("security",),
    )
    if wish.upgrade not in UPGRADES:
        raise _bad("upgrade is security or all, not {0}".format(wish.upgrade))
    if bool(wish.packages) == bool(wish.upgrade):
        raise _bad("say either packages or upgrade")
    for name in wish.hold:
        _checked_name(name)
    if set(wish.hold) & set(wish.packages):
        both = sorted(set(wish.hold) & set(wish.packages))
        raise _bad("{0} cannot be both changed and left alone (hold)".format(", ".join(both)))
    return wish


def _texts(options: dict[str, Any], key: str) -> Sequence[str]:
    found = options.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise _bad("{0} is a list of texts".format(key))
    return found


def _package(text: str) -> tuple[str, str | None]:
    name, equals, version = text.strip().partition("=")
    _checked_name(name)
    if equals and not _VERSION.fullmatch(version):
        raise _bad("{0!r} has no version that a package could have".format(text))
    return name, version or None


def _checked_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise _bad("{0!r} is no package's name".format(name))


def _bad(text: str) -> PackageError:
    return PackageError("payload_packages: " + text, "payload_packages 选项有误：" + text)
