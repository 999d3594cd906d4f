# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why something staged is not put in place, in one line per language."""

from __future__ import annotations


class Unfit(Exception):
    """It is refused; nothing of it has been put in place."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.zh = zh

    def reason(self) -> dict[str, str]:
        return {"en": str(self), "zh": self.zh}
