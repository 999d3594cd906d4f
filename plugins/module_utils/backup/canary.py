# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a place lets the store's own key delete or write over what it has stored: tried, not
believed.

Some servers accept the settings of a lock and do not keep it; only a trial shows that.
"""

from __future__ import annotations

import calendar
import time
from typing import NamedTuple

from .failures import BackupFailure
from .rclone_runs import failure, run
from .rclone_settings import Remote, remote
from .s3_place import bucket, tree
from .s3_requests import Answer, Bucket, reason
from .work import Work

_FIRST, _SECOND = "canary: this stays\n", "canary: written over\n"
_GOVERNANCE = {
    "x-amz-bypass-governance-retention": "true"
}  # a right that a store's key must not have


class Trial(NamedTuple):
    """Whether it could neither be deleted nor written over, and until when the place says that it
    stays, in seconds since 1970 (0: it does not say)."""

    kept: bool
    until: float = 0.0


def canary(work: Work) -> bool:
    """Whether what was stored could neither be deleted nor written over with the key that stores;
    see ``trial``."""
    return trial(work).kept


def trial(work: Work) -> Trial:
    """Stores something, tries to delete it and to write over it, and looks what is left.

    Leaves one small object behind where it could not be deleted. Raises BackupFailure when
    nothing could be stored at all: then nothing is known.
    """
    kind = work.order.place.kind
    if kind == "host":
        return Trial(False)  # whoever runs this could delete it
    return _in_bucket(work) if kind == "s3" else Trial(_in_folder(work))


def _in_bucket(work: Work) -> Trial:
    """The trial is the deletion of a version: a delete marker, or a newer version, hides and
    deletes nothing."""
    there = bucket(work)
    key = "/".join(filter(None, (tree(work).rsplit("/", 1)[0], _name(work))))
    stored = there.must("PUT", key, body=_FIRST.encode())
    version = stored.headers.get("x-amz-version-id", "")
    if version in ("", "null"):
        there.ask("DELETE", key)
        return Trial(False)
    there.ask("PUT", key, body=_SECOND.encode())
    there.ask("DELETE", key)
    _answered(work, there.ask("DELETE", key, {"versionId": version}))
    _answered(work, there.ask("DELETE", key, {"versionId": version}, headers=_GOVERNANCE))
    kept = there.ask("GET", key, {"versionId": version})
    if kept.status != 200 or kept.body.decode("utf-8", "replace") != _FIRST:
        return Trial(False)
    until = locked_until(there, key, version)
    _compared_with_days(work, until)
    return Trial(True, until)


def _answered(work: Work, answer: Answer) -> None:
    """A server that was busy or broken has not refused: nothing is proven by it."""
    if answer.status >= 500 or answer.status in (408, 429):
        said = (work.order.place.name, answer.status, reason(answer))
        raise BackupFailure(
            "{0}: the trial was not answered: {1} {2}".format(*said),
            "{0}：试验未得到应答：{1} {2}".format(*said),
        )


def _compared_with_days(work: Work, until: float) -> None:
    """A lock that is shorter than what the site counts on is told."""
    days = int(work.order.place.words.get("lock_days", 0))
    name = work.order.place.name
    if until < time.time() + (days - 0.5) * 86400:
        had = max(0.0, (until - time.time()) / 86400)
        work.notes.append(
            {
                "en": "{0} locks for {1:.1f} days, the settings say {2}".format(name, had, days),
                "zh": "{0} 锁定 {1:.1f} 天，而配置为 {2} 天".format(name, had, days),
            }
        )


def locked_until(there: Bucket, key: str, version: str = "") -> float:
    """Until when an object is locked, in seconds since 1970, as the server says; 0 for not at
    all."""
    query = {"versionId": version} if version else {}
    said = there.ask("HEAD", key, query).headers.get("x-amz-object-lock-retain-until-date", "")
    try:
        return calendar.timegm(time.strptime(said[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return 0.0


def _in_folder(work: Work) -> bool:
    """A server may seal what it got some time later: an object of an earlier trial is tried
    first. What the trial leaves is there for the next one."""
    there = remote(work)
    above = there.path.rsplit("/", 1)[0]
    names = run(work, there, "lsf", above, "--files-only", "--include", "/.canary-*").out.split()
    old = sorted(name for name in names if name.startswith(_begin(work)))
    path = above + "/" + (old[0] if old else _name(work))
    if not old:
        ran = run(work, there, "rcat", path, stdin=_FIRST)
        if ran.rc:
            raise failure(work, ran, "nothing can be stored", "无法存入任何内容")
    return _kept(work, there, path)


def _kept(work: Work, there: Remote, path: str) -> bool:
    before = run(work, there, "cat", path)
    if before.rc:
        raise failure(work, before, "nothing can be read", "无法读取")
    run(work, there, "deletefile", path)
    run(work, there, "rcat", path, stdin="canary: {0}\n".format(work.order.run))
    after = run(work, there, "cat", path)
    if after.rc and "not found" not in after.err:
        raise failure(work, after, "it cannot be seen what became of it", "无法看到试验结果")
    return after.rc == 0 and after.out == before.out


def _begin(work: Work) -> str:
    return ".canary-{0}-".format(work.order.policy)


def _name(work: Work) -> str:
    return _begin(work) + work.order.run
