# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mode and owner that a fix wants for a file it writes; nothing is wanted unless it is said."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
)


class Permissions(NamedTuple):
    """``mode`` as bits, owners by name; None leaves them."""

    mode: int | None
    owner: str | None
    group: str | None

    @classmethod
    def of(cls, fix: dict[str, Any]) -> Permissions:
        """From a fix's ``mode``, ``owner`` and ``group_owner``."""
        return cls(octal(fix.get("mode")), fix.get("owner"), fix.get("group_owner"))

    def changes(self, system: Any, path: str) -> list[Change]:
        """What differs from the file as it is."""
        entry = system.stat(path)
        if entry is None:
            return []
        found = []
        if self.mode is not None and entry.mode != self.mode:
            found.append(Change(path + ": mode", shown(entry.mode), shown(self.mode)))
        pairs = (
            ("owner", self.owner, system.user_name(entry.uid)),
            ("group", self.group, system.group_name(entry.gid)),
        )
        for what, wanted, now in pairs:
            if wanted is not None and wanted != now:
                found.append(Change("{0}: {1}".format(path, what), now, wanted))
        return found

    def give(self, hands: Any, path: str) -> None:
        """Set what is wanted."""
        if any(one is not None for one in self):
            hands.modes(path, self.mode, self.owner, self.group)


def octal(value: Any) -> int | None:
    """0o600 from ``"0600"``; None from nothing. Raises FixFailed."""
    if value is None:
        return None
    try:
        return int(str(value), 8)
    except ValueError:
        raise FixFailed("{0!r} is no mode (write it like 0600)".format(value)) from None


def shown(mode: int) -> str:
    return "{0:04o}".format(mode)
