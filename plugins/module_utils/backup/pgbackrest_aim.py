# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a restore begins and where it ends.

A set brings what it held, and nothing of later: left alone, PostgreSQL replays all WAL that there
is, on the newest timeline. That brings the mistake back that the restore is for; and after
production was restored once, the sets from before it could not be restored at all.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from .failures import BackupFailure, Unfit
from .pgbackrest_facts import Backup
from .pgbackrest_store import Kept
from .work import Work


class Aim(NamedTuple):
    """``label``: the backup to begin with; ``wanted``: the set that is to come back."""

    label: str
    wanted: Backup


def aim_of(work: Work, there: dict[str, Backup]) -> Aim:
    """For a moment, the newest backup of the set's chain from before it. PostgreSQL takes a moment
    before the end of a backup without a word, and brings the newer data, so that is refused here.
    Raises BackupFailure, Unfit."""
    name = work.order.sets[-1]
    if name not in there:
        raise BackupFailure("{0} is not there".format(name), "没有 {0}".format(name))
    wanted = there[name]
    label = wanted.parent if wanted.kind == "log" else name
    if label not in there:
        raise BackupFailure("{0} is not there".format(label), "没有 {0}".format(label))
    if not work.order.point:
        return Aim(label, wanted)
    chain = [there[each] for each in (*there[label].needs, label) if each in there]
    before = [each for each in chain if each.taken <= work.order.point]
    if not before:
        raise Unfit(
            "{0} ended after the wanted moment: an older set is needed".format(label),
            "{0} 的结束时间晚于所要求的时间点：需要更早的备份集".format(label),
        )
    return Aim(max(before, key=lambda each: each.taken).label, wanted)


def restore_words(work: Work, aim: Aim, data: str, scratch: str) -> list[str]:
    """pgBackRest's words for it."""
    words = [
        "--set=" + aim.label,
        "--pg1-path=" + data,
        "--archive-mode=off",
        "--tablespace-map-all=" + os.path.join(scratch, "tablespaces"),
        "--target-action=promote",
        "--recovery-option=recovery_target_timeline=current",  # the backup's; the default: newest
    ]
    return [*words, *_end(work.order.point, aim.wanted)]


def _end(point: float, wanted: Backup) -> list[str]:
    if point:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(point))
        return ["--type=time", "--target={0}.{1:06d}+00".format(moment, int(point % 1 * 1e6))]
    if wanted.kind == "log":
        return ["--type=name", "--target=" + wanted.label]
    return ["--type=immediate"]


def known_then(work: Work, kept: dict[str, Kept]) -> Kept | None:
    """The manifest that what comes back can be held against: the set's own, and for a moment the
    newest one from before it."""
    mine = kept.get(work.order.sets[-1])
    if not work.order.point or mine is None:
        return mine
    line = mine.backup.last[:8]
    before = [
        each
        for each in kept.values()
        if each.backup.taken <= work.order.point and each.backup.last[:8] == line
    ]
    return max(before, key=lambda each: each.backup.taken, default=None)


def without_target(data: str) -> None:
    """To the end of the WAL, on the same timeline."""
    path = os.path.join(data, "postgresql.auto.conf")
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("recovery_target_time ")]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
