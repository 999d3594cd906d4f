# SPDX-License-Identifier: GPL-3.0-or-later
"""The orders that people gave in the rollout, with the roles that they have now."""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.gates.approval import NEEDS, Settings, judge
from storewarden.ports.signals import Reach, WaveScope

__all__ = ["NEEDS", "Settings", "fetch", "judge"]


def fetch(settings: Settings, scope: WaveScope, reach: Reach) -> Mapping[str, object]:
    """The data for ``domain.gates.approval``."""
    orders = [
        {
            "order": each.order,
            "by": each.by,
            "at": each.at.isoformat(),
            "roles": sorted({*each.roles, *reach.roles_of(each.by)}),
            "reason": each.reason,
        }
        for each in scope.orders
        if each.order == settings.order
    ]
    return {"orders": orders}
