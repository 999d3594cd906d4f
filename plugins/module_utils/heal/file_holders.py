# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a file: locks of all kinds, and processes that have it open.

Three ways, because each is blind somewhere: /proc/locks names the file system's own numbers (an
overlay has others), a lock that is tried sees any holder but not who it is, and open files are seen
whether they are locked or not. Nothing is changed by looking: a lock is tried as one of many
readers, so that a job that starts just now may be kept waiting for a moment and is never refused
for good.
"""

from __future__ import annotations

import fcntl
import os
from typing import Iterator

from ansible_collections.storewarden.ops.plugins.module_utils.heal.open_files import opened_files
from ansible_collections.storewarden.ops.plugins.module_utils.heal.processes import exe
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


def holders(host: Host, descriptor: int) -> list[str]:
    """Words for people, of a file that is open here; empty when nobody else holds it. A file that
    cannot be asked counts as held."""
    try:
        seen = os.fstat(descriptor)
        found = list(_open(host, seen)) + list(_locked(host, seen.st_ino))
        return found or (["a lock"] if _is_locked(descriptor) else [])
    except OSError as error:
        return [error.strerror or type(error).__name__]


def _open(host: Host, seen: os.stat_result) -> Iterator[str]:
    """Processes that have it open; not this one."""
    for pid in sorted({
        one.pid
        for one in opened_files(host.at("/proc"))
        if (one.device, one.inode) == (seen.st_dev, seen.st_ino) and one.pid != os.getpid()
    }):  # fmt: skip
        yield "process {0} ({1})".format(pid, exe(host, pid) or "?")


def _locked(host: Host, inode: int) -> Iterator[str]:
    """Locks on a file of that number, as the kernel lists them."""
    try:
        with open(host.at("/proc/locks"), encoding="ascii") as stream:
            lines = stream.readlines()
    except OSError:
        return
    for line in lines:
        words = line.replace("->", "").split()
        if len(words) >= 6 and words[5].rpartition(":")[2] == str(inode):
            yield "{0} lock of process {1}".format(words[1], words[4])


def _is_locked(descriptor: int) -> bool:
    """Whether a reader's lock is refused; it is given back at once. Locks of the other kind
    (fcntl) stand in /proc/locks alone."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
