# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a job did not come to its end. Each failure is one of the ends that the catalog knows."""

from __future__ import annotations


class BackupFailure(Exception):
    """It did not work; ``end`` is the catalog's word, the reasons are one line each."""

    end = "failed"

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.en = en
        self.zh = zh


class Busy(BackupFailure):
    """Somebody else works on the same target: no failure, it is tried again."""

    end = "busy"


class BadCredentials(BackupFailure):
    """A password or key was refused: never tried again by itself, nothing is made anew."""

    end = "auth"


class Interrupted(BackupFailure):
    """It was told to stop, or its own deadline ended it."""

    end = "interrupted"


class NoRoom(BackupFailure):
    """There is not enough free space, before or in the middle."""

    end = "no-space"


class Rejected(BackupFailure):
    """What came back is no backup: empty, cut off, far too small, an error's text."""

    end = "rejected"


class Unfit(BackupFailure):
    """The order cannot be carried out here: an option is wrong, a tool is missing."""
