# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delays what goes out over a line, by tc's netem, where the kernel has it.

netem takes the place of the device's root queue. A queue that somebody set up could not be put
back as it was, so only a device with one of the kernel's own is touched: those come back by
themselves.
"""

from __future__ import annotations

import platform
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fault import (
    ChaosError,
    Fault,
    Spell,
    line_of,
    needs,
    no_options_but,
    number,
    shell,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_OWN_QUEUES = ("noqueue", "fq_codel", "pfifo_fast", "fq", "mq")
_MODULE = "sch_netem"


class DelayLink(Fault):
    """``milliseconds`` and ``jitter`` (milliseconds), ``device`` else that of the default route."""

    name = "delay-link"

    def spell(self, host: Host, options: dict[str, Any], ident: str) -> Spell:  # noqa: ARG002
        """See the base."""
        no_options_but(options, "device", "milliseconds", "jitter")
        needs(host, "tc")
        if not has_netem(host):
            raise ChaosError("this kernel has no sch_netem", "该内核没有 sch_netem")
        device = line_of(host, options)
        _own_queue(host, device)
        delay = int(number(options, "milliseconds", 300, 1, 10000))
        jitter = int(number(options, "jitter", 0, 0, 5000))
        span = ["{0}ms".format(delay), *(["{0}ms".format(jitter)] if jitter else [])]
        queue = ["dev", device, "root"]
        here = shell("tc", "qdisc", "show", *queue) + " | grep -q netem"
        return Spell(
            en="{0} delayed by {1} ms".format(device, delay),
            zh="{0} 延迟 {1} 毫秒".format(device, delay),
            make=shell("tc", "qdisc", "add", *queue, "netem", "delay", *span),
            undo="! {0} || {1}".format(here, shell("tc", "qdisc", "del", *queue)),
            late=True,
        )


def has_netem(host: Host) -> bool:
    """Whether the kernel has netem, loaded, built in or as a module."""
    if host.run(["modprobe", "--dry-run", "--quiet", _MODULE]).code == 0:
        return True
    release = platform.release()
    for path in ("/proc/modules", "/lib/modules/{0}/modules.builtin".format(release)):
        try:
            with open(host.at(path), encoding="ascii", errors="replace") as stream:
                if any(_MODULE in line for line in stream):
                    return True
        except OSError:
            continue
    return False


def _own_queue(host: Host, device: str) -> None:
    words = host.run(["tc", "qdisc", "show", "dev", device, "root"]).out.split()
    kind = words[1] if len(words) > 1 else "noqueue"
    if kind not in _OWN_QUEUES:
        raise ChaosError(
            "{0} has a queue that somebody set up ({1})".format(device, kind),
            "{0} 已有人工配置的队列（{1}）".format(device, kind),
        )
