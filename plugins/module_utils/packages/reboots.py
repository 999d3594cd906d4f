# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a host has to boot to be what its packages say."""

from __future__ import annotations

import fnmatch
import os
import re

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

NEVER, IF_NEEDED, ALWAYS = "never", "if-needed", "always"
_MARK = "/run/reboot-required"
_BOOT = (
    "linux-image-*",
    "kernel",
    "kernel-core",
    "kernel-rt*",
    "linux-firmware",
    "intel-microcode",
)
# What nearly every process has mapped: no restart of services comes to an end with it.
_EVERYWHERE = ("libc6", "glibc", "systemd", "dbus", "dbus-daemon", "libssl3*", "openssl-libs")


def expected(policy: str, names: list[str]) -> bool:
    """Whether a change of these packages will reboot the host, as far as one can tell before."""
    if policy != IF_NEEDED:
        return policy == ALWAYS
    return any(fnmatch.fnmatchcase(name, one) for name in names for one in (*_BOOT, *_EVERYWHERE))


def reasons(host: Host) -> list[str]:
    """Why the host should be rebooted now; empty when it need not."""
    found = []
    if os.path.exists(host.at(_MARK)) or os.path.exists(host.at("/var" + _MARK)):
        found.append("{0}: {1}".format(_MARK, ", ".join(_asked_by(host)) or "somebody asks for it"))
    newest = newest_kernel(host)
    running = _running_kernel(host)
    if newest and running and newest != running and _is_packaged(host, running):
        found.append("kernel {0} runs, {1} is installed".format(running, newest))
    done = host.run(["needs-restarting", "-r"]) if host.has("needs-restarting") else None
    if done is not None and done.code == 1:
        found.append("needs-restarting: core libraries or services have been updated")
    return found


def _asked_by(host: Host) -> list[str]:
    try:
        with open(host.at(_MARK + ".pkgs")) as source:
            return sorted(set(source.read().split()))
    except OSError:
        return []


def _running_kernel(host: Host) -> str:
    try:
        with open(host.at("/proc/sys/kernel/osrelease")) as source:
            return source.read().strip()
    except OSError:
        return ""


def _is_packaged(host: Host, release: str) -> bool:
    """A container runs a kernel that it has not installed, and boots into no other."""
    return os.path.isdir(host.at("/lib/modules/" + release))


def newest_kernel(host: Host) -> str:
    """The release that the next boot takes: the highest of the installed ones."""
    boot = host.at("/boot")
    names = os.listdir(boot) if os.path.isdir(boot) else []
    found = [name[len("vmlinuz-") :] for name in names if name.startswith("vmlinuz-")]
    # A rescue image is never what a boot takes by itself.
    return max((one for one in found if "rescue" not in one), key=_order, default="")


def _order(release: str) -> list[tuple[int, int, str]]:
    return [
        (1, int(part), "") if part.isdigit() else (0, 0, part)
        for part in re.findall(r"\d+|[A-Za-z]+", release)
    ]
