# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a file: locks of all kinds, and processes that have it open.

Three ways, because each is blind somewhere: /proc/locks names the file system's own numbers (an
overlay has others), a lock that is tried sees any holder but not who it is, and open files are seen
whether they are locked or not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Iterator

from ansible_collections.storewarden.ops.plugins.module_utils.heal.processes import exe, pids
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


def holders(host: Host, path: str) -> list[str]:
    """Words for people; empty when nobody holds it. A file that cannot be asked counts as held."""
    try:
        seen = os.stat(path)
        found = list(_open(host, seen)) + list(_locked(host, seen.st_ino))
        return found or (["a lock"] if _is_locked(path) else [])
    except OSError as error:
        return [error.strerror or type(error).__name__]


def _open(host: Host, seen: os.stat_result) -> Iterator[str]:
    """Processes that have it open."""
    for pid in pids(host):
        folder = host.at("/proc/{0}/fd".format(pid))
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                with contextlib.suppress(OSError):
                    other = os.stat(os.path.join(folder, name))
                    if (other.st_dev, other.st_ino) == (seen.st_dev, seen.st_ino):
                        yield "process {0} ({1})".format(pid, exe(host, pid) or "?")
                        break


def _locked(host: Host, inode: int) -> Iterator[str]:
    """Locks on a file of that number, as the kernel lists them."""
    with contextlib.suppress(OSError), open(host.at("/proc/locks"), encoding="ascii") as stream:
        for line in stream:
            words = line.replace("->", "").split()
            if len(words) >= 6 and words[5].rpartition(":")[2] == str(inode):
                yield "{0} lock of process {1}".format(words[1], words[4])


def _is_locked(path: str) -> bool:
    """Whether a lock of one's own is refused; it is given back at once."""
    with open(path, "rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.flock(stream, fcntl.LOCK_UN)
    return False
