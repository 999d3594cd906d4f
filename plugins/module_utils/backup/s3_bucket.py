# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes a bucket in which nothing can be deleted before its time."""

from __future__ import annotations

from typing import NamedTuple

from .failures import BackupFailure
from .s3_requests import Bucket, reason


class Prepared(NamedTuple):
    """What had to be done to the bucket."""

    made: bool
    lock_set: bool


def prepare(there: Bucket, lock_days: int, dry: bool = False) -> Prepared:
    """A bucket in which each version is locked for ``lock_days`` days from when it is written,
    and nobody can shorten that. Raises BackupFailure for a bucket that was made without locks:
    they cannot be added."""
    head = there.ask("HEAD")
    if head.status == 404:
        if not dry:
            there.must("PUT", headers={"x-amz-bucket-object-lock-enabled": "true"})
            _lock(there, lock_days)
        return Prepared(True, True)
    if head.status >= 300:
        there.must("GET", query={"list-type": "2", "max-keys": "1"})
    now = there.ask("GET", query={"object-lock": ""})
    if now.status >= 300 or b"Enabled" not in now.body:
        raise BackupFailure(
            "bucket {0} was made without locks: {1}; make another one".format(
                there.name, reason(now)
            ),
            "存储桶 {0} 创建时未启用锁定：{1}；请另建一个".format(there.name, reason(now)),
        )
    if "<Days>{0}</Days>".format(lock_days).encode() in now.body and b"COMPLIANCE" in now.body:
        return Prepared(False, False)
    if not dry:
        _lock(there, lock_days)
    return Prepared(False, True)


def _lock(there: Bucket, days: int) -> None:
    rule = (
        "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>{0}</Days></DefaultRetention></Rule>"
    )
    text = (
        '<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"
        + rule.format(days)
        + "</ObjectLockConfiguration>"
    )
    there.must("PUT", query={"object-lock": ""}, body=text.encode())
