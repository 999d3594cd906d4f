# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configurations of a network device, on the controller: it has read them already, one file each.
Here they are only copied to other places, and looked at there."""

from __future__ import annotations

import os

from .failures import BackupFailure, Unfit
from .method import CopyRules, Method
from .rclone_runs import compared, failure, run
from .rclone_settings import remote
from .report import SetFacts
from .work import Work

_SUFFIX = ".cfg"


class Network(Method):
    """``order.repository`` is the folder of one device; a set is called like its file."""

    name = "network"
    kinds = ("full",)

    def fits(self, work: Work) -> None:
        raise Unfit(
            "devices are read by storewarden serve and storewarden backup devices",
            "网络设备由 storewarden serve 与 storewarden backup devices 读取",
        )

    def copy_rules(self) -> CopyRules:
        return CopyRules(exclude=("*.new",))

    def listed(self, work: Work) -> list[SetFacts]:
        work.tool = "rclone"
        there = remote(work)
        listing = os.path.join(work.folder, "configurations")
        words = ("--files-only", "--format", "sp", "--separator", "\t")
        ran = run(work, there, "lsf", there.path, *words, into=listing)
        if ran.rc:
            raise failure(work, ran, "the copy cannot be listed", "无法列出副本")
        with open(listing, encoding="utf-8", errors="surrogateescape") as lines:
            pairs = [line.rstrip("\n").split("\t", 1) for line in lines]
        return [
            _facts(work, name, int(size))
            for size, name in sorted(pairs, key=_place)
            if name.endswith(_SUFFIX)
        ]

    def read(self, work: Work) -> list[SetFacts]:
        """All of it comes back and is compared with the controller's, byte by byte: few servers
        have sums. There is never so much of it that parts would help."""
        found = self.listed(work)
        words = ["--download", "--include=*" + _SUFFIX]
        there = remote(work)
        alike = compared(work, work.order.repository, there.path, there, words)
        return [one if one.damaged else _read(one, alike.get(one.id)) for one in found]

    def removed(self, work: Work) -> list[str]:
        raise BackupFailure(
            "the history of configurations is kept whole", "配置历史须完整保留，不予删除"
        )


def _place(pair: list[str]) -> str:
    return pair[1]


def _read(one: SetFacts, state: str | None) -> SetFacts:
    if state == "=":
        return one._replace(level=2)
    return one._replace(level=0, damaged="it is not what the controller has")


def _facts(work: Work, name: str, size: int) -> SetFacts:
    own = os.path.join(work.order.repository, name)
    same = os.path.isfile(own) and os.path.getsize(own) == size
    return SetFacts(
        id=name,
        taken=os.path.getmtime(own) if same else 0.0,
        size=size,
        level=1 if same else 0,
        damaged="" if same else "its size is not that of the controller's",
    )
