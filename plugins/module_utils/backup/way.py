# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way to a folder that a database's account works in. Folders of ours on it can be walked
through, and neither listed nor read: what lies in them is closed by itself."""

from __future__ import annotations

import os
import pwd
import stat

OURS = "/var/lib/storewarden"
_MADE = ("work", "scratch")  # what the engine makes, closed, beside a repository


def way_made(folder: str, account: str) -> str:
    """Let ``account`` walk to ``folder`` where the folders above are ours. The first one that it
    cannot enter and that is not; "" when the way is free."""
    uid = pwd.getpwnam(account).pw_uid
    for parent in _parents(os.path.realpath(folder)):
        status = os.stat(parent)
        if status.st_mode & stat.S_IXOTH or status.st_uid == uid:
            continue
        if not _ours(parent):
            return parent
        os.chmod(parent, stat.S_IMODE(status.st_mode) | 0o011)
    return ""


def _ours(path: str) -> bool:
    """Root's own, and made by a job or for jobs."""
    if os.stat(path).st_uid != os.geteuid():
        return False
    made = {os.path.basename(path), os.path.basename(os.path.dirname(path))} & set(_MADE)
    return bool(made) or path == OURS or path.startswith(OURS + "/")


def _parents(folder: str) -> list[str]:
    """The folders above, the root first."""
    found = []
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        found.append(folder)
    return found[::-1]
