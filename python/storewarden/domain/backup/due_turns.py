# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the orders that are due begin now: no line, hub or host is given more than it bears.

A night's sets go first, because their window ends; then logs and copies, looks, rehearsals, and
deletions last: a set that lies in one place only is worth less than one that nobody has rehearsed.
Within that what waits the longest is next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from storewarden.domain.backup.catalog import Target, Verb
from storewarden.domain.backup.due_facts import Due
from storewarden.domain.backup.policy import SetKind

_UNLIMITED = 1 << 30
_TURN = {Verb.TAKE: 0, Verb.COPY: 1, Verb.VERIFY: 2, Verb.DRILL: 3}
_LATER, _LAST = 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a job takes up; ``reader`` is the host that does it when it is not the target's own."""

    target: Target
    on: str
    wan: bool
    hub: str
    line: str
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """``hubs``: name -> jobs at once on its lines; ``reader``: jobs at once on a host that looks at
    other hosts' copies. Chosen: four, which is what two cores and a disk bear."""

    hubs: Mapping[str, int] = field(default_factory=dict)
    reader: int = 4
    whole: int = 500


def load_of(due: Due) -> Load:
    """What an order would take up."""
    log = due.verb is Verb.TAKE and due.kind is SetKind.LOG
    return Load(target=due.target, on=due.on, wan=due.wan, hub=due.hub, line=due.line, log=log)


def chosen(due: Iterable[Due], running: Iterable[Load], caps: Caps) -> tuple[Due, ...]:
    """Those that begin now, beside what is ``running``. O(n log n). A rehearsal does not overtake
    what else waits for its target, even where that has no line yet."""
    room, met = _Room(caps), set[Target]()
    for each in running:
        room.add(each)
    found = []
    for one in sorted(due, key=_pressing):
        load = load_of(one)
        if room.has(load) and not (_turn(one) >= _LATER and one.target in met):
            room.add(load)
            found.append(one)
        met.add(one.target)
    return tuple(found)


class _Room:
    """What is taken up so far."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._targets = set[Target]()
        self._hosts, self._readers = Counter[str](), Counter[str]()
        self._lines, self._hubs = Counter[str](), Counter[str]()
        self._whole = 0

    def has(self, load: Load) -> bool:
        """Whether one more fits."""
        if load.target in self._targets or self._whole >= self._caps.whole:
            return False
        if load.on != load.target.host:
            return self._readers[load.on] < self._caps.reader
        if load.log:
            return True  # small, and late logs are lost sales
        if self._hosts[load.on]:
            return False
        if not load.wan:
            return True
        most = self._caps.hubs.get(load.hub, _UNLIMITED)
        return not self._lines[load.line] and self._hubs[load.hub] < most

    def add(self, load: Load) -> None:
        """One is begun."""
        self._targets.add(load.target)
        self._whole += 1
        if load.on != load.target.host:
            self._readers[load.on] += 1
        elif not load.log:
            self._hosts[load.on] += 1
            self._lines[load.line] += load.wan
            self._hubs[load.hub] += load.wan


def _turn(due: Due) -> int:
    """Logs come with the copies: neither has a window that ends."""
    log = due.verb is Verb.TAKE and due.kind is SetKind.LOG
    return _TURN[Verb.COPY] if log else _TURN.get(due.verb, _LAST)


def _pressing(due: Due) -> tuple[int, object, str, str, str]:
    return _turn(due), due.since, due.target.name, due.verb.value, due.location
