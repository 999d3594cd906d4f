# SPDX-License-Identifier: GPL-3.0-or-later
"""Who works on which dispatch. Nothing of it is journaled: it is nobody's evidence.

Taking, beginning and freeing a job are single statements that say under which condition they
hold, so of two processes that ask at once the database lets one win.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from storewarden.adapters.ledger.tables import ROLLOUT_JOB, WORKER
from storewarden.adapters.ledger.transactions import Transactions
from storewarden.domain.errors import Refused
from storewarden.ports.clock import Clock
from storewarden.ports.journal import moment, stamp
from storewarden.ports.rollouts import SILENT, Job, Worker

_REMEMBERED = timedelta(days=1)


class RolloutWork:
    """The workers' half of ``SqlRollouts``."""

    _transactions: Transactions
    _clock: Clock

    def take_job(self, dispatch: str, worker: str, now: datetime) -> Job | None:
        """Take a dispatch, or take one's own again; None when somebody else has it or it ended."""
        free = update(ROLLOUT_JOB).where(
            ROLLOUT_JOB.c.dispatch == dispatch,
            ROLLOUT_JOB.c.ended == "",
            ROLLOUT_JOB.c.worker == "",
        )
        with self._transactions.writing() as connection:
            connection.execute(free.values(worker=worker, taken=stamp(now)))
            row = _row(connection, dispatch)
        if row is None or row.worker != worker or row.ended:
            return None
        return _job(row)

    def job_begun(self, dispatch: str, worker: str, now: datetime) -> None:
        """Its run is about to be started. Raises Refused when it is no longer this worker's."""
        mine = update(ROLLOUT_JOB).where(
            ROLLOUT_JOB.c.dispatch == dispatch,
            ROLLOUT_JOB.c.worker == worker,
            ROLLOUT_JOB.c.ended == "",
        )
        with self._transactions.writing() as connection:
            begun = mine.where(ROLLOUT_JOB.c.begun == "").values(begun=stamp(now))
            if connection.execute(begun).rowcount:
                return
            row = _row(connection, dispatch)
        if row is None or row.worker != worker or row.ended:
            raise Refused(
                "this dispatch is no longer this worker's",
                where=dispatch,
                hint="nothing was started; whoever has it goes on",
            )

    def jobs(
        self, *, rollout: str = "", worker: str = "", open_only: bool = True
    ) -> tuple[Job, ...]:
        """Dispatches as work, oldest first."""
        chosen = select(ROLLOUT_JOB).order_by(ROLLOUT_JOB.c.sequence)
        if rollout:
            chosen = chosen.where(ROLLOUT_JOB.c.rollout == rollout)
        if worker:
            chosen = chosen.where(ROLLOUT_JOB.c.worker == worker)
        if open_only:
            chosen = chosen.where(ROLLOUT_JOB.c.ended == "")
        with self._transactions.reading() as connection:
            return tuple(_job(row) for row in connection.execute(chosen))

    def free_job(self, dispatch: str, worker: str, now: datetime) -> bool:
        """Take a job away from a silent worker that has not begun it; False when it has."""
        alive = select(WORKER.c.name).where(
            WORKER.c.name == worker, WORKER.c.seen >= stamp(now - SILENT)
        )
        with self._transactions.writing() as connection:
            mine = ROLLOUT_JOB.c.dispatch == dispatch, ROLLOUT_JOB.c.worker == worker
            free = update(ROLLOUT_JOB).where(
                *mine, ROLLOUT_JOB.c.begun == "", ROLLOUT_JOB.c.ended == "", ~alive.exists()
            )
            if connection.execute(free.values(worker="", taken="")).rowcount:
                return True
            row = _row(connection, dispatch)
            heard = connection.execute(alive).one_or_none() is not None
        if row is not None and row.ended:
            return True
        if row is None or row.worker != worker or heard:
            what = "its worker has been heard of" if heard else "it is not that worker's"
            raise Refused(
                f"the dispatch cannot be taken away from {worker}: {what}", where=dispatch
            )
        return False

    def beat(self, worker: str, now: datetime) -> None:
        """A worker's heartbeat; the first one registers it."""
        mine, at = update(WORKER).where(WORKER.c.name == worker), stamp(now)
        with self._transactions.writing() as connection:
            if connection.execute(mine.values(seen=at)).rowcount:
                return
            connection.execute(delete(WORKER).where(WORKER.c.seen < stamp(now - _REMEMBERED)))
            connection.execute(insert(WORKER).values(name=worker, started=at, seen=at))

    def workers(self) -> tuple[Worker, ...]:
        """All that were seen in the last day, by name."""
        recent = WORKER.c.seen >= stamp(self._clock.now() - _REMEMBERED)
        mine = (ROLLOUT_JOB.c.worker == WORKER.c.name) & (ROLLOUT_JOB.c.ended == "")
        counted = select(func.count()).where(mine).correlate(WORKER).scalar_subquery()
        chosen = select(WORKER, counted.label("jobs")).where(recent).order_by(WORKER.c.name)
        with self._transactions.reading() as connection:
            return tuple(
                Worker(
                    name=row.name,
                    started=moment(row.started),
                    seen=moment(row.seen),
                    jobs=row.jobs,
                )
                for row in connection.execute(chosen)
            )


def _row(connection: Connection, dispatch: str) -> Row[*tuple[Any, ...]] | None:
    chosen = select(ROLLOUT_JOB).where(ROLLOUT_JOB.c.dispatch == dispatch)
    return connection.execute(chosen).one_or_none()


def _job(row: Row[*tuple[Any, ...]]) -> Job:
    return Job(
        dispatch=row.dispatch,
        rollout=row.rollout,
        epoch=row.epoch,
        worker=row.worker,
        taken=moment(row.taken) if row.taken else None,
        begun=moment(row.begun) if row.begun else None,
        ended=moment(row.ended) if row.ended else None,
    )
