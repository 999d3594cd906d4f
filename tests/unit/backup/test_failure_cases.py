# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of failure cases names tests; a test that is renamed takes its row along."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_test_of_the_failure_cases_is_there(project_root: Path) -> None:
    table = (project_root / "docs/developers/backup-failure-cases.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_/]+\.py)::(test_\w+)`", table)
    assert len(named) > 30
    lost = [
        f"{file}::{name}"
        for file, name in named
        if f"def {name}(" not in (project_root / "tests" / file).read_text(encoding="utf-8")
    ]
    assert lost == []
