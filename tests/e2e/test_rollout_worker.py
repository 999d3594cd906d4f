# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker beside the controller, each with a state directory of its own, over one PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storewarden.cli.exits import Exit
from storewarden.domain.rollout.events import Dispatched, Reported
from storewarden.domain.rollout.record import Dispatch, Phase
from storewarden.ports.rollouts import SILENT, Job
from tests.contract.ledger_postgres import postgres
from tests.e2e.serve_site import Service, until
from tests.faults.fault_site import LONG, Going, Place, chain_of, lay_out
from tests.lab.fleet import Lab

pytestmark = pytest.mark.slow

NAME = "east"
CONTROLLER = "controller"
_BIN = Path(sys.executable).with_name("storewarden")


@dataclass(slots=True)
class Worker:
    """`storewarden worker`, as a process of its own."""

    site: Service
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns when it says that it takes dispatches."""
        with (self.site.folder / "worker.log").open("a") as log:
            self._process = subprocess.Popen(
                [str(_BIN), "worker", "--name", NAME],
                cwd=self.site.folder,
                env=self.site.environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert f"the worker {NAME} takes dispatches" in line, self.log()

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit status."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        process.communicate()
        return process.returncode

    def kill(self) -> None:
        """Nothing when it does not run."""
        if self._process is not None:
            self.end(signal.SIGKILL)

    def log(self) -> str:
        """What it said."""
        return (self.site.folder / "worker.log").read_text()


@pytest.fixture
def places(lab: Lab) -> Iterator[tuple[Place, ...]]:
    """Two hosts, each a store of its own: of two at once each process has one."""
    made = tuple(
        Place(name=f"till.{number:06d}", host=host, store=f"{number:06d}")
        for number, host in enumerate(lab.hosts[-2:], 1)
    )
    with ThreadPoolExecutor(len(made)) as pool:
        # A fresh ledger counts from one, and hosts remember what they saw.
        list(pool.map(lambda place: place.host.reset(), made))
        list(pool.map(lambda place: place.set_out(), made))
        yield made
        list(pool.map(lambda place: place.host.reset(), made))


def _two(folder: Path, places: tuple[Place, ...], url: str) -> tuple[Service, Worker]:
    """The controller's folder and the worker's. Each has one run at a time, so that of two
    dispatches at once each of them must have one."""
    settings = {"ledger": url, "controller": {"rollout_runs": 1}}
    controller = lay_out(folder / "controller", places, **settings)
    return controller, Worker(lay_out(folder / "worker", places, **settings))


def _at_work(going: Going, worker: str) -> tuple[Job, Place] | None:
    """The change that a worker has begun, and where, once that host works on it."""
    under_way = going.now.dispatches
    for job in going.chain.site.ledger.rollouts.jobs(rollout=going.number, worker=worker):
        one = under_way.get(job.dispatch)
        if one is not None and one.phase is Phase.APPLY and job.begun is not None:
            place = going.chain.places[one.hosts[0]]
            return (job, place) if place.working() else None
    return None


def _sent(going: Going) -> dict[str, Dispatch]:
    found = (event.what.dispatch for event in going.events() if isinstance(event.what, Dispatched))
    return {one.id: one for one in found}


@pytest.mark.lab
def test_a_worker_shares_the_work_and_its_death_costs_a_probe(
    places: tuple[Place, ...], tmp_path: Path
) -> None:
    """Killed in the middle of a change: that is lost. Its play ends by itself, a probe with a
    higher epoch says what came of it, the host is restored, and only then changed again; the
    rollout goes on to its end, and the worker, back again, does its part."""
    with postgres() as url:
        controller, worker = _two(tmp_path, places, url)
        for place in places:
            place.hold()
        try:
            controller.start()
            worker.start()
            with chain_of(controller, places) as chain:
                _story(
                    chain.begin("v2", *places, shard=1, deadline="10m", waves=["rest at once"]),
                    worker,
                )
            assert worker.end(signal.SIGTERM) == Exit.FINE
        finally:
            worker.kill()
            controller.kill()


def _story(going: Going, worker: Worker) -> None:
    book = going.chain.site.ledger.rollouts
    assert until(lambda: None not in (_at_work(going, NAME), _at_work(going, CONTROLLER)), LONG), (
        going.story() + worker.log()[-2000:]
    )
    found = _at_work(going, NAME)
    assert found is not None
    job, touched = found
    worker.end(signal.SIGKILL)
    touched.go()
    # As the ledger stands when nothing was heard of it for a while.
    book.beat(NAME, datetime.now(UTC) - 2 * SILENT)
    assert until(lambda: _lost(going) == [job.dispatch], LONG), going.story()
    worker.start()
    for place in going.places:
        place.go()
    going.completed()

    assert _lost(going) == [job.dispatch]
    sent = _sent(going)
    later = [each for each in sent.values() if touched.name in each.hosts and _after(each, job)]
    assert later[0].phase is Phase.PROBE
    assert later[0].epoch > sent[job.dispatch].epoch
    # What nobody had seen to its end was taken back before it was begun again.
    assert [each.phase for each in later].index(Phase.UNDO) == 1
    assert touched.begun == ["v2", "v2"]
    assert [each.begun for each in going.places if each is not touched] == [["v2"]]
    jobs = book.jobs(rollout=going.number, open_only=False)
    assert {each.worker for each in jobs} == {NAME, CONTROLLER}
    assert not book.jobs(rollout=going.number)


def _lost(going: Going) -> list[str]:
    """Dispatches that were told as lost; their hosts are unknown from then on."""
    told = (event.what for event in going.events() if isinstance(event.what, Reported))
    return [what.dispatch for what in told if what.lost]


def _after(dispatch: Dispatch, job: Job) -> bool:
    return int(dispatch.id.rpartition("-d")[2]) > int(job.dispatch.rpartition("-d")[2])


def test_a_name_has_one_worker(tmp_path: Path) -> None:
    """A second one, with a state directory of its own, would take the first one's dispatches for
    its own: it is refused in one line. So is the controller's own name."""
    with postgres() as url:
        sites = [Service(tmp_path / name) for name in ("one", "two")]
        for site in sites:
            site.folder.mkdir()
            (site.folder / "hosts.yml").write_text("all: {hosts: {a: {}}}\n")
            site.settings(inventory=["hosts.yml"], ledger=url)
        first = Worker(sites[0])
        try:
            first.start()
            second = sites[1].run("worker", "--name", NAME)
            assert second.returncode == Exit.REFUSED
            (line,) = second.stderr.splitlines()
            assert f"another worker named {NAME}, perhaps on another machine" in line
            reserved = sites[1].run("worker", "--name", CONTROLLER)
            assert reserved.returncode == Exit.USAGE
            assert "the controller's own name" in reserved.stderr
            assert first.end(signal.SIGTERM) == Exit.FINE
        finally:
            first.kill()
