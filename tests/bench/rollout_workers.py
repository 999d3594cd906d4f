# SPDX-License-Identifier: GPL-3.0-or-later
"""Two workers on one PostgreSQL share 5,000 store shards; each is taken, begun and done once.

A shard here is what surrounds a run: the engine's job, and what the ledger notes of it. The run
itself is left out, since it would take the machine to measure Ansible.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from storewarden.adapters.clock import SystemClock
from storewarden.adapters.ledger import open_ledger
from storewarden.domain.rollout.events import Dispatched, RolloutEvent
from storewarden.domain.rollout.record import Dispatch, Phase, Rollout
from storewarden.testing.conformance_ledger import START
from storewarden.testing.rollout_scenes import begin, event, open_rollout
from tests.contract.ledger_postgres import postgres

SHARDS = 5_000

_WORKER = """
import sys, time
from pathlib import Path
from storewarden.adapters.clock import SystemClock
from storewarden.adapters.engine.durable import DurableEngine
from storewarden.adapters.ledger import open_ledger
from storewarden.flows.rollout_workers import Heartbeat, Reaper, ReaperParts
url, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
clock = SystemClock()
book = open_ledger(url, clock=clock).rollouts
engine = DurableEngine(url, clock=clock, executor=name)
told = (folder / name).open("a")
class Shard:
    kind, at_once = "shard", 24
    def do(self, key, body):
        if book.take_job(key, name, clock.now()) is None:
            return
        book.job_begun(key, name, clock.now())
        told.write(key + "\\n")
        told.flush()
book.beat(name, clock.now())
parts = ReaperParts(book=book, worker=name, take_over=engine.take_over)
engine.start([Heartbeat(book, name), Reaper(parts)], [Shard()])
print("ready", flush=True)
for line in sys.stdin:
    engine.submit("shard", line.strip(), {})
while True:
    time.sleep(1)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """How the shards were shared: worker -> shards, those that were done twice, seconds."""

    shards: int
    by: dict[str, int]
    twice: int
    wall: float


def measure(folder: Path, shards: int = SHARDS) -> Shared:
    """Dispatch them, let two workers at them."""
    folder.mkdir(exist_ok=True)
    with postgres() as url, open_ledger(url, clock=SystemClock()) as ledger:
        stores = {f"{n:06d}": (f"pos{n}",) for n in range(shards)}
        number = open_rollout(ledger, stores)
        begin(ledger, number)
        ledger.rollouts.amend(number, "all", _everything)
        keys = [job.dispatch for job in ledger.rollouts.jobs()]
        begun = time.monotonic()
        workers = [_started(url, name, folder) for name in ("w1", "w2")]
        try:
            for process, some in zip(workers, (keys[::2], keys[1::2]), strict=True):
                assert process.stdin is not None
                process.stdin.writelines(f"{key}\n" for key in some)
                process.stdin.flush()
            while len(_done(folder)) < shards and time.monotonic() - begun < shards:
                time.sleep(0.2)
            wall = time.monotonic() - begun
        finally:
            for process in workers:
                process.kill()
                process.communicate()
    return _counted(folder, shards, wall)


def told(shared: Shared) -> list[str]:
    """The lines for the page."""
    rate = shared.shards / shared.wall
    parts = ", ".join(f"{count:,}" for count in shared.by.values())
    return [
        "| shards | done by each of two workers | done twice | wall s | shards per s |",
        "|---|---|---|---|---|",
        f"| {shared.shards:,} | {parts} | {shared.twice} | {shared.wall:.0f} | {rate:.0f} |",
        "",
    ]


def _everything(rollout: Rollout) -> tuple[RolloutEvent, ...]:
    return tuple(
        event(
            rollout.number,
            Dispatched(
                dispatch=Dispatch(
                    id=f"{rollout.number}-d{n}",
                    phase=Phase.PREFLIGHT,
                    wave=host.wave,
                    hosts=(host.name,),
                    epoch=1_700_000_000,
                    at=START,
                )
            ),
        )
        for n, host in enumerate(rollout.hosts.values(), 1)
    )


def _started(url: str, name: str, folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WORKER, url, name, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _done(folder: Path) -> list[str]:
    return [key for file in sorted(folder.glob("w*")) for key in file.read_text().splitlines()]


def _counted(folder: Path, shards: int, wall: float) -> Shared:
    done = Counter(_done(folder))
    if len(done) < shards:
        raise RuntimeError(f"{shards - len(done)} shards were never done")
    by = {file.name: len(file.read_text().splitlines()) for file in sorted(folder.glob("w*"))}
    twice = sum(count > 1 for count in done.values())
    return Shared(shards=shards, by=by, twice=twice, wall=wall)
