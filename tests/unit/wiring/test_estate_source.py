# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody waits for a slow inventory who need not, and nobody is given one that is too old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pytest

from storewarden.config import load_config
from storewarden.domain.errors import ConfigInvalid, StorewardenError
from storewarden.ports.runner import FrozenInventory
from storewarden.testing.inventory import FixedInventory
from storewarden.testing.ledger import ManualClock
from storewarden.wiring import Site
from storewarden.wiring.estate_source import EstateSource

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OLDEST = 15 * MINUTE
PATIENCE = 10.0  # seconds; what is waited for takes milliseconds
BROKEN = ConfigInvalid("broken", where="hosts.yml")


class SlowInventory(FixedInventory):
    """One that answers when ``gate`` is open, with what is true then."""

    def __init__(self, answer: FrozenInventory | StorewardenError) -> None:
        super().__init__(answer)
        self.gate = threading.Event()

    def resolve(
        self,
        sources: Sequence[Path | str],
        *,
        limit: str = "",
        vault_password: Path | None = None,
    ) -> FrozenInventory:
        self.asked.append((tuple(sources), vault_password))
        assert self.gate.wait(PATIENCE)
        return FixedInventory(self.answer).resolve(sources, limit=limit)


class SlowSite(Site):
    """A site with such an inventory, and a clock that is moved."""

    def __init__(self, folder: Path) -> None:
        (folder / "storewarden.yml").write_text(f"state_dir: {folder}\ninventory: [hosts.yml]\n")
        (folder / "hosts.yml").write_text("all: {}\n")
        self.hands = ManualClock(NOON)
        super().__init__(load_config(None, {"HOME": str(folder)}, folder), clock=self.hands)

    @cached_property
    def inventory(self) -> SlowInventory:
        return SlowInventory(hosts("pos1"))


def hosts(*names: str) -> FrozenInventory:
    return FrozenInventory(hosts={name: {} for name in names}, groups={}, source="hosts.yml")


def comes(true: Callable[[], bool]) -> None:
    """Wait until it is so."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.002)


@pytest.fixture
def site(tmp_path: Path) -> SlowSite:
    return SlowSite(tmp_path)


@pytest.fixture
def source(site: SlowSite) -> EstateSource:
    return EstateSource(site, oldest=OLDEST)


def names(source: EstateSource) -> list[str]:
    return list(source().inventory.hosts)


def read(site: SlowSite, source: EstateSource) -> None:
    """It is known; the next reading takes until the gate is opened."""
    site.inventory.gate.set()
    assert names(source) == ["pos1"]
    site.inventory.gate.clear()


def asked(pool: ThreadPoolExecutor, site: SlowSite, source: EstateSource) -> Future[list[str]]:
    """Somebody asks, and has no answer yet."""
    answer = pool.submit(names, source)
    comes(lambda: bool(site.inventory.asked))
    time.sleep(0.02)
    assert not answer.done()
    return answer


def test_what_is_read_ahead_is_what_the_first_one_who_asks_waits_for(
    site: SlowSite, source: EstateSource
) -> None:
    source.ahead()
    source.ahead()
    with ThreadPoolExecutor() as pool:
        answers = [asked(pool, site, source) for _each in range(3)]
        site.inventory.gate.set()
        assert [each.result(PATIENCE) for each in answers] == [["pos1"]] * 3
    assert len(site.inventory.asked) == 1
    source.ahead()
    assert len(site.inventory.asked) == 1, "it is known"


def test_who_asks_gets_the_old_one_while_it_is_read_again(
    site: SlowSite, source: EstateSource
) -> None:
    read(site, source)
    site.inventory.answer = hosts("pos1", "pos2")
    site.hands.advance(OLDEST - timedelta(seconds=1))
    assert names(source) == names(source) == ["pos1"]
    comes(lambda: len(site.inventory.asked) == 2)
    site.inventory.gate.set()
    comes(lambda: names(source) == ["pos1", "pos2"])
    assert len(site.inventory.asked) == 2


def test_who_asks_for_one_that_is_too_old_waits_for_the_new_one(
    site: SlowSite, source: EstateSource
) -> None:
    read(site, source)
    site.inventory.answer = hosts("pos1", "pos2")
    site.hands.advance(OLDEST)
    site.inventory.gate.set()
    assert names(source) == ["pos1", "pos2"]


def test_a_reading_that_fails_leaves_what_is_known_until_that_is_too_old(
    site: SlowSite, source: EstateSource, caplog: pytest.LogCaptureFixture
) -> None:
    read(site, source)
    site.inventory.answer = BROKEN
    site.hands.advance(2 * MINUTE)
    site.inventory.gate.set()
    assert names(source) == ["pos1"]
    comes(lambda: "cannot be read" in caplog.text)
    assert names(source) == ["pos1"]
    site.hands.advance(OLDEST)
    with pytest.raises(ConfigInvalid, match="broken"):
        source()


def test_what_was_wrong_ahead_is_told_to_who_waits_and_not_after_it_is_mended(
    site: SlowSite, source: EstateSource
) -> None:
    site.inventory.answer = BROKEN
    source.ahead()
    with ThreadPoolExecutor() as pool:
        answer = asked(pool, site, source)
        site.inventory.gate.set()
        with pytest.raises(ConfigInvalid, match="broken"):
            answer.result(PATIENCE)
    with pytest.raises(ConfigInvalid, match="broken"):
        source()
    site.inventory.answer = hosts("pos1")
    assert names(source) == ["pos1"]
