# SPDX-License-Identifier: GPL-3.0-or-later
"""Root who makes the first token, or restores a backup, leaves a ledger the service can open."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storewarden.adapters.ledger import open_ledger
from storewarden.testing.ledger import ManualClock

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_a_new_ledger_belongs_to_the_owner_of_its_folder(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, 1234, 4321)
    with open_ledger(state / "ledger.sqlite", clock=ManualClock(NOW)) as ledger:
        ledger.append("note", {}, run="r", step="1")
        found = [path.stat() for path in state.iterdir()]
    assert {(each.st_uid, each.st_gid) for each in found} == {(1234, 4321)}
    assert {stat.S_IMODE(each.st_mode) for each in found} == {0o600}
