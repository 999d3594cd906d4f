# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying out the work of one wave: which stores are worked on when.

Stores wait in queues, one per kind of window. Whenever a lane is free, the stores whose windows
hold the work come next, each with as many hosts as its caps let go together; a store whose
hosts have to take turns comes back when its turn is over. Time goes from one event to the next,
so ten thousand stores cost about as much as their turns.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil

type Fits = Callable[[str, datetime], tuple[datetime, datetime] | None]
"""Store, from when on -> the first stretch that holds the work: begin and close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreWork:
    """A store's hosts that are left; ``together`` of them may be worked on at once. ``place`` is
    the store's position in the plan."""

    store: str
    place: int
    hosts: int
    together: int

    def cut(self, hosts: int) -> StoreWork | None:
        """What is left when ``hosts`` are taken; None for nothing."""
        left = self.hosts - hosts
        return replace(self, hosts=left) if left else None


class Queue:
    """Stores of one region with equal windows, in the plan's order. ``of`` is one of them, to ask
    about; ``starts`` and ``latest`` are when work in the present stretch may begin."""

    def __init__(self, of: str, region: str = "") -> None:
        self.of = of
        self.region = region
        self.starts: datetime | None = None
        self.latest: datetime | None = None
        self.closed = False  # for ever
        self._waiting: list[tuple[int, StoreWork]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def first(self) -> int:
        """The place of the store that is next."""
        return self._waiting[0][0]

    def add(self, work: StoreWork) -> None:
        """Put a store (back) into its place."""
        heapq.heappush(self._waiting, (work.place, work))

    def take(self) -> StoreWork:
        """The next store."""
        return heapq.heappop(self._waiting)[1]

    def names(self) -> Iterator[str]:
        """All stores that wait."""
        return (work.store for _, work in sorted(self._waiting, key=lambda each: each[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """When a wave's work begins and ends (None when it does not come to an end), per store too;
    ``stuck`` are stores without a window."""

    begins: datetime | None = None
    ends: datetime | None = None
    stores: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    stuck: tuple[str, ...] = ()


@dataclass(order=True, slots=True, kw_only=True)
class _Turn:
    """Hosts under way until ``ends``, with where their stores go back to."""

    ends: datetime
    number: int
    lanes: int = field(compare=False)
    hosts: int = field(compare=False)
    regions: dict[str, int] = field(compare=False)
    back: list[tuple[Queue, StoreWork]] = field(compare=False)


@dataclass(slots=True, kw_only=True)
class Working:
    """``needs`` is what must fit into the stretch that ``fits`` finds, ``length`` how long a
    turn takes, ``lanes`` how many runs go at once with at most ``shard`` hosts each, ``at_once``
    how many hosts of the whole site, ``regions`` how many of a region (any number where it is
    not named)."""

    fits: Fits
    needs: timedelta
    length: timedelta
    lanes: int
    shard: int
    at_once: int
    regions: Mapping[str, int] = field(default_factory=dict)
    _going: list[_Turn] = field(default_factory=list)
    _stores: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    _number: int = 0

    def run(self, queues: Sequence[Queue], ready: datetime) -> Worked:
        """Work through ``queues`` from ``ready`` on."""
        now: datetime | None = ready
        while now is not None:
            self._end(now)
            for queue in queues:
                self._look(queue, now)
            self._begin(queues, now)
            now = self._following(queues, now)
        return self._told(tuple(name for queue in queues for name in queue.names()))

    def _look(self, queue: Queue, now: datetime) -> None:
        """Ask for the queue's next stretch when it needs one and the last one is used up."""
        if not queue or queue.closed or (queue.latest is not None and now <= queue.latest):
            return
        found = self.fits(queue.of, now)
        if found is None:
            queue.closed, queue.starts = True, None
        else:
            queue.starts, queue.latest = found[0], found[1] - self.needs

    def _begin(self, queues: Sequence[Queue], now: datetime) -> None:
        """Fill the free lanes with stores that may be worked on, in the plan's order."""
        lanes = self.lanes - sum(turn.lanes for turn in self._going)
        free = min(lanes * self.shard, self.at_once - sum(turn.hosts for turn in self._going))
        turn = _Turn(
            ends=now + self.length, number=self._number, lanes=0, hosts=0, regions={}, back=[]
        )
        ready = [(each.first, n) for n, each in enumerate(queues) if each and _open(each, now)]
        heapq.heapify(ready)
        while ready and turn.hosts < free:
            _, index = heapq.heappop(ready)
            queue = queues[index]
            room = min(free - turn.hosts, self._room(queue.region, turn))
            if room > 0:
                self._take(queue, room, turn)
                if queue:
                    heapq.heappush(ready, (queue.first, index))
        if turn.hosts:
            turn.lanes = ceil(turn.hosts / self.shard)
            self._number += 1
            heapq.heappush(self._going, turn)

    def _room(self, region: str, turn: _Turn) -> int:
        """How many more hosts of the region may go."""
        if region not in self.regions:
            return self.at_once
        going = sum(each.regions.get(region, 0) for each in (*self._going, turn))
        return self.regions[region] - going

    def _take(self, queue: Queue, room: int, turn: _Turn) -> None:
        """The next hosts of the store that is first in the queue."""
        work = queue.take()
        hosts = min(work.hosts, work.together, room)
        turn.hosts += hosts
        turn.regions[queue.region] = turn.regions.get(queue.region, 0) + hosts
        begins, _ = self._stores.get(work.store, (turn.ends - self.length, turn.ends))
        self._stores[work.store] = (begins, turn.ends)
        rest = work.cut(hosts)
        if rest is not None:
            turn.back.append((queue, rest))

    def _following(self, queues: Sequence[Queue], now: datetime) -> datetime | None:
        """When something happens next: a turn ends, or a window opens for stores that wait."""
        moments = [each.starts for each in queues if each and each.starts and each.starts > now]
        if self._going:
            moments.append(self._going[0].ends)
        return min(moments, default=None)

    def _end(self, now: datetime) -> None:
        while self._going and self._going[0].ends <= now:
            for queue, rest in heapq.heappop(self._going).back:
                queue.add(rest)

    def _told(self, stuck: tuple[str, ...]) -> Worked:
        begins = min((begins for begins, _ in self._stores.values()), default=None)
        ends = max((ends for _, ends in self._stores.values()), default=None)
        return Worked(begins=begins, ends=None if stuck else ends, stores=self._stores, stuck=stuck)


def _open(queue: Queue, now: datetime) -> bool:
    return queue.starts is not None and queue.starts <= now
