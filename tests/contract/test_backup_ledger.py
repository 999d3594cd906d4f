# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of storewarden under a backup policy like any other data."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup import ledger as method
from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import Rejected
from ansible_collections.storewarden.ops.plugins.module_utils.backup.method import Restored
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Work
from tests.contract.data_backups import Jobs, with_programs
from tests.contract.ledger_site import fill, site_in

pytestmark = [pytest.mark.slow, pytest.mark.full]  # each starts the command several times


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """A site with entries and documents, and the command of this very installation."""
    with_programs(monkeypatch)
    with site_in(tmp_path / "site") as site:
        fill(site)
    command = [str(Path(sys.executable).with_name("storewarden")), "ledger", "backup"]
    return Jobs(tmp_path, "ledger", {"command": command, "state": str(tmp_path / "site")})


def test_the_record_is_backed_up_and_its_copy_verified(jobs: Jobs) -> None:
    name = jobs.taken()
    drill = jobs.drilled(name).drill
    assert drill is not None
    assert (drill.passed, drill.level, drill.differences) == (True, 4, ())


def _copy(jobs: Jobs, folder: Path) -> tuple[Work, str]:
    """A set as the method makes it, before it goes into the repository."""
    (folder / "work").mkdir(mode=0o700)
    work = Work(jobs.order("take"), str(folder / "work"))
    came = folder / "scratch" / "00-full"
    came.mkdir(parents=True)
    made = method.Ledger().produce(work, str(came))
    assert made.manifest["entries"] > 0
    return work, str(came)


def test_a_copy_that_was_altered_fails_the_drill(jobs: Jobs, tmp_path: Path) -> None:
    work, came = _copy(jobs, tmp_path)
    restored = Restored((came,), method._facts(came))
    _alter(Path(came) / "ledger.sqlite")
    assert "not the one that its manifest tells of" in method.Ledger().examined(work, (came,))[0]
    with pytest.raises(Rejected), method.Ledger().opened(work, restored, str(tmp_path / "scratch")):
        pass


def _alter(file: Path) -> None:
    file.chmod(0o600)
    with file.open("r+b") as raw:
        raw.seek(file.stat().st_size // 2)
        byte = raw.read(1)
        raw.seek(-1, os.SEEK_CUR)
        raw.write(bytes([byte[0] ^ 1]))


def test_a_ledger_that_was_altered_is_no_set(jobs: Jobs, tmp_path: Path) -> None:
    (ledger,) = (tmp_path / "site").rglob("ledger.sqlite")
    shutil.copy(ledger, tmp_path / "kept")
    with closing(sqlite3.connect(ledger)) as base:
        base.executescript(_without_guards(base))
        base.execute("UPDATE journal SET kind = 'altered'")
        base.commit()
    report = jobs.done("take")
    assert report.end == "rejected", report.reason
    assert jobs.done("list").sets == ()


def _without_guards(base: sqlite3.Connection) -> str:
    names = base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    return "".join(f"DROP TRIGGER {name};" for (name,) in names)
