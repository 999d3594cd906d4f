# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which systemd units belong to packages, and how careful one has to be with them."""

from __future__ import annotations

import fnmatch
import re
from typing import Any, Sequence

from .backend import Backend
from .transaction import Move

_UNIT = re.compile(r"(?:/usr)?/lib/systemd/system/([^/@]+\.(?:service|socket|timer|path))$")
# Restarting these ends logins, the desktop of a till, the network, or other people's work.
# People do it, or the next reboot.
TOLD_ONLY = (
    *("dbus.service", "dbus-broker.service", "dbus.socket", "systemd-*", "user@*", "user-*"),
    *("ssh.service", "ssh.socket", "sshd.service", "sshd@*", "getty@*", "serial-getty@*"),
    *("gdm*", "lightdm*", "sddm*", "xdm*", "lxdm*", "nodm*", "wdm*", "slim*", "display-manager*"),
    *("NetworkManager*", "networking.service", "wpa_supplicant*", "ifup@*", "polkit.service"),
    *("docker.service", "containerd.service", "podman*", "libvirtd.service", "storewarden-*"),
    *("cryptdisks*", "lvm2-*", "apt-daily*", "unattended-upgrades.service", "dnf-*", "init.scope"),
)
# An undo that put packages back may tell these to read their files again, and nothing more.
_RELOADED = ("ssh.service", "sshd.service")


def told_only(unit: str) -> bool:
    return any(fnmatch.fnmatchcase(unit, one) for one in TOLD_ONLY)


def of_packages(backend: Backend, moves: Sequence[Move], staged: dict[str, str]) -> list[str]:
    """Units that the packages bring now, or will bring."""
    found = set()
    for move in moves:
        for path in backend.contents(move.name, staged.get(move.name, "")):
            match = _UNIT.match(path)
            if match:
                found.add(match[1])
    return sorted(found)


def item(unit: str) -> dict[str, Any]:
    """As an item of a restore point."""
    after = "restart"
    if unit in _RELOADED:
        after = "reload"
    elif told_only(unit) or not unit.endswith(".service"):
        after = "leave"
    return {"kind": "unit", "name": unit, "after_restore": after}
