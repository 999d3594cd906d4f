# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a fault is: two pieces of shell, one that makes it and one that takes it back.

Shell, because the host must take the fault back when nothing else is left to it: no line to a
controller, a full disk, no Python module that somebody sent. The fault looks at the host first and
refuses what it could not take back; nothing but its two pieces ever changes anything.
"""

from __future__ import annotations

import re
import shlex
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,15}")


class ChaosError(Exception):
    """A fault that is not made: one line, in English and Chinese."""

    def __init__(self, reason: str, reason_zh: str) -> None:
        super().__init__(reason)
        self.reason_zh = reason_zh


class Spell(NamedTuple):
    """A fault on one host, ready to be made.

    ``make`` and ``undo`` are shell; ``undo`` may run twice, and before ``make``. ``late``: make it
    a moment after this call, because it may cut the line that the answer takes.
    """

    en: str
    zh: str
    make: str
    undo: str
    late: bool = False


class Fault:
    """One kind of fault. ``name`` is the word of the command line."""

    name = ""

    def spell(self, host: Host, options: dict[str, Any], ident: str) -> Spell:
        """The fault as it would be made on this host. Changes nothing. Raises ChaosError.

        ``ident`` names the experiment; it is a plain word.
        """
        raise NotImplementedError


def no_options_but(options: dict[str, Any], *known: str) -> None:
    """Raises ChaosError for an option that the fault does not know."""
    for name in sorted(set(options) - set(known)):
        raise ChaosError("there is no option {0}".format(name), "没有选项 {0}".format(name))


def number(options: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    """A number within its limits. Raises ChaosError."""
    given = options.get(name, default)
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = least - 1
    if not least <= value <= most:
        raise ChaosError(
            "{0} must be a number from {1:g} to {2:g}".format(name, least, most),
            "{0} 必须是 {1:g} 到 {2:g} 之间的数".format(name, least, most),
        )
    return value


def line_of(host: Host, options: dict[str, Any]) -> str:
    """The network device that is meant: the given one, else that of the default route.

    Raises ChaosError for one that there is not, and for the loopback.
    """
    device = str(options.get("device") or "") or _default_device(host)
    if not device:
        raise ChaosError("there is no default route: name a device", "没有默认路由：请指定网卡")
    if not _DEVICE.fullmatch(device) or not host_has_device(host, device):
        raise ChaosError(
            "there is no network device {0!r}".format(device), "没有网卡 {0!r}".format(device)
        )
    if device == "lo":
        raise ChaosError("the loopback is no line", "回环接口不是线路")
    return device


def host_has_device(host: Host, device: str) -> bool:
    """Whether the kernel knows a network device of that name."""
    return host.run(["ip", "-o", "link", "show", "dev", device]).code == 0


def _default_device(host: Host) -> str:
    words = host.run(["ip", "-4", "-o", "route", "show", "default"]).out.split()
    return words[words.index("dev") + 1] if "dev" in words[:-1] else ""


def needs(host: Host, program: str) -> None:
    """Raises ChaosError when a program is not installed."""
    if not host.has(program):
        raise ChaosError("{0} is not installed".format(program), "未安装 {0}".format(program))


def shell(*argv: str) -> str:
    """A command as a line of shell."""
    return " ".join(shlex.quote(word) for word in argv)
