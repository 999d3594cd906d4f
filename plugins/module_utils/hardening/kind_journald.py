# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``journald``: the journal on disk, sized, and not cut by age; each only where it is not so yet.

A site that gave the journal more room than asked keeps it: a smaller SystemMaxUse would delete
what this is there to keep.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import kind_drop_in
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Step

# "zz": systemd sorts drop-ins of all folders by name, and the last one counts
_OURS = "/etc/systemd/journald.conf.d/zz-storewarden.conf"
_FILES = [
    "/etc/systemd/journald.conf",
    "/etc/systemd/journald.conf.d/*.conf",
    "/run/systemd/journald.conf.d/*.conf",
    "/usr/lib/systemd/journald.conf.d/*.conf",
]


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``days`` that records must stay, ``min_bytes`` of SystemMaxUse."""
    lines = ["[Journal]"]
    if str(_now(system, "Storage") or "").lower() != "persistent":
        lines.append("Storage=persistent")
    if (_now(system, "SystemMaxUse", "bytes") or 0) < int(fix["min_bytes"]):
        lines.append("SystemMaxUse={0}".format(int(fix["min_bytes"])))
    if _now(system, "MaxRetentionSec") is not None:
        kept = _now(system, "MaxRetentionSec", "days")
        if kept is None or 0 < kept < float(fix["days"]):
            lines.append("MaxRetentionSec=0")
    if len(lines) == 1:
        return Step()
    drop_in = {"path": _OURS, "lines": lines, "sep": "=", "restart": ["systemd-journald"]}
    return kind_drop_in.plan(system, drop_in)


def _now(system: Any, key: str, form: str = "text") -> Any:
    query = {"files": _FILES, "section": "Journal", "key": key, "as": form}
    return GETTERS["ini"].look(system, query)
