# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Data that make room for what was restored. They are kept, and never lost on the way."""

from __future__ import annotations

import errno
import os
import shutil

from .failures import BackupFailure, Unfit
from .work import Work


def movable(path: str) -> None:
    """Raises Unfit for a folder that cannot be renamed at all; nothing was touched by then."""
    if os.path.ismount(path):
        raise Unfit(
            "{0} is a filesystem of its own and cannot be moved aside: restore into scratch".format(
                path
            ),
            "{0} 是独立文件系统，无法移开：请恢复到临时目录".format(path),
        )


def moved_aside(work: Work, path: str, aside: str) -> None:
    """Rename it; copy it where the filesystem does not rename folders (layers of an overlay). When
    that fails everything is where it was. Raises BackupFailure."""
    try:
        os.rename(path, aside)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise BackupFailure(
                "{0} cannot be moved aside: {1}".format(path, error.strerror),
                "无法移开 {0}：{1}".format(path, error.strerror),
            ) from None
    else:
        return
    ran = work.run(["cp", "-a", "--", path, aside])
    if ran.rc != 0:
        shutil.rmtree(aside, ignore_errors=True)
        raise BackupFailure(
            "{0} cannot be copied aside: {1}".format(path, ran.last),
            "无法复制 {0}：{1}".format(path, ran.last),
        )
    shutil.rmtree(path)
