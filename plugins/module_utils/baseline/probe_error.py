# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A probe that could not look is never the same as a thing that is not there.

Every getter raises ProbeError when it could not look; "looked and absent" is a value.
"""

from __future__ import annotations

TIMEOUT = "timeout"  # the probe or the whole audit ran out of time
PERMISSION = "permission"  # the kernel or the tool refused to show it
TOOL = "tool"  # a command that is needed is not installed
OUTPUT = "output"  # something answered, and the answer makes no sense
QUERY = "query"  # the control asks for something the getter does not know
RECORD = "record"  # the saved record to be judged is missing, incomplete or too old

_CHINESE = {
    TIMEOUT: "超时",
    PERMISSION: "权限不足",
    TOOL: "缺少命令",
    OUTPUT: "输出无法解读",
    QUERY: "控制项的查询有误",
    RECORD: "备份记录缺失、不完整或已过期",
}


class ProbeError(Exception):
    """Why a probe could not look. ``kind`` is one of the constants above."""

    def __init__(self, kind, detail):
        # type: (str, str) -> None
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = " ".join(detail.split())[:300]

    def reason(self):
        # type: () -> dict[str, str]
        """The same sentence in English and Chinese; the detail is not translated."""
        return {
            "en": "{0}: {1}".format(self.kind, self.detail),
            "zh": "{0}：{1}".format(_CHINESE.get(self.kind, self.kind), self.detail),
        }

    def __str__(self):
        # type: () -> str
        return self.reason()["en"]
