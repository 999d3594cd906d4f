# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollouts that a process saw last, kept up with the ledger.

Reading 30,000 hosts takes a second, and a rollout is read several times for every tick. Each
host's row tells which journal entry changed it last; so of a rollout that is known as of one
entry, only the rows behind that entry are read. Records are immutable: what is handed out stays
as it was.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import Connection, select

from storewarden.adapters.ledger.rollout_rows import hosts_of, rollout_of
from storewarden.adapters.ledger.tables import ROLLOUT, ROLLOUT_HOST
from storewarden.domain.rollout.record import HostRecord, Rollout

_ROLLOUTS, _HOSTS = 64, 100_000  # at most so many are remembered; a host takes about a kB


@dataclass(frozen=True, slots=True)
class _Known:
    """A rollout as of its entry ``sequence``."""

    rollout: Rollout
    sequence: int


class RolloutMemory:
    """May be used by several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._mutex = threading.Lock()

    def read(self, connection: Connection, number: str) -> Rollout | None:
        """The rollout as ``connection`` sees it; None when there is none."""
        mine = ROLLOUT.c.number == number
        sequence = connection.execute(select(ROLLOUT.c.sequence).where(mine)).scalar_one_or_none()
        if sequence is None:
            return None
        with self._mutex:
            known = self._known.get(number)
        if known is not None and known.sequence == sequence:
            self._touch(number)
            return known.rollout
        body = connection.execute(select(ROLLOUT.c.body).where(mine)).scalar_one()
        rollout = rollout_of(number, body, _hosts(connection, number, known, sequence))
        self.keep(rollout, sequence)
        return rollout

    def keep(self, rollout: Rollout, sequence: int) -> None:
        """What was committed. Anything older that is known is forgotten."""
        with self._mutex:
            there = self._known.get(rollout.number)
            if there is not None and there.sequence > sequence:
                return
            self._known[rollout.number] = _Known(rollout, sequence)
            self._known.move_to_end(rollout.number)
            self._shrink()

    def _touch(self, number: str) -> None:
        with self._mutex:
            if number in self._known:
                self._known.move_to_end(number)

    def _shrink(self) -> None:
        hosts = sum(len(each.rollout.hosts) for each in self._known.values())
        while len(self._known) > 1 and (len(self._known) > _ROLLOUTS or hosts > _HOSTS):
            _number, gone = self._known.popitem(last=False)
            hosts -= len(gone.rollout.hosts)


def _hosts(
    connection: Connection, number: str, known: _Known | None, sequence: int
) -> dict[str, HostRecord]:
    """All hosts in the plan's order; those that are known are read only where they changed."""
    chosen = select(ROLLOUT_HOST.c.host, ROLLOUT_HOST.c.body)
    chosen = chosen.where(ROLLOUT_HOST.c.rollout == number)
    if known is None or known.sequence > sequence:  # the reader sees an older moment
        return hosts_of(number, connection.execute(chosen.order_by(ROLLOUT_HOST.c.place)))
    later = chosen.where(ROLLOUT_HOST.c.sequence > known.sequence)
    return {**known.rollout.hosts, **hosts_of(number, connection.execute(later))}
