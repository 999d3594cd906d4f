# SPDX-License-Identifier: GPL-3.0-or-later
"""The promise of the outbox, with real processes: an outage and three deaths, nothing lost."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.wiring import Site
from tests.e2e.serve_site import Service, cancelled, open_change, say, until
from tests.servers.desk import Desk, section

pytestmark = pytest.mark.slow

CHANGES, NOTES = 20, 50  # 1,000 journal entries
_SEAL = re.compile(r"\[journal entry (\d+): ([0-9a-f]{64})\]")
_WAITS = {"retry_first_seconds": 0.05, "retry_longest_seconds": 0.5}  # an hour in a minute


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A ticket desk that has been seen and is down."""
    desk = Desk(tmp_path / "desk.jsonl")
    desk.start()
    desk.kill()
    yield desk
    desk.kill()


@pytest.fixture
def service(tmp_path: Path, desk: Desk) -> Iterator[Service]:
    """A controller that mirrors into it."""
    service = Service(tmp_path)
    service.settings(tickets=section(desk.port), controller=_WAITS)
    yield service
    service.kill()


def test_a_thousand_entries_arrive_once_and_in_order(service: Service, desk: Desk) -> None:
    """The ticket system is down while they are written, and the controller is killed twice;
    then once more while it catches up."""
    service.start("--json")
    with service.site() as site:
        numbers = [open_change(site, f"change {n}") for n in range(CHANGES)]
        for n in range(1, NOTES - 1):
            for number in numbers:
                say(site, number, f"note {n}")
            if n in (15, 30):
                service.kill()
                service.start("--json")
        for number in numbers:
            site.changes.amend(number, "end", cancelled())
        assert until(lambda: _tried(site))
        assert desk.notes() == {}

        desk.start()
        assert until(lambda: _count(desk) > 100)
        service.kill()
        service.start("--json")
        assert until(lambda: _count(desk) >= CHANGES * NOTES)
        assert until(lambda: _all_arrived(site))

        arrived = desk.notes()
        assert sorted(arrived) == sorted([*numbers, "LEDGER-ANCHORS"])
        for number in numbers:
            assert [_seal(text) for text in arrived[number]] == _expected(site, number)
    assert service.end(signal.SIGTERM) == 0


def _tried(site: Site) -> bool:
    return any(each.attempts for each in site.outbox.deliveries("ticket:http"))


def _count(desk: Desk) -> int:
    return sum(len(notes) for run, notes in desk.notes().items() if run.startswith("GMBG-"))


def _all_arrived(site: Site) -> bool:
    deliveries = site.outbox.deliveries("ticket:http")
    return all(each.through >= each.latest for each in deliveries)


def _seal(text: str) -> tuple[int, str]:
    found = _SEAL.search(text)
    assert found, text
    return int(found.group(1)), found.group(2)


def _expected(site: Site, number: str) -> list[tuple[int, str]]:
    """Every entry of the change but the note of this very ticket."""
    history = site.changes.history(number)
    return [(e.sequence, e.hash) for e in history if e.kind != "change ticket opened"]
