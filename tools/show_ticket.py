# SPDX-License-Identifier: GPL-3.0-or-later
"""``show_ticket.py TICKETS_YML NUMBER [open]``: what Roundup itself holds of a change or an incident,
for the demo. It waits until the ticket is closed; with ``open`` until it is there.

It speaks to Roundup's own REST interface and shares no code with our adapter, so that what is
shown is what an auditor would find there.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

_PATIENCE = 120  # seconds until the last note must be there
_ANSWER = 60.0  # seconds for one answer: the demo may run on a machine that is busy


def main(place: str, number: str, wanted: str = "closed") -> int:
    """Wait until the ticket is as wanted, then print it. 1 when it never was."""
    section = yaml.safe_load(Path(place).read_text())
    password = Path(section["password"].removeprefix("file:")).read_text().strip()
    with httpx.Client(
        base_url=f"{section['url']}/rest/data/",
        auth=(section["user"], password),
        headers={"X-Requested-With": "rest", "Referer": f"{section['url']}/"},
        timeout=_ANSWER,
    ) as client:
        deadline = time.monotonic() + _PATIENCE
        while not (ticket := _found(client, number, closed=wanted == "closed")):
            if time.monotonic() > deadline:
                print(f"Roundup holds no {wanted} ticket of {number} after {_PATIENCE} s")
                return 1
            time.sleep(0.5)
        _print(client, ticket)
    return 0


def _found(client: httpx.Client, number: str, *, closed: bool) -> dict[str, Any]:
    found = _data(client, "issue", runid=number, **{"@fields": "status"})["collection"]
    if not found:
        return {}
    ticket = _data(client, f"issue/{found[0]['id']}")
    status = ticket["attributes"]["status"]
    name = _data(client, f"status/{status['id']}")["attributes"]["name"] if status else ""
    fits = name == "resolved" or not closed
    return {**ticket["attributes"], "id": ticket["id"], "status": name} if fits else {}


def _print(client: httpx.Client, ticket: dict[str, Any]) -> None:
    print(f"issue{ticket['id']} ({ticket['status']}): {ticket['title']}")
    for message in sorted(ticket["messages"], key=lambda each: int(each["id"])):
        text = _data(client, f"msg/{message['id']}/content")["data"]
        lines = [line for line in text.splitlines() if line.strip()]
        print(f"  msg{message['id']}: {' | '.join(lines)[:150]}")
    for file in ticket["files"]:
        about = _data(client, f"file/{file['id']}")["attributes"]
        print(f"  file{file['id']}: {about['name']} ({about['type']})")


def _data(client: httpx.Client, path: str, **query: str) -> Any:
    answer = client.get(path, params=query)
    answer.raise_for_status()
    return answer.json()["data"]


sys.exit(main(*sys.argv[1:4]))
