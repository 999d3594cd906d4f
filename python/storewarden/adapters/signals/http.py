# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an outside judge: the wave is sent as JSON, the answer is its verdict.

What is sent: ``{"version": 1, "rollout", "wave", "first_wave", "began", "since", "now" (ISO 8601),
"open_seconds", "stores", "others", "hosts": [{"name", "store", "stratum", "verified"}], "failed":
{host: why}, "tell": {..}}``. Addresses of hosts are not sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.adapters.signals.asking import asker
from storewarden.domain.gates.http import NEEDS, Settings, judge
from storewarden.ports.signals import Reach, WaveScope

__all__ = ["NEEDS", "Settings", "fetch", "judge"]


def fetch(settings: Settings, scope: WaveScope, reach: Reach) -> Mapping[str, object]:
    """The judge's answer as it came. AdapterError, ConfigInvalid."""
    with asker(settings.server, reach, "http") as line:
        return line.tell("", {**told(scope), "tell": settings.tell})


def told(scope: WaveScope) -> dict[str, object]:
    """The wave as JSON data."""
    return {
        "version": 1,
        "rollout": scope.rollout,
        "wave": scope.wave,
        "first_wave": scope.first_wave,
        "began": scope.began.isoformat(),
        "since": scope.since.isoformat(),
        "now": scope.now.isoformat(),
        "open_seconds": scope.open_for.total_seconds(),
        "stores": list(scope.stores),
        "others": list(scope.others),
        "hosts": [
            {
                "name": host,
                "store": scope.store_of.get(host, ""),
                "stratum": scope.strata.get(host, ""),
                "verified": scope.seen(host),
            }
            for host in scope.hosts
        ],
        "failed": dict(scope.failed),
    }
