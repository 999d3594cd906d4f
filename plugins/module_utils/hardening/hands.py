# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The writing half of a host: files by rename, commands with a limit. Looking is ``System``'s.

Every kind of fix changes the host through these few calls, so that a file is never half written
and keeps the owner, mode and SELinux label that it had.
"""

from __future__ import annotations

import abc


class Hands(abc.ABC):
    """What a fix may do to a host. Raises FixFailed when it cannot be done."""

    @abc.abstractmethod
    def write(self, path: str, text: str, mode: int | None = None) -> None:
        """The whole file, by rename; owner and mode stay, a new file is root's with ``mode``
        (default 0644). Missing folders are made (0755). Links are followed."""

    @abc.abstractmethod
    def remove(self, path: str) -> None:
        """The file or link is gone; nothing when it was."""

    @abc.abstractmethod
    def modes(self, path: str, mode: int | None, owner: str | None, group: str | None) -> None:
        """Permission bits and owner of what is there; None leaves them."""

    @abc.abstractmethod
    def run(self, argv: list[str], seconds: float = 60.0, stdin: str = "") -> str:
        """The standard output of a command that ended with 0, in the C locale."""
