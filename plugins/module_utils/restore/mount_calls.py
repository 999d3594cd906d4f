# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""mount(2) by itself.

mount(8) mixes in what fstab says, and cannot express "exactly these flags"; the system call can.
"""

from __future__ import annotations

import ctypes
import os

# <linux/mount.h>
FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "nodiratime": 2048}
RELATIME, STRICTATIME = 1 << 21, 1 << 24
_REMOUNT, _BIND = 32, 4096
_DETACH = 2


def flag_bits(options: list[str]) -> int:
    """The bits of a mount point's own options; relative access times are said, not assumed."""
    bits = sum(FLAGS[one] for one in options if one in FLAGS)
    if "relatime" in options:
        return bits | RELATIME
    return bits if "noatime" in options else bits | STRICTATIME


def mount(source: str, target: str, kind: str, options: list[str], data: str) -> None:
    _call(source, target, kind, flag_bits(options), data)


def remount(target: str, options: list[str], data: str) -> None:
    """The file system's own options, and the mount point's."""
    _call("none", target, "none", _REMOUNT | flag_bits(options), data)


def set_flags(target: str, options: list[str]) -> None:
    """The mount point's own options alone."""
    _call("none", target, "none", _REMOUNT | _BIND | flag_bits(options), "")


def unmount(target: str) -> None:
    """One in use is taken out of sight and ends when its last user does."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.umount2(os.fsencode(target), 0) == 0:
        return
    if library.umount2(os.fsencode(target), _DETACH) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def _call(source: str, target: str, kind: str, bits: int, data: str) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    words = [os.fsencode(one) for one in (source, target, kind)]
    status = library.mount(*words, ctypes.c_ulong(bits), os.fsencode(data) if data else None)
    if status != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)
