# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller whose ledger holds 10,000 rollouts that wait: what it costs while nothing happens.

Each waits for a time of the next days, as a soak or a window does. Measured is the real
``storewarden serve``: its memory, its CPU over a minute, and how long it takes to come back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from storewarden.domain.rollout.events import Approved, Started, WaveBegan
from storewarden.testing.rollout_scenes import happening, open_change, planned
from storewarden.wiring import Site
from tests.e2e.serve_site import Service

ROLLOUTS = 10_000
_SETTLED = 15.0  # seconds: every duty has ticked once
_WATCHED = 60.0  # seconds
_HOSTS = """
all:
  hosts:
    pos1: {ansible_connection: local, sw_store: '000101', sw_role: pos}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A controller at rest: bytes, share of one core, seconds until it listened again."""

    rollouts: int
    memory: int
    cpu: float
    restart: float


def measure(folder: Path, rollouts: int = ROLLOUTS) -> Rest:
    """Make the ledger, start, watch, start again."""
    folder.mkdir(exist_ok=True)
    service = Service(folder)
    (folder / "hosts.yml").write_text(_HOSTS)
    service.settings(inventory=[str(folder / "hosts.yml")])
    with service.site() as site:
        _fill(site, rollouts)
    service.start()
    try:
        time.sleep(_SETTLED)
        process = psutil.Process(service.pid)
        memory = int(process.memory_full_info().pss)
        cpu = _cpu(process)
        service.kill()
        begun = time.monotonic()
        service.start()
        restart = time.monotonic() - begun
    finally:
        service.kill()
    return Rest(rollouts=rollouts, memory=memory, cpu=cpu, restart=restart)


def told(rest: Rest) -> list[str]:
    """The lines for the page."""
    memory, cpu = f"{rest.memory / 1e6:.0f}", f"{100 * rest.cpu:.1f}"
    return [
        "| rollouts that wait | memory, MB | CPU at rest, % of a core | back after SIGKILL, s |",
        "|---|---|---|---|",
        f"| {rest.rollouts:,} | {memory} | {cpu} | {rest.restart:.1f} |",
        "",
    ]


def _fill(site: Site, rollouts: int) -> None:
    book, tomorrow = site.ledger.rollouts, site.clock.now() + timedelta(days=1)
    change = open_change(site.ledger)
    stores = {f"{n:06d}": tuple(f"pos{n}.{k}" for k in range(3)) for n in range(4)}
    for n in range(rollouts):
        made = book.open_rollout(f"k{n}", change, planned(change, stores)).rollout.number
        book.amend(made, "go", happening(Approved(), Started(), WaveBegan(wave=1)))
    while looks := book.looks(site.clock.now(), limit=1000):
        for look in looks:
            at = tomorrow + timedelta(seconds=look.count)
            book.look_again(look.number, at, seen=look.count)


def _cpu(process: psutil.Process) -> float:
    before, begun = process.cpu_times(), time.monotonic()
    time.sleep(_WATCHED)
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return spent / (time.monotonic() - begun)
