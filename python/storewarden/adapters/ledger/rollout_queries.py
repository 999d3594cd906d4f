# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about rollouts: lists, what is due, who holds which host."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select

from storewarden.adapters.ledger.rollout_memory import RolloutMemory
from storewarden.adapters.ledger.rollout_rows import line_of
from storewarden.adapters.ledger.tables import ROLLOUT, ROLLOUT_HOST
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.rollout.record import HostState, Rollout, RolloutState
from storewarden.domain.rollout.tables import ENDED, LINGERING
from storewarden.ports.journal import moment, stamp
from storewarden.ports.rollouts import KEEPS_SLOT, Look, RolloutLine, holds

_AT_ONCE = 500  # hosts in one question
_MANY = 5000  # with more of them it is quicker to ask for all that are held
_GONE = sorted(state.value for state in ENDED - LINGERING)
_KEEPS = sorted(state.value for state in KEEPS_SLOT)

type _Standing = Row[tuple[str, str, str, str]]


class RolloutQueries:
    """The reading half of ``SqlRollouts``."""

    _transactions: Transactions
    _memory: RolloutMemory

    def rollout(self, number: str) -> Rollout | None:
        """One rollout with all its hosts, None when there is none."""
        with self._transactions.reading() as connection:
            return self._memory.read(connection, number)

    def lines(
        self, *, states: Collection[RolloutState] = (), change: str = "", limit: int = 0
    ) -> tuple[RolloutLine, ...]:
        """Rollouts, newest first."""
        chosen = select(ROLLOUT).order_by(ROLLOUT.c.opening.desc())
        if states:
            chosen = chosen.where(ROLLOUT.c.state.in_(sorted(state.value for state in states)))
        if change:
            chosen = chosen.where(ROLLOUT.c.change == change)
        with self._transactions.reading() as connection:
            rows = connection.execute(chosen.limit(limit) if limit else chosen).all()
        return tuple(line_of(row) for row in rows)

    def looks(self, now: datetime, limit: int = 100) -> tuple[Look, ...]:
        """Rollouts whose time has come, the longest waiting first."""
        chosen = select(ROLLOUT.c.number, ROLLOUT.c.look_at, ROLLOUT.c.looks)
        chosen = chosen.where(ROLLOUT.c.look_at > "", ROLLOUT.c.look_at <= stamp(now))
        chosen = chosen.order_by(ROLLOUT.c.look_at, ROLLOUT.c.number).limit(limit)
        with self._transactions.reading() as connection:
            rows = connection.execute(chosen).all()
        return tuple(
            Look(number=row.number, at=moment(row.look_at), count=row.looks) for row in rows
        )

    def due(self, now: datetime, limit: int = 100) -> tuple[str, ...]:
        """Numbers of rollouts whose time has come, the longest waiting first."""
        return tuple(look.number for look in self.looks(now, limit))

    def next_due(self) -> datetime | None:
        """When the next one's time comes, or came."""
        chosen = select(func.min(ROLLOUT.c.look_at)).where(ROLLOUT.c.look_at > "")
        with self._transactions.reading() as connection:
            earliest = connection.execute(chosen).scalar()
        return moment(earliest) if earliest else None

    def host_states(self, hosts: Collection[str]) -> dict[str, tuple[str, str]]:
        """Host -> (rollout, state) where a rollout holds the host; the newest one that does."""
        chosen = _standing().where(ROLLOUT.c.state.not_in(_GONE))
        rows = self._standings(chosen, hosts) if hosts else ()
        return {
            row.host: (row.number, row.state)
            for row in rows
            if holds(RolloutState(row.of), HostState(row.state))
        }

    def owing(self, hosts: Collection[str] = ()) -> dict[str, tuple[str, str]]:
        """Host -> (rollout, state) where the newest rollout of the host has ended and left it
        in a state that keeps its slot."""
        ended = frozenset(state.value for state in ENDED)
        kept = select(ROLLOUT_HOST.c.host).where(ROLLOUT_HOST.c.state.in_(_KEEPS))
        chosen = _standing().where(ROLLOUT_HOST.c.host.in_(kept))
        newest = {row.host: row for row in self._standings(chosen, hosts)}
        return {
            host: (row.number, row.state)
            for host, row in newest.items()
            if row.of in ended and row.state in _KEEPS
        }

    def _standings(
        self, chosen: Select[tuple[str, str, str, str]], hosts: Collection[str]
    ) -> Iterable[_Standing]:
        """The rows of these hosts (of all, when none is named), the newest rollout last."""
        wanted = sorted(set(hosts))
        if not wanted or len(wanted) > _MANY:
            known = frozenset(wanted)
            return self._asked([chosen], lambda row: not wanted or row.host in known)
        some = [wanted[first : first + _AT_ONCE] for first in range(0, len(wanted), _AT_ONCE)]
        return self._asked([chosen.where(ROLLOUT_HOST.c.host.in_(names)) for names in some])

    def _asked(
        self,
        questions: Iterable[Select[tuple[str, str, str, str]]],
        wanted: Callable[[Any], bool] = lambda _row: True,
    ) -> list[_Standing]:
        with self._transactions.reading() as connection:
            return [
                row
                for question in questions
                for row in connection.execute(question.order_by(ROLLOUT.c.opening))
                if wanted(row)
            ]


def _standing() -> Select[tuple[str, str, str, str]]:
    """Host, rollout, the rollout's state (``of``) and the host's in it."""
    return select(
        ROLLOUT_HOST.c.host, ROLLOUT.c.number, ROLLOUT.c.state.label("of"), ROLLOUT_HOST.c.state
    ).join(ROLLOUT, ROLLOUT.c.number == ROLLOUT_HOST.c.rollout)
