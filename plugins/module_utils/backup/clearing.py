# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders that were only made for a job, gone. Removing a file is mostly waiting for the disk's
journal, and a restored cluster has a thousand: one after the other took a tenth of a rehearsal."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading

_AT_ONCE = 8


def cleared(path: str) -> None:
    """The folder with all that is in it, as far as it can be removed. What lies in there may belong
    to another account: no link that it makes meanwhile leads out."""
    with contextlib.suppress(OSError):
        for _, _, names, folder in os.fwalk(path):
            _without(folder, names)
    shutil.rmtree(path, ignore_errors=True)


def _without(folder: int, names: list[str]) -> None:
    parts = [part for part in (names[at::_AT_ONCE] for at in range(_AT_ONCE)) if part]
    # Each has a handle of its own: whoever is interrupted here closes only the walk's.
    workers = [
        threading.Thread(target=_unlinked, args=(os.dup(folder), part), daemon=True)
        for part in parts
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _unlinked(folder: int, names: list[str]) -> None:
    try:
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)
