# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts on real hosts to which something happens: who dies, which line is cut, what is full.

Each scene looks at three things: the host itself, what the ledger says of it, and the journal. The
table of scenes is docs/developers/fault-tests.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.e2e.restore_scenes import chosen
from tests.faults import (
    scenes_deaths,
    scenes_lines,
    scenes_packages,
    scenes_windows,
    scenes_world,
)
from tests.faults.fault_lab import fault_lab
from tests.faults.fault_stage import stage
from tests.lab.fleet import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(3600)]

SCENES = (scenes_deaths, scenes_lines, scenes_packages, scenes_windows, scenes_world)
"""They note their scenes on the stage when they are imported."""


@pytest.fixture(scope="module")
def faults() -> Iterator[Lab]:
    with fault_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def played(
    faults: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Future[None]]:
    folder: Path = tmp_path_factory.mktemp("faults")
    return stage.play(faults, chosen(request), folder)


@pytest.mark.parametrize("scene", stage.parameters())
def test_scene(scene: str, played: Mapping[str, Future[None]]) -> None:
    played[scene].result()
