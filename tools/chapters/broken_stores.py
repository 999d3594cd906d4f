# SPDX-License-Identifier: GPL-3.0-or-later
"""``broken_stores.py ALERTMANAGER HOST...``: what a monitoring would report of ten broken stores.

The first host is really broken and really watched; as soon as Alertmanager has its alert, the same
alert is posted to it for all the others, which only the inventory knows, in one request.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import httpx

_PATIENCE = 120  # seconds until the first alert must be there


def main(url: str, first: str, others: list[str]) -> int:
    """0 when all are there; 1 when the first one never came."""
    deadline = time.monotonic() + _PATIENCE
    while not (found := _alert(url, first)):
        if time.monotonic() > deadline:
            print(f"Alertmanager has no alert of {first} after {_PATIENCE} s")
            return 1
        time.sleep(0.1)
    now = datetime.now(UTC).isoformat()
    labels = {key: text for key, text in found["labels"].items() if key != "instance"}
    same = [
        {
            "labels": {**labels, "host": host},
            "annotations": {"summary": found["annotations"]["summary"].replace(first, host)},
            "startsAt": now,
        }
        for host in others
    ]
    httpx.post(f"{url}/api/v2/alerts", json=same, timeout=60.0).raise_for_status()
    print(f"{len(others) + 1} alerts {labels['alertname']}, {now[11:19]} UTC")
    return 0


def _alert(url: str, host: str) -> dict[str, dict[str, str]]:
    asked = {"filter": f'host="{host}"', "active": "true"}
    told = httpx.get(f"{url}/api/v2/alerts", params=asked, timeout=60.0).raise_for_status().json()
    return told[0] if told else {}


sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
