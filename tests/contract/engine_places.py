# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines of the durable engine's tests that have most of a start behind them.

A first start makes its tables and waits until its queues are seen; a copy of what that left
begins at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from pysqlite3 import dbapi2 as sqlite

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.durable import DurableEngine
from storewarden.adapters.engine.pulse import Pulse
from storewarden.ports.clock import Clock
from storewarden.ports.engine import Duty, Work
from storewarden.testing.conformance_jobs import Doing
from tests.e2e.serve_site import until

FILE = "engine.db"
SOON = timedelta(seconds=1)
QUICK = timedelta(seconds=0.1)
"""Between two looks of a pulse: what a controller finds within ten seconds is found within one."""


@contextmanager
def running(
    folder: Path,
    duties: Sequence[Duty] = (),
    works: Sequence[Work] = (),
    *,
    clock: Clock | None = None,
    pulse: Pulse | None = None,
) -> Iterator[DurableEngine]:
    """An engine over ``folder/engine.db`` until the block ends."""
    quick = pulse or Pulse(read=lambda: 0, every=QUICK)
    engine = DurableEngine(folder / FILE, clock=clock or SystemClock(), pulse=quick)
    engine.start(duties, works)
    try:
        yield engine
    finally:
        engine.stop(SOON)


def begun(folder: Path, *kinds: str) -> Path:
    """``folder`` with the file of an engine that was started and stopped; it had jobs of ``kinds``
    to do, and did none."""
    with running(folder, (), [Doing(kind=kind) for kind in kinds]) as engine:
        assert until(lambda: _at_rest(engine))
    return folder


def copied(original: Path, folder: Path) -> Path:
    """A stopped engine's file once more, in ``folder``."""
    for file in original.glob(f"{FILE}*"):
        shutil.copy2(file, folder)
    return folder


def rows(folder: Path, statement: str) -> list[tuple[object, ...]]:
    """What a statement of a test's own does to, or finds in, an engine's file."""
    with closing(sqlite.connect(str(folder / FILE), timeout=300)) as file:
        found: list[tuple[object, ...]] = file.execute(statement).fetchall()
        file.commit()
    return found


def _at_rest(engine: DurableEngine) -> bool:
    """Its own duty has ticked, and the next tick waits."""
    told = engine.status()["engine-retention"]
    return told["last_tick"] is not None and not told["running"]
