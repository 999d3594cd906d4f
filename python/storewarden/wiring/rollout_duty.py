# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller, and each worker beside it, has to do for rollouts.

The controller looks at rollouts and runs dispatches as well; a worker on another machine only runs
dispatches. Both are built here, over the same parts, so that a site of one machine is nothing
special.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storewarden.domain.errors import StorewardenError
from storewarden.flows.rollout_parts import ENDING, ROLLOUTS, SHARD
from storewarden.flows.rollout_shard import ShardWork
from storewarden.flows.rollout_tick import Driver, Looking, RolloutsDuty, TickWork, hand_out
from storewarden.flows.rollout_workers import Heartbeat, Reaper, ReaperParts
from storewarden.wiring.estate_source import EstateSource
from storewarden.wiring.rollout_parts import drive_parts, shard_parts

if TYPE_CHECKING:
    from storewarden.flows.rollout_parts import ShardParts
    from storewarden.ports.engine import Duty, Engine, Work
    from storewarden.wiring.site import Site

CONTROLLER = "controller"
"""The controller's name among the workers: there is one per ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutShare:
    """Duties and works of one process."""

    duties: tuple[Duty, ...]
    works: tuple[Work, ...]


def controller_share(site: Site, engine: Callable[[], Engine | None]) -> RolloutShare:
    """The controller's; nothing at a site without an inventory. ``engine`` is the one that runs
    them, None until it is made."""
    if not site.config.inventory:
        return RolloutShare(duties=(), works=())

    def wake() -> None:
        found = engine()
        if found is not None:
            found.wake(ROLLOUTS)

    def submit(kind: str, key: str, body: Mapping[str, object]) -> None:
        found = engine()
        if found is not None:  # else it is looked at again when there is one
            found.submit(kind, key, body)

    estate, looking = EstateSource(site), Looking()
    shard = shard_parts(site, estate, CONTROLLER, wake)
    parts = drive_parts(site, shard, estate, submit)

    def ended() -> None:
        with suppress(StorewardenError):  # the duty's next tick does it
            hand_out(parts, looking, site.clock.now())

    shard = replace(shard, ended=ended)
    works: tuple[Work, ...] = (TickWork(Driver(parts), looking), *_shards(site, shard))
    duties = (RolloutsDuty(parts, looking), *_alive(site, CONTROLLER, engine, wake))
    return RolloutShare(duties=duties, works=works)


def worker_share(site: Site, name: str, engine: Callable[[], Engine | None]) -> RolloutShare:
    """A worker's: dispatches, and signs of life. The controller hears of their ends by the time
    that they set in the ledger."""
    estate = EstateSource(site)
    shard = shard_parts(site, estate, name, lambda: None)
    duties = _alive(site, name, engine, lambda: None)
    return RolloutShare(duties=duties, works=_shards(site, shard))


def first_beat(site: Site, name: str) -> None:
    """Be heard before the engine takes up one's own work, so that nobody else does."""
    site.ledger.rollouts.beat(name, site.clock.now())


def _shards(site: Site, shard: ShardParts) -> tuple[ShardWork, ...]:
    most = site.config.controller.rollout_runs
    return tuple(ShardWork(shard, kind, at_once=most) for kind in (SHARD, ENDING))


def _alive(
    site: Site, name: str, engine: Callable[[], Engine | None], wake: Callable[[], None]
) -> tuple[Duty, ...]:
    """Signs of life, and taking over from those who give none."""

    def take_over(dead: str) -> int:
        found = engine()
        return 0 if found is None else found.take_over(dead)

    book = site.ledger.rollouts
    parts = ReaperParts(book=book, worker=name, take_over=take_over, wake=wake)
    return (Heartbeat(book, name), Reaper(parts))
