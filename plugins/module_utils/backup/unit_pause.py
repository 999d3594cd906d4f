# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service that stands still while its data are replaced, and runs again afterwards."""

from __future__ import annotations

import contextlib
from typing import Iterator

from .failures import BackupFailure
from .work import Work


@contextlib.contextmanager
def paused(work: Work, unit: str, done: list[str]) -> Iterator[None]:
    """``unit`` does not run inside; "" for none. It is started again however it ends; ``done`` gets
    a line for each step. Raises BackupFailure when it does not stop, or does not start."""
    if not unit:
        yield
        return
    _told(work, "stop", unit)
    done.append(unit + " stopped")
    try:
        yield
    finally:
        _told(work, "start", unit)
        done.append(unit + " started")


def _told(work: Work, verb: str, unit: str) -> None:
    ran = work.run(["systemctl", verb, "--", unit], seconds=180.0)
    if ran.rc != 0:
        raise BackupFailure(
            "systemctl {0} {1}: {2}".format(verb, unit, ran.last),
            "systemctl {0} {1} 失败：{2}".format(verb, unit, ran.last),
        )
