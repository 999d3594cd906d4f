# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``log_forward``: everything that rsyslog gets, sent to the central log server over TLS.

Without a server, or without the certificate that its own is checked against, nothing is written:
rsyslog would start with it and send nothing.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import kind_file
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    FixFailed,
    Step,
)

# behind the other files, so that a driver's defaults of theirs do not change what is said here
_OURS = "/etc/rsyslog.d/zz-storewarden.conf"
_TEXT = """# Written by storewarden: all logs, those of logins included, to the central log server.
global(DefaultNetstreamDriverCAFile="{ca}")
*.* action(type="omfwd" name="storewarden" target="{target}" port="{port}" protocol="tcp"
  StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name"
  StreamDriverPermittedPeers="{peer}"
  action.resumeRetryCount="-1" queue.type="LinkedList" queue.filename="storewarden"
  queue.maxDiskSpace="1g" queue.saveOnShutdown="on")
"""
_HOST = re.compile(r"[A-Za-z0-9.:_-]+$")


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``target``, ``port``, ``ca`` (a file on the host), ``peer`` (the name in the server's
    certificate, "" = the target)."""
    target, ca = str(fix.get("target") or ""), str(fix.get("ca") or "")
    peer = str(fix.get("peer") or target)
    if not target:
        raise FixFailed(
            "no central log server is named (baseline_logs_target)",
            "未登记集中日志服务器（baseline_logs_target）",
        )
    if not (_HOST.match(target) and re.match(r"[A-Za-z0-9.:*_-]+$", peer)):
        raise FixFailed("{0} or {1} is no name of a host".format(target, peer))
    if not ca or '"' in ca or not system.exists(ca):
        raise FixFailed(
            "the log server's CA certificate {0} is not on this host"
            " (baseline_logs_ca_file)".format(ca or "(none named)"),
            "本机缺少日志服务器的 CA 证书 {0}（baseline_logs_ca_file）".format(ca or "（未填写）"),
        )
    _refuse_plain(system)
    text = _TEXT.format(target=target, port=int(fix["port"]), ca=ca, peer=peer)
    check = ["rsyslogd", "-N1"]
    return kind_file.plan(
        system, {"path": _OURS, "content": text, "check": check, "restart": "rsyslog"}
    )


def _refuse_plain(system: Any) -> None:
    """Somebody else's target in the clear would stay: which of the two is right, people know."""
    for one in GETTERS["log_targets"].look(system, {}):
        if not one["tls"]:
            raise FixFailed(
                "{0} sends to {1} in the clear: take that out of its configuration first".format(
                    one["sender"], one["target"]
                ),
                "{0} 正以明文向 {1} 转发日志：请先从其配置中删除".format(
                    one["sender"], one["target"]
                ),
            )
