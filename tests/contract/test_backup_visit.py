# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that a visit begins, and that another one finds; without systemd, as in a container."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.methods import (
    TABLE,
    method_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup_jobs.visit import Visit
from ansible_collections.storewarden.ops.plugins.module_utils.payload.jobs import JobError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from tests.contract.restic_bench import SECRET, Bench

pytestmark = pytest.mark.slow


class Alone(Host):
    """A host without systemd, with the tools of the bench."""

    def has_systemd(self) -> bool:
        return False


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.fill(prices=b"apple 2.50\n" * 500)
    return bench


@pytest.fixture
def visit(bench: Bench) -> Iterator[Visit]:
    yield _visit(bench)
    for run in (one.name for one in (bench.root / "runs").glob("*")):
        if not run.startswith("."):
            _visit(bench).stop(run)


def _visit(bench: Bench) -> Visit:
    return Visit(Alone("/", path=bench.path), str(bench.root))


def _order(bench: Bench, **words: Any) -> dict[str, Any]:
    order = bench.order("take", **words)
    del order["secrets"]
    return order


def _ended(bench: Bench, run: str) -> dict[str, Any]:
    end = time.monotonic() + 60.0
    while (found := _visit(bench).collect(run))["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def test_a_job_is_begun_once_collected_by_another_visit_and_forgotten(
    bench: Bench, visit: Visit
) -> None:
    order = _order(bench)
    assert visit.collect(order["run"])["state"] == "absent"
    assert visit.begin(order, {"repository": SECRET})["state"] in ("running", "ended")
    found = _ended(bench, order["run"])
    assert found["state"] == "ended" and found["report"]["end"] == "done", found
    again = visit.begin(order, {"repository": SECRET})
    assert again == found
    assert not (bench.root / "secrets" / order["run"]).exists()
    assert visit.forget(order["run"])["state"] == "absent"
    assert visit.collect(order["run"])["state"] == "absent"


def test_a_job_that_was_killed_is_lost_and_its_secrets_go(bench: Bench, visit: Visit) -> None:
    bench.fill(sales=os.urandom(60_000_000))
    order = _order(bench)
    visit.begin(order, {"repository": SECRET})
    with pytest.raises(JobError):
        visit.forget(order["run"])
    os.killpg(visit._child(order["run"]), signal.SIGKILL)
    found = _ended(bench, order["run"])
    assert found["state"] == "lost" and "-9" in found["reason"]["en"] and found["reason"]["zh"]
    assert not (bench.root / "secrets" / order["run"]).exists()


def test_a_job_that_is_stopped_tells_so(bench: Bench, visit: Visit) -> None:
    bench.fill(sales=os.urandom(60_000_000))
    order = _order(bench)
    visit.begin(order, {"repository": SECRET})
    end = time.monotonic() + 30.0
    while not bench.repository.exists() and time.monotonic() < end:
        time.sleep(0.02)
    found = visit.stop(order["run"])
    assert found["state"] == "ended" and found["report"]["end"] == "interrupted", found


def test_an_order_that_makes_no_sense_is_refused_before_it_is_begun(
    bench: Bench, visit: Visit
) -> None:
    found = visit.begin(_order(bench, colour="red"), {"repository": SECRET})
    assert found["state"] == "refused" and "colour" in found["reason"]["en"]
    for run in ("../out", "", "a b"):
        with pytest.raises(JobError):
            visit.begin({**_order(bench), "run": run}, {})


@pytest.mark.parametrize("name", sorted(TABLE))
def test_each_method_of_the_table_is_there(name: str) -> None:
    assert method_of(name).name == name
