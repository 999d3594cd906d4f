# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Places where copies lie: a folder of another medium, a server's folder over SFTP, a bucket of
S3.

What a place needs to be told is in docs/reference/backup-locations.md. Everything goes through
rclone.
"""

from __future__ import annotations

import os

from .canary import Trial, canary, trial
from .failures import BackupFailure, Unfit
from .method import CopyRules
from .pushing import Pushed, push
from .rclone_runs import compared, failure, run
from .rclone_settings import Remote, remote, restic_repository
from .work import Work

__all__ = [
    "CopyRules",
    "Pushed",
    "Remote",
    "Trial",
    "canary",
    "pull",
    "push",
    "remote",
    "remove",
    "restic_repository",
    "trial",
]

_GLOB = set("*?[]{}\\\n")


def pull(work: Work, into: str, rules: CopyRules) -> int:
    """Everything of this target's tree at the place, into an empty or unfinished folder; the
    bytes that lie there then. Raises BackupFailure when the place has nothing, or what came
    differs."""
    there = remote(work)
    words = ["--exclude=" + ("/" + each if "/" in each else each) for each in rules.exclude]
    seen = run(work, there, "lsf", there.path, "--max-depth=1")
    if (not seen.rc and not seen.out.strip()) or "directory not found" in seen.err:
        raise _nothing(work)
    ran = run(work, there, "copy", there.path, into, "--retries=3", "--retries-sleep=5s", *words)
    if ran.rc:
        raise failure(work, ran, "the copy cannot be fetched", "无法取回副本")
    came = compared(work, there.path, into, there, words)
    bad = sorted(name for name, state in came.items() if state != "=")
    if not came:
        raise _nothing(work)
    if bad:
        name, files = work.order.place.name, ", ".join(bad[:5])
        raise BackupFailure(
            "{0}: these files did not come whole: {1}".format(name, files),
            "{0}：以下文件不完整：{1}".format(name, files),
        )
    return sum(os.path.getsize(os.path.join(into, name)) for name in came)


def _nothing(work: Work) -> BackupFailure:
    name = work.order.place.name
    return BackupFailure(name + ": nothing is there", name + "：没有任何内容")


def remove(work: Work, names: tuple[str, ...] | list[str]) -> list[str]:
    """Files and folders, by their paths below this target's tree, are gone from the place; which
    ones were there. With the *delete* credentials where the order has them.

    Raises BadCredentials when the place did not let them go, Unfit for a name that may mean more
    than itself.
    """
    for name in names:
        if not name or name.startswith("/") or _GLOB & set(name) or ".." in name.split("/"):
            raise Unfit("{0!r} is no name of a file".format(name), "{0!r} 不是文件名".format(name))
    if not names:
        return []
    there = remote(work, deleting=True)
    rules = os.path.join(work.folder, "removed")
    with open(rules, "w", encoding="utf-8") as file:
        file.writelines("+ /{0}\n+ /{0}/**\n".format(name) for name in names)
        file.write("- *\n")
    were = _listed(work, there, rules, names)
    if were:
        ran = run(work, there, "delete", there.path, "--filter-from", rules, "--rmdirs")
        left = _listed(work, there, rules, names)
        if left:
            text = ", ".join(sorted(left)[:5])
            raise failure(work, ran, "not deleted: " + text, "未删除：" + text)
    return sorted(were)


def _listed(work: Work, there: Remote, rules: str, names: tuple[str, ...] | list[str]) -> set[str]:
    """Those of ``names`` of which something is there."""
    file = os.path.join(work.folder, "listed")  # a list may be longer than what a run keeps
    words = ("--recursive", "--files-only", "--filter-from", rules)
    ran = run(work, there, "lsf", there.path, *words, into=file)
    if ran.rc and "directory not found" not in ran.err:
        raise failure(work, ran, "the copy cannot be listed", "无法列出副本")
    with open(file, encoding="utf-8", errors="surrogateescape") as lines:
        found = lines.read().splitlines()
    return {
        each for each in names if any(one == each or one.startswith(each + "/") for one in found)
    }
