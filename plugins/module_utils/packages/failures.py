# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why packages are not changed, in both languages; one line each."""

from __future__ import annotations


class PackageError(Exception):
    """The payload says no, or a package program failed. Nothing is changed by whoever raises it."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.en = en
        self.zh = zh

    @property
    def reason(self) -> dict[str, str]:
        """``{en, zh}``."""
        return {"en": self.en, "zh": self.zh}
