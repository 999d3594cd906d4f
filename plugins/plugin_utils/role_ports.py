# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports that a host is there for: what its role's list of approved ports promises to everybody.

After a fix they must answer as before. Left out is what a fix may rightly take from us: temporary
openings, ports that only named sources may reach, and ports of databases and of management, which
fixes close towards strangers, and the controller may be one. The port of the login itself is
proven by the new login.
"""

from __future__ import annotations

from typing import Any


def role_ports(allowed: list[Any], sensitive: list[Any], own: int) -> tuple[int, ...]:
    """TCP ports of ``baseline_ports_allowed`` that everybody may reach for as long as they like.

    ``sensitive`` is ``baseline_ports_sensitive``, ``own`` the port of the connection at work.
    """
    found = [_number(one) for one in allowed if isinstance(one, dict) and _for_everybody(one)]
    left_out = {own, *(_number({"port": one}) for one in sensitive)}
    return tuple(sorted({port for port in found if port is not None} - left_out))


def _for_everybody(entry: dict[str, Any]) -> bool:
    tcp = str(entry.get("proto") or "tcp").lower() == "tcp"
    return tcp and not entry.get("sources") and not entry.get("expires")


def _number(entry: dict[str, Any]) -> int | None:
    """None for a range: nobody says which of its ports serve."""
    text = str(entry.get("port", "")).strip()
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else None
