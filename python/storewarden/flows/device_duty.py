# SPDX-License-Identifier: GPL-3.0-or-later
"""Network devices are read by themselves: in their slots of the night, and after changes.

The duty of backups looks once a minute; whoever is due is read beside it, one round at a time, so
that neither its lock nor its threads wait for a device. What came of it stands in the catalog, so
the next controller reads those that this one did not get to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Thread

from storewarden.domain.backup.catalog import Catalog, Target
from storewarden.domain.backup.due_devices import Changed, Reading, reading_of
from storewarden.domain.backup.due_facts import Facts
from storewarden.domain.backup.night import Slot
from storewarden.domain.backup.schedule import through_the_day
from storewarden.domain.errors import Refused
from storewarden.flows.backup_duty import split
from storewarden.ports.backup_catalog import BackupCatalog

MOST = 200
"""Devices of one round: who is due after a change does not wait for a whole night. Chosen."""

type Slots = Mapping[Target, Mapping[str, Slot]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRoundParts:
    """What rounds need. ``targets`` are those of policies of the method network; ``facts`` says of
    one all but catalog and slots; ``slots`` are those that have begun; ``changed`` names devices
    whose change has ended lately; ``read`` reads and records until its second argument says that
    somebody wants to stop; ``frozen`` why nothing may begin, "" when it may."""

    catalog: BackupCatalog
    targets: Callable[[], Sequence[Target]]
    facts: Callable[[Target], Facts]
    slots: Callable[[datetime], Slots]
    changed: Callable[[datetime], Mapping[str, Changed]]
    read: Callable[[Sequence[Reading], Callable[[], bool]], None]
    frozen: Callable[[], str] = lambda: ""


class DeviceRounds:
    """Rounds of one controller. ``wait`` lets the one that is under way end, for tests."""

    def __init__(self, parts: DeviceRoundParts) -> None:
        self._parts = parts
        self._stopping = False
        self._under_way: Future[None] | None = None
        self._done: set[tuple[Target, str]] = set()

    def look(self, now: datetime) -> None:
        """Begin a round when somebody is due and none is under way. Raises what the last one
        raised, so that health shows it; not that somebody else was at it."""
        if self._under_way is not None:
            if not self._under_way.done():
                return
            error, self._under_way = self._under_way.exception(), None
            if error is not None and not isinstance(error, Refused):
                raise error
        if self._stopping or self._parts.frozen():
            return
        due = sorted(self._due(now), key=lambda each: not each.change)
        if due:
            self._begin(due[:MOST])

    def wait(self) -> None:
        """Until no round is under way."""
        if self._under_way is not None:
            self._under_way.exception()

    def shut(self) -> None:
        """Read nobody else; those whose session is open are left alone, and keep nothing."""
        self._stopping = True

    def _begin(self, due: Sequence[Reading]) -> None:
        future: Future[None] = Future()
        self._under_way = future

        def visit() -> None:
            try:
                self._parts.read(due, lambda: self._stopping)
                future.set_result(None)
            except BaseException as error:  # noqa: BLE001 - the next look raises it
                future.set_exception(error)

        Thread(target=visit, name="devices", daemon=True).start()

    def _due(self, now: datetime) -> list[Reading]:
        slots, changed = self._parts.slots(now), self._parts.changed(now)
        nights = {night for mine in slots.values() for night in mine}
        self._done = {each for each in self._done if each[1] in nights}
        asked = [each for each in self._parts.targets() if self._open(each, slots, changed)]
        if not asked:
            return []
        found, there = list[Reading](), split(self._parts.catalog.of(asked), asked)
        for target in asked:
            mine = slots.get(target, {})
            facts = replace(self._parts.facts(target), catalog=there[target], slots=mine)
            reading = reading_of(facts, now, changed.get(target.host))
            if reading is not None:
                found.append(reading)
            self._remember(target, there[target], mine)
        return found

    def _open(self, target: Target, slots: Slots, changed: Mapping[str, Changed]) -> bool:
        """Whether anything may be due: a night whose set is known is not asked about again."""
        mine = slots.get(target, {})
        if target.host in changed or any((target, night) not in self._done for night in mine):
            return True
        return bool(through_the_day(self._parts.facts(target).policy))

    def _remember(self, target: Target, catalog: Catalog, slots: Mapping[str, Slot]) -> None:
        nights = {each.night for each in catalog.runs if each.set}
        self._done |= {(target, night) for night in slots if night in nights}
