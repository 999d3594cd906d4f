# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is mounted and what should be: /proc/self/mountinfo and /etc/fstab, read only.

No filesystem is touched here: to ask one that hangs would hang the one who asks.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal.tree_walk import plain
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


def mounts(host: Host) -> dict[str, dict[str, Any]]:
    """By mount point, the topmost each: ``{source, type, mount_ro, super_ro, super_options}``.
    ``mount_ro`` is the mount point's own flag, ``super_ro`` the filesystem's."""
    found = {}
    with open(host.at("/proc/self/mountinfo"), encoding="utf-8", errors="replace") as lines:
        for line in lines:
            left, _dash, right = line.strip().partition(" - ")
            before, after = left.split(" "), right.split(" ")
            if len(before) < 6 or len(after) < 3:
                continue
            found[plain(before[4])] = {
                "source": plain(after[1]),
                "type": after[0],
                "device": before[2],
                "mount_ro": "ro" in before[5].split(","),
                "super_ro": "ro" in after[2].split(","),
                "super_options": after[2].split(","),
            }
    return found


def type_of(host: Host, path: str) -> str:
    """Type of the filesystem that a path lies on, as the table has it; empty when it has none."""
    found, longest = "", -1
    for place, mount in mounts_or_none(host).items():
        below = place.rstrip("/") + "/"
        if (path.rstrip("/") + "/").startswith(below) and len(below) > longest:
            found, longest = str(mount["type"]), len(below)
    return found


def mounts_or_none(host: Host) -> dict[str, dict[str, Any]]:
    """As ``mounts``; nothing where the table cannot be read."""
    try:
        return mounts(host)
    except OSError:
        return {}


def declared(host: Host) -> dict[str, dict[str, Any]]:
    """By mount point, what /etc/fstab declares: ``{source, type, options}``."""
    found = {}
    try:
        with open(host.at("/etc/fstab"), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return {}
    for line in lines:
        words = line.split()
        if len(words) < 3 or words[0].startswith("#"):
            continue
        found[plain(words[1])] = {
            "source": plain(words[0]),
            "type": words[2],
            "options": (words[3] if len(words) > 3 else "defaults").split(","),
        }
    return found
