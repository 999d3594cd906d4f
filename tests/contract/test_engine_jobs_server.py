# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes on one PostgreSQL: they share the jobs, and take over from one that dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import open_ledger
from storewarden.domain.rollout.record import HostState, Phase
from storewarden.testing.rollout_scenes import begin, dispatch, open_rollout
from tests.contract.ledger_postgres import postgres
from tests.e2e.serve_site import until

pytestmark = pytest.mark.slow

_WORKER = """
import sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from storewarden.adapters.engine.durable import DurableEngine
from storewarden.adapters.ledger import open_ledger
from storewarden.domain.rollout.events import HostReport, Report
from storewarden.domain.rollout.reporting import reported
from storewarden.flows.rollout_workers import Heartbeat, Reaper, ReaperParts

url, name, told, ahead, hangs = sys.argv[1:6]

class Clock:
    def now(self):
        return datetime.now(UTC) + timedelta(seconds=int(ahead))

clock = Clock()
book = open_ledger(url, clock=clock).rollouts
engine = DurableEngine(url, clock=clock, executor=name)

def tell(word, key):
    with Path(told).open("a") as stream:
        stream.write(f"{word} {key} {name}\\n")

class Quick:
    kind, at_once = "quick", 2
    def do(self, key, body):
        tell("did", key)
        # However slow one of them is: nobody does all the work before the other has begun.
        while len({line.split()[2] for line in Path(told).read_text().splitlines()}) < 2:
            time.sleep(0.05)

class Shard:
    kind, at_once = "shard", 2
    def do(self, key, body):
        job = book.take_job(key, name, clock.now())
        if job is None:
            return
        tell("took", key)
        if hangs and not key.endswith(hangs):
            time.sleep(600)
        book.job_begun(key, name, clock.now())
        tell("began", key)
        if hangs:
            time.sleep(600)
        def ended(rollout):
            hosts = rollout.dispatches[key].hosts
            reports = [HostReport(host=h, report=Report.READY, restore_point="p") for h in hosts]
            return reported(rollout, key, reports, clock.now())
        book.amend(job.rollout, key, ended)

book.beat(name, clock.now())
parts = ReaperParts(book=book, worker=name, take_over=engine.take_over)
engine.start([Heartbeat(book, name), Reaper(parts)], [Quick(), Shard()])
print("ready", flush=True)
for line in sys.stdin:
    kind, key = line.split()
    engine.submit(kind, key, {})
while True:
    time.sleep(1)
"""


@contextmanager
def worker(
    url: str, name: str, told: Path, *, ahead: int = 0, hangs: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """A process with an engine; killed at the end. ``hangs`` is the dispatch that it begins
    before it hangs: it hangs at any other as soon as it has taken it."""
    argv = [sys.executable, "-c", _WORKER, url, name, str(told), str(ahead), hangs]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def submit(process: subprocess.Popen[str], kind: str, *keys: str) -> None:
    """Let a worker's engine have these."""
    assert process.stdin is not None
    process.stdin.writelines(f"{kind} {key}\n" for key in keys)
    process.stdin.flush()


def words(told: Path) -> list[list[str]]:
    """What the workers told."""
    return [line.split() for line in told.read_text().splitlines()] if told.exists() else []


def test_processes_share_jobs_and_take_over_from_the_dead(tmp_path: Path) -> None:
    """Nothing is done twice; what a dead one had begun is lost, for a probe to find out."""
    told = tmp_path / "told"
    with postgres() as url, open_ledger(url, clock=SystemClock()) as ledger:
        number = open_rollout(ledger, {"s1": ("pos1",), "s2": ("pos2",), "s3": ("pos3",)})
        begin(ledger, number)
        for n in (1, 2, 3):
            name = f"d{n}"
            ledger.rollouts.amend(number, name, dispatch(name, Phase.PREFLIGHT, f"pos{n}"))
        shards = [f"{number}-d{n}" for n in (1, 2, 3)]
        with worker(url, "w1", told, hangs="d1") as first:
            with worker(url, "w2", told) as second:
                keys = [f"q{n}" for n in range(12)]
                submit(first, "quick", *keys[:6])
                submit(second, "quick", *keys)
                assert until(lambda: len(words(told)) >= len(keys))
            did = words(told)
            assert Counter(key for _word, key, _name in did) == Counter(keys)
            assert {name for _word, _key, name in did} == {"w1", "w2"}
            told.unlink()
            submit(first, "shard", *shards)  # two at once: the third waits
            assert until(lambda: len(words(told)) == 3)
        assert sorted(words(told)) == [
            ["began", shards[0], "w1"],
            ["took", shards[0], "w1"],
            ["took", shards[1], "w1"],
        ]
        told.unlink()
        with worker(url, "w3", told, ahead=120):  # to whom the others are silent for two minutes
            assert until(lambda: not ledger.rollouts.jobs())
        assert sorted(words(told)) == [
            [word, shard, "w3"] for word in ("began", "took") for shard in shards[1:]
        ]
        rollout = ledger.rollouts.rollout(number)
        assert rollout is not None
        states = [host.state for host in rollout.hosts.values()]
        assert states == [HostState.UNKNOWN, HostState.CAPTURED, HostState.CAPTURED]
        assert ledger.verify().problems == ()
