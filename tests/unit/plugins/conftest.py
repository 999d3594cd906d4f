# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the collection's plugin tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.plugins.baseline_host import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
