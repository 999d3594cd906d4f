# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ufw, where it is in charge, does with a packet that no rule of it names.

Its rules are made by iptables and hold matches that nft only names, so nft cannot tell.
Loopback and answers are let in by ufw's own framework before any rule (/etc/ufw/before.rules).
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    ProbeError,
)

_STATUS = ["ufw", "status", "verbose"]


def _ufw(system: Any, _query: dict[str, Any]) -> str | None:
    """``deny``, ``reject`` or ``allow`` for incoming packets, ``inactive``, None without ufw."""
    if not system.has_command("ufw"):
        return None
    text = system.ask(_STATUS)
    if re.search(r"^Status: inactive", text, re.M):
        return "inactive"
    match = re.search(r"^Default: (\w+) \(incoming\)", text, re.M)
    if not match:
        raise ProbeError(OUTPUT, "ufw did not tell its policy")
    return match.group(1)


GETTERS = (Getter("ufw", _ufw),)
