# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process drives an audit: a file lock that ends with the process.

Without it a second ``storewarden audit`` would take the first one's runs for
left-overs of a dead process and collect them under its hands.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from storewarden.domain.errors import AdapterError


class Claims:
    """Audits that this process drives. A claim lasts until it is dropped or the process ends.

    ``folder`` belongs to a ledger: whoever shares the ledger shares the claims.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def take(self, audit: str) -> bool:
        """True when ``audit`` is ours now; False while anybody alive has it, also we ourselves."""
        if audit in self._held:
            return False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            handle = os.open(self._path(audit), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise AdapterError(
                f"cannot be written: {error.strerror}", where=str(self._folder)
            ) from error
        if not _locked(handle) or not _there(handle, self._path(audit)):
            os.close(handle)
            return False
        self._held[audit] = handle
        return True

    def drop(self, audit: str) -> None:
        """Give ``audit`` up; the file goes first, so that nobody finds it unlocked."""
        handle = self._held.pop(audit, None)
        if handle is not None:
            self._path(audit).unlink(missing_ok=True)
            os.close(handle)

    def _path(self, audit: str) -> Path:
        return self._folder / f"{audit.replace('/', '_')}.lock"

    def _sweep(self) -> None:
        """Remove the locks of processes that are gone."""
        mine = {self._path(audit) for audit in tuple(self._held)}
        for path in set(self._folder.glob("*.lock")) - mine:
            try:
                handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:  # another sweep was faster
                continue
            if _locked(handle) and _there(handle, path):
                path.unlink(missing_ok=True)
            os.close(handle)


def _there(handle: int, path: Path) -> bool:
    """Whether the file that was locked still has its name: a sweep may have come between."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
