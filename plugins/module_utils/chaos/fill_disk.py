# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fills a filesystem with one file, down to a reserve.

The file is named like a package, so in the package cache it is what heal action "disk" may remove;
anywhere else it is nobody's to remove but ours. A boot removes it, for the timer does not survive
one. There is a limit to what is taken: a host's root may be a pool that others live from.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import (
    ChaosError,
    Fault,
    Spell,
    no_options_but,
    number,
    shell,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

PACKAGES = "/var/cache/apt/archives"
_MIB = 1 << 20
_LEAST_FREE = 16.0  # MiB that stay, whatever is asked for
_MOST = 4096.0  # MiB that are taken


class FillDisk(Fault):
    """``path`` in which the file is made, ``free`` percent of the filesystem that stay free,
    ``most`` MiB to take."""

    name = "fill-disk"

    def spell(self, host: Host, options: dict[str, Any], ident: str) -> Spell:
        """See the base."""
        no_options_but(options, "path", "free", "most")
        path = str(options.get("path") or PACKAGES)
        size = _to_take(host.at(path), path, options)
        file = "{0}/storewarden_{1}_all.deb".format(path.rstrip("/"), ident)
        at_boot = "/etc/tmpfiles.d/storewarden-{0}.conf".format(ident)
        lines = r"printf 'r! %s\nr! %s\n' {0} {1} > {1}".format(shell(file), shell(at_boot))
        return Spell(
            en="{0} MiB taken in {1}".format(size // _MIB, path),
            zh="已在 {1} 占用 {0} MiB".format(size // _MIB, path),
            make="\n".join(
                [
                    shell("mkdir", "-p", "/etc/tmpfiles.d"),
                    lines,
                    shell("fallocate", "--length", str(size), file),
                ]
            ),
            undo=shell("rm", "-f", file, at_boot),
        )


def _to_take(where: str, path: str, options: dict[str, Any]) -> int:
    """Bytes. Raises ChaosError when that is nothing, or more than may be taken."""
    share = number(options, "free", 2.0, 1.0, 50.0) / 100
    most = number(options, "most", _MOST, 1.0, 64 * 1024.0)
    if not os.path.isabs(path) or os.path.realpath(where) != where or not os.path.isdir(where):
        raise ChaosError("{0} is no folder".format(path), "{0} 不是目录".format(path))
    found = os.statvfs(where)
    # A filesystem without a size of its own (a pool) says 0 blocks.
    whole, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    reserve = max(int(whole * share), int(_LEAST_FREE * _MIB))
    size = (free - reserve) // _MIB * _MIB
    if size <= 0:
        raise ChaosError(
            "{0} has {1} MiB free already, and {2} stay".format(
                path, free // _MIB, reserve // _MIB
            ),
            "{0} 仅剩 {1} MiB，须保留 {2} MiB".format(path, free // _MIB, reserve // _MIB),
        )
    if size > most * _MIB:
        raise ChaosError(
            "that would take {0} MiB of {1}, and {2:g} are the most".format(
                size // _MIB, path, most
            ),
            "需占用 {1} 的 {0} MiB，上限为 {2:g} MiB".format(size // _MIB, path, most),
        )
    return size
