# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk without any room under everything that is recorded: one line each, nothing lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storewarden.domain.errors import AdapterError
from storewarden.testing.conformance_changes import note
from storewarden.testing.conformance_ledger import START
from storewarden.wiring import records
from storewarden.wiring.site import Site
from tests.contract.ledger_disk import fill, small_disk
from tests.contract.ledger_site import fill as fill_site
from tests.contract.ledger_site import lay_anchor, open_change, site_in

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "6m") as made:
        yield made


def _attempts(site: Site, disk: Path, number: str) -> dict[str, Callable[[], object]]:
    (delivery,) = site.outbox.due("ticket:itsm", START)
    noise = os.urandom(20_000).hex()
    return {
        "change": lambda: [open_change(site, f"more {n}") for n in range(200)],
        "entry": lambda: site.changes.amend(number, "big", note(noise)),
        "arrived": lambda: site.outbox.arrived(delivery, delivery.latest, {"ticket": noise}),
        "failed": lambda: [site.outbox.failed(delivery, noise, START) for _ in range(200)],
        "document": lambda: site.evidence.put(noise.encode()),
        "anchor": lambda: [lay_anchor(site) for _ in range(200)],
        "backup": lambda: records.backup(site, disk / "copy.sqlite"),
    }


def test_each_way_to_write_says_so_and_goes_on_when_there_is_room(disk: Path) -> None:
    with site_in(disk) as site:
        number = fill_site(site)
        attempts = _attempts(site, disk, number)
        filler = fill(disk)
        for name, attempt in attempts.items():
            with pytest.raises(AdapterError) as refusal:
                attempt()
            assert refusal.value.retryable, name
            assert "full" in str(refusal.value) or "No space left" in str(refusal.value), name
        assert site.verify_ledger().problems == ()
        assert not (disk / "copy.sqlite").exists()
        filler.unlink()
        for attempt in attempts.values():
            attempt()
        assert site.verify_ledger().problems == ()
        assert (disk / "copy.sqlite").exists()


def test_an_anchor_that_did_not_fit_is_a_torn_line_and_no_more(tmp_path: Path) -> None:
    """Half a line is on the disk; what comes later stands on a line of its own."""
    with site_in(tmp_path) as site:
        fill_site(site)
        file = records.anchor_file(site.config)
        with small_disk(tmp_path / "small", "8k") as disk:
            small = type(file)(disk / "anchors")
            (anchor,) = file.read()
            with pytest.raises(AdapterError, match="No space left"):
                for _ in range(100):
                    small.write(anchor)
            before = len(small.read())
            assert not (disk / "anchors").read_bytes().endswith(b"\n")
            subprocess.run(["mount", "-o", "remount,size=64k", str(disk)], check=True)
            small.write(anchor)
            assert len(small.read()) == before + 1
            assert len(small.torn()) == 1


def test_a_read_only_disk_is_one_line_everywhere(disk: Path) -> None:
    with site_in(disk) as site:
        number = fill_site(site)
        attempts = _attempts(site, disk, number)
        site.ledger.close()  # nothing may be open for writing at that moment
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for attempt in attempts.values():
            with pytest.raises(AdapterError) as refusal:
                attempt()
            assert str(disk) in str(refusal.value)
