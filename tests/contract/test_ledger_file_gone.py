# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger whose file goes away under it acknowledges nothing that would be lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from storewarden.adapters.ledger import SqlLedger, open_ledger
from storewarden.domain.errors import LedgerConflict
from storewarden.testing.ledger import ManualClock

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def opened(place: Path) -> SqlLedger:
    return open_ledger(place, clock=ManualClock(NOW))


def test_a_file_that_was_taken_away_takes_nothing_until_it_is_back(tmp_path: Path) -> None:
    place, aside = tmp_path / "ledger.sqlite", tmp_path / "aside.sqlite"
    with opened(place) as ledger:
        ledger.append("note", {}, run="r", step="1")
        place.rename(aside)
        with pytest.raises(LedgerConflict, match="removed or replaced"):
            ledger.append("note", {}, run="r", step="2")
        with pytest.raises(LedgerConflict, match="removed or replaced"):
            ledger.head()
        aside.rename(place)
        ledger.append("note", {}, run="r", step="3")
        assert [entry.step for entry in ledger.journal()] == ["1", "3"]


def test_a_file_that_was_replaced_is_not_mixed_with_the_one_that_was_opened(
    tmp_path: Path,
) -> None:
    place, another = tmp_path / "ledger.sqlite", tmp_path / "another.sqlite"
    with opened(another) as other:
        other.append("note", {}, run="other", step="1")
    with opened(place) as ledger:
        ledger.append("note", {}, run="r", step="1")
        another.replace(place)
        with pytest.raises(LedgerConflict, match="removed or replaced"):
            ledger.append("note", {}, run="r", step="2")
